"""The demo's production: reads flights, scores them, writes the scores, flushes, commits. `python -m` runs it.

It knows nothing of shadowstream, as a team's own job would: no header, no transaction, no mark. Offsets are committed
only after the outputs of all records below them have been acknowledged, so a crash repeats outputs and loses none.
An output goes to its input's partition with its input's key and timestamp.
"""

import argparse
import faulthandler
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from shadowstream.demo.flights import SUBJECT as FLIGHTS
from shadowstream.demo.flights import produce
from shadowstream.demo.model import PRODUCTION, Frozen
from shadowstream.demo.wire import Wire
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.kafka import role_report
from shadowstream.kafka.role_report import Report
from shadowstream.kafka.supervisor import end_with_supervisor

DELAYS = "flight-delays-value"
BATCH = 1_000
COMMIT_EVERY_S = 0.5
COMMIT_EVERY_RECORDS = 20_000
TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Job:
    """The input, the output and the identity of a production process."""

    bootstrap: str
    input: str
    output: str
    group: str
    model: Frozen
    until_end: bool


class Production:
    """One consumer, one producer, one thread. `run` returns when the job is done or `stop` was called."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.records = 0
        self.stopping = False
        self._failures: list[str] = []
        self._flights, self._delays = Wire(FLIGHTS), Wire(DELAYS)
        self._next: dict[int, int] = {}
        """Per owned partition the offset after the last record whose output was handed to the producer."""
        self._uncommitted = 0
        self._consumer = Consumer(
            {
                "bootstrap.servers": job.bootstrap,
                "group.id": job.group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "fetch.queue.backoff.ms": 10,
            }
        )
        self._producer = Producer(
            {
                "bootstrap.servers": job.bootstrap,
                "enable.idempotence": True,
                "linger.ms": 20,
                "delivery.report.only.error": True,
                "on_delivery": lambda error, _message: self._failures.append(str(error)),
                # Warnings tell of a young broker that is not ready yet; what fails for good is raised.
                "log_level": 3,
            }
        )

    def stop(self, *_: int | FrameType | None) -> None:
        """End after the current batch, with its outputs flushed and its offsets committed. A signal handler."""
        self.stopping = True

    def run(self) -> None:
        """Consume, score, produce, flush, commit, until stopped or, with `until_end`, at the ends found at the start.

        Raises BrokerError where an output was not acknowledged (its input is then not committed) or the broker fails.
        """
        topic = self.job.input
        ends = self._ends() if self.job.until_end else {}
        self._consumer.subscribe([topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
        due = time.monotonic() + COMMIT_EVERY_S
        try:
            while not self.stopping and not (ends and self._reached(ends)):
                self._score(self._consumer.consume(BATCH, 0) or self._consumer.consume(1, 0.05))
                if self._uncommitted >= COMMIT_EVERY_RECORDS or time.monotonic() >= due:
                    self._commit()
                    due = time.monotonic() + COMMIT_EVERY_S
            self._commit(also_untouched=True)
        except KafkaException as failure:
            raise BrokerError(f"{topic!r} on {self.job.bootstrap}: {failure.args[0]}") from failure
        finally:
            # Closing revokes, and a revocation commits what is flushed: after a failure nothing more may be committed.
            self._uncommitted = 0
            self._consumer.close()

    def _ends(self) -> dict[int, int]:
        """The offset after the last record of every input partition."""
        topic = self.job.input
        try:
            known = self._consumer.list_topics(topic, TIMEOUT_S).topics[topic]
            if known.error is not None:
                raise KafkaException(known.error)
            places = [TopicPartition(topic, partition) for partition in known.partitions]
            return {place.partition: self._consumer.get_watermark_offsets(place, TIMEOUT_S)[1] for place in places}
        except KafkaException as failure:
            raise BrokerError(f"{topic!r} on {self.job.bootstrap} cannot be read: {failure.args[0]}") from failure

    def _reached(self, ends: dict[int, int]) -> bool:
        return bool(self._next) and all(offset >= ends[partition] for partition, offset in self._next.items())

    def _score(self, batch: list[Message]) -> None:
        output, model, decode, encode = self.job.output, self.job.model, self._flights.decode, self._delays.encode
        for message in batch:
            error = message.error()
            if error is not None:
                if error.retriable():
                    continue
                raise KafkaException(error)
            value, partition, offset = message.value(), message.partition(), message.offset()
            assert partition is not None
            assert offset is not None
            assert value is not None, "flights has no tombstones"
            scored = model.judge(decode(value), PRODUCTION)
            _, timestamp = message.timestamp()
            produce(self._producer, output, encode(scored), key=message.key(), partition=partition, timestamp=timestamp)
            self._next[partition] = offset + 1
        self._producer.poll(0)
        self.records += len(batch)
        self._uncommitted += len(batch)

    def _commit(self, also_untouched: bool = False) -> None:
        """Flush, then commit the flushed records; `also_untouched` includes partitions without new records, so that an
        empty partition also gets a committed offset."""
        if not self._uncommitted and not also_untouched:
            return
        unsent = self._producer.flush(TIMEOUT_S)
        if unsent or self._failures:
            problem = self._failures[0] if self._failures else f"no answer within {TIMEOUT_S:.0f} s"
            raise BrokerError(
                f"{unsent + len(self._failures)} outputs were not written to {self.job.output!r}: {problem}"
            )
        if self._next:
            places = [TopicPartition(self.job.input, partition, offset) for partition, offset in self._next.items()]
            self._consumer.commit(offsets=places, asynchronous=False)
        self._uncommitted = 0

    def _assigned(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        for place in consumer.committed(places, TIMEOUT_S):
            # A partition without a committed offset is read from its start.
            start = place.offset if place.offset >= 0 else consumer.get_watermark_offsets(place, TIMEOUT_S)[0]
            self._next[place.partition] = start

    def _revoked(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        self._commit()
        self._lost(consumer, places)

    def _lost(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        for place in places:
            self._next.pop(place.partition, None)


def main(arguments: list[str] | None = None) -> int:
    """Run production until SIGTERM or SIGINT, or to the end of the input. Exit codes: 1 the broker failed, 2 usage."""
    parser = argparse.ArgumentParser(prog="production", description="Score flights, at least once.")
    for option in ("--bootstrap", "--input", "--output", "--group"):
        parser.add_argument(option, required=True)
    parser.add_argument("--model", required=True, type=Path, help="JSON file of the frozen model")
    parser.add_argument("--until-end", action="store_true", help="end at what was in the input at the start")
    given = parser.parse_args(arguments)
    try:
        model = Frozen.from_file(given.model)
    except ConfigError as failure:
        print(f"production: {failure}", file=sys.stderr)
        return 2
    role_report.connect()
    faulthandler.enable()
    production = Production(Job(given.bootstrap, given.input, given.output, given.group, model, given.until_end))
    signal.signal(signal.SIGTERM, production.stop)
    signal.signal(signal.SIGINT, production.stop)
    end_with_supervisor()
    started, cpu_started = time.monotonic(), time.process_time()
    try:
        production.run()
    except BrokerError as failure:
        print(f"production: {failure}", file=sys.stderr)
        return 1
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - cpu_started
    rate = production.records / seconds if seconds else 0.0
    print(
        f"production: {production.records} records in {seconds:.1f} s ({rate:.0f} records/s), {cpu_seconds:.1f} CPU s",
        file=sys.stderr,
    )
    if not production.stopping:
        role_report.send(Report.FINISHED)
    return 0


if __name__ == "__main__":
    sys.exit(main())
