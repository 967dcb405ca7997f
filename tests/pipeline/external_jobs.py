"""Jobs that are nobody's but their owner's: a plain consumer and producer with a group and a topic of their own."""

import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from confluent_kafka import Producer

from tests.pipeline.candidates import OUT_OF, answer
from tests.pipeline.trial_fixture import PARTITIONS, Production, Trial, time_ms

DROPS, ADDS, DIFFERS = 3, 23, 43
"""Of every `OUT_OF` orders a faulty job leaves out one, writes one more beside another, and scores one otherwise."""


class ExternalJobTrial(NamedTuple):
    """A trial's input, read by another group that writes another topic; as `Production` wants it."""

    bootstrap: str
    input: str
    output: str
    group: str


def job(trial: Trial, name: str, say: Callable[[bytes], bytes | None], **more: Any) -> Production:
    """A job that answers the trial's orders into `<trial>-<name>`, in a group of that name; commits after its flush."""
    topic = f"{trial.name}-{name}"
    needed: Any = ExternalJobTrial(trial.bootstrap, trial.input, topic, topic)  # all that it needs of a trial
    return Production(needed, say, **more)


def candidate_of(name: str) -> dict[str, str]:
    """The config's candidate that is the job `next` of a trial."""
    return {"topic": f"{name}-next", "group": f"{name}-next", "version": "1", "commits": "after_output"}


def right(value: bytes) -> bytes:
    """What production says, written by another program."""
    return json.dumps(answer(json.loads(value)), sort_keys=True, indent=1).encode()


def faulty(value: bytes) -> bytes | None:
    """As `right`, but for one order of `OUT_OF` that is left out and one that is scored otherwise."""
    order: dict[str, Any] = json.loads(value)
    if order["n"] % OUT_OF == DROPS:
        return None
    output = answer(order)
    if order["n"] % OUT_OF == DIFFERS:
        output["score"] += 1
    return json.dumps(output).encode()


def add(trial: Trial, topic: str, numbers: Iterable[int]) -> int:
    """Write one more record of a key of its own beside each order whose turn it is; gives how many."""
    producer = Producer({"bootstrap.servers": trial.bootstrap, "enable.idempotence": True})
    extra = [n for n in numbers if n % OUT_OF == ADDS]
    for n in extra:
        producer.produce(topic, b"{}", b"added-%d" % n, n % PARTITIONS, timestamp=time_ms(n))
    assert producer.flush(30) == 0
    return len(extra)
