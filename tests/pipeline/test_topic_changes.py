"""On the broker: production's records that cannot be read, or lie where nobody reads, are no fault of the candidate."""

import json
import time
from collections.abc import Callable

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from shadowstream.testing import Broker
from shadowstream.testing.topics import Write, create_topics, produce_all
from tests.conftest import Say
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.role_processes import Running, commit
from tests.pipeline.trial_fixture import PARTITIONS, UNBOUNDED, Trial, time_ms
from tests.pipeline.written_records import await_that, ended

CANDIDATE = 'def judge(o): return {"id": o["n"], "score": 1.0}\n'
STOPPED = 2
NOT_YET = 4


def place(n: int, *, grown: bool) -> int:
    """Some of the later orders lie in a partition that was not there at first."""
    return PARTITIONS if grown and n >= 30 and n % 4 == 0 else n % PARTITIONS


def orders(trial: Trial, numbers: range, grown: str = "") -> None:
    """Orders and production's answers to them, committed."""

    def written(topic: str, value: Callable[[int], object]) -> list[Write]:
        return [
            Write(json.dumps(value(n)).encode(), b"k%d" % n, place(n, grown=topic == grown), time_ms(n))
            for n in numbers
        ]

    produce_all(trial.bootstrap, trial.input, written(trial.input, lambda n: {"n": n}))
    produce_all(trial.bootstrap, trial.output, written(trial.output, lambda n: {"id": n, "score": 1.0}))
    at = [place(n, grown=trial.input == grown) for n in range(numbers.stop)]
    commit(trial, trial.group, {partition: at.count(partition) for partition in set(at)})


def add_partition(trial: Trial, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": trial.bootstrap})
    admin.create_partitions([NewPartitions(topic, PARTITIONS + 1)])[topic].result(20)


def make_again(trial: Trial, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": trial.bootstrap})
    admin.delete_topics([topic])[topic].result(20)
    await_that("it is gone", lambda: topic not in admin.list_topics(timeout=10).topics)
    create_topics(trial.bootstrap, {topic: PARTITIONS})


CHANGES: dict[str, tuple[str, Callable[[Trial, str], None], str]] = {
    "output grows": ("scores", add_partition, "(production's output) has 4 partitions now and had 3 when the trial"),
    "input grows": ("orders", add_partition, "(an input) has 4 partitions now and had 3 when the trial"),
    "output is made again": ("scores", make_again, "(production's output) was deleted"),
}


@pytest.mark.parametrize(("which", "change", "sentence"), CHANGES.values(), ids=CHANGES)
def test_a_topic_that_changes_stops_the_roles_and_the_verdict_says_so(
    make_trial: MakeTrial, say: Say, which: str, change: Callable[[Trial, str], None], sentence: str
) -> None:
    name = f"changes-{which}-{change.__name__.replace('_', '-')}"
    trial = make_trial(name, CANDIDATE, **UNBOUNDED)
    topic = f"{name}-{which}"
    with Running(trial) as roles:
        orders(trial, range(30))
        for role in ("run", "join", "judge"):
            roles.start(role)
        roles.await_outcomes(match=30)
        await_that("a verdict stands", lambda: bool(trial.records("verdict")))
        began = time.monotonic()
        change(trial, topic)
        time.sleep(0.3)
        if change is add_partition:
            orders(trial, range(30, 90), topic)
        for role in ("run", "join"):
            assert roles.processes[role + "0"].wait(30) == STOPPED, trial.log_text(role)[-2_000:]
            assert sentence in trial.log_text(role)
        say(f"{name}: both roles had stopped after {time.monotonic() - began:.1f} s")
        assert set(ended(roles.stats())) == {"match"}
        await_that("the verdict says it", lambda: sentence in " ".join(trial.records("verdict")[-1]["reasons"]))
        gate, explained = trial.ask("gate"), trial.ask("explain")
    assert gate.returncode == NOT_YET
    assert sentence in gate.stdout
    assert sentence in explained.stdout
    say(f"gate:\n{gate.stdout}\nexplain:\n{explained.stdout}")


def test_outputs_of_one_batch_that_no_client_decompresses_do_not_reject(
    make_trial: MakeTrial, kafka: Broker, say: Say
) -> None:
    """20 outputs of 6 MB in one batch: 120 MB in clear, a few kilobytes on the wire, for a client that takes 100 MB."""
    n = 20
    client = {"bootstrap": kafka.bootstrap, "client": {"receive.message.max.bytes": 100_000_000}}
    trial = make_trial("unread-batch", 'def judge(o): return {"id": o["n"]}\n', kafka=client)
    inputs = [Write(b'{"n": %d}' % i, b"k%d" % i, 0, time_ms(i)) for i in range(n)]
    produce_all(trial.bootstrap, trial.input, inputs)
    limits = {"message.max.bytes": 900_000_000, "batch.size": 900_000_000, "queue.buffering.max.kbytes": 2_000_000}
    producer = Producer({"bootstrap.servers": trial.bootstrap, "linger.ms": 3_000, "compression.type": "zstd"} | limits)
    for i in range(n):
        value = json.dumps({"id": i, "blob": "x" * 6_000_000}).encode()
        producer.produce(trial.output, value, b"k%d" % i, 0, timestamp=time_ms(i))
    assert producer.flush(60) == 0
    commit(trial, trial.group, {0: n})
    trial.play("run", "join", "judge")
    found = trial.outcomes()
    gate, explained = trial.ask("gate"), trial.ask("explain")
    say(f"{dict(found)}\ngate:\n{gate.stdout}\nexplain:\n{explained.stdout}")
    assert found == {"undecodable_production": n, "evicted": n}
    assert gate.returncode == NOT_YET
