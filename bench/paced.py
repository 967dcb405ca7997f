"""Writer of pairs at a pace: when the broker appended those that differ, and how late after their turn.

A load that its generator does not keep up measures the generator. So each run holds how late its records were appended,
and `latency` does not count a run that was late.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from bench.workloads import MISMATCH_EVERY, PARTITIONS, Topics
from shadowstream.kafka.client.messages import offset_of, place_of
from shadowstream.records import Partition
from shadowstream.testing.topics import create_topics

TURN_S = 0.002
LINGER_MS = 20
"""A producer of many records waits a little for more. With 1 ms almost each record is a request of its own: it cost the
broker four times as much CPU, and acknowledgements took up to seconds."""
CALL_S = 60.0
APPEND_TIME = {"retention.ms": "-1", "message.timestamp.type": "LogAppendTime"}


def create(bootstrap: str, topics: Topics) -> None:
    """Create the topics of a workload, empty; the broker stamps each record as it appends it."""
    create_topics(bootstrap, dict.fromkeys(topics.names, PARTITIONS), APPEND_TIME)


@dataclass
class Written:
    """Result of one run: pairs from number `first` to before `end`."""

    first: int
    end: int
    differing: int = 0
    """Number of pairs that differ. The other figures are of both records of each of these."""
    appended: dict[tuple[Partition, int], float] = field(default_factory=dict)
    """Time of the append, ms since the epoch, by partition and offset."""
    late_ms: list[float] = field(default_factory=list)
    """Time from the record's turn by the pace to its append, ms."""

    def delivered(self, turn_ms: float) -> Callable[[KafkaError | None, Message], None]:
        """Return the callback for the delivery of a record whose turn was at `turn_ms` since the epoch."""

        def note(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                raise SystemExit(f"{message.topic()}: a record was not written: {error.str()}")
            at_ms = float(message.timestamp()[1])
            self.appended[place_of(message), offset_of(message)] = at_ms
            self.late_ms.append(at_ms - turn_ms)

        return note


def write(bootstrap: str, topics: Topics, per_s: float, seconds: float, first: int) -> Written:
    """Write `per_s` records a second of both sides together, from pair `first` on; late ones are written all the same.

    Raises SystemExit if the broker does not take all of them.
    """
    made = list(topics.workload.pairs(2 * MISMATCH_EVERY))
    settings = {"bootstrap.servers": bootstrap, "linger.ms": LINGER_MS, "compression.type": "lz4"}
    producer = Producer({**settings, "queue.buffering.max.messages": 2_000_000})
    producer.list_topics(topics.production, timeout=CALL_S)  # the pace begins once it is connected
    pairs_per_ms = per_s / 2_000
    written = Written(first, first + int(seconds * 1_000 * pairs_per_ms))
    began, began_ms, n = time.monotonic(), time.time() * 1_000, first
    while n < written.end:
        due = min(written.end, first + int((time.monotonic() - began) * 1_000 * pairs_per_ms) + 1)
        for number in range(n, due):
            key, (_, production, shadow) = b"l%09d" % number, made[number % len(made)]
            differs = number % MISMATCH_EVERY == MISMATCH_EVERY - 1
            report = written.delivered(began_ms + (number - first) / pairs_per_ms) if differs else None
            written.differing += differs
            for topic, value in ((topics.production, production), (topics.shadow, shadow)):
                _produce(producer, topic, value, key, number % PARTITIONS, report)
            if number % 500 == 0:
                producer.poll(0)
        n = due
        producer.poll(0)
        time.sleep(TURN_S)
    if left := producer.flush(CALL_S):
        raise SystemExit(f"{left} records were not written within {CALL_S:.0f} s: is the broker up?")
    return written


def _produce(producer: Producer, topic: str, value: bytes, key: bytes, partition: int, report: Any) -> None:
    while True:
        try:
            producer.produce(topic, value, key, partition, on_delivery=report)
            return
        except BufferError:
            producer.poll(0.05)
