"""The roles of a trial as processes, started, stopped and killed by a test; what they said, and what they should."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from shadowstream.testing.topics import Write, read_all
from tests.pipeline.candidates import answer
from tests.pipeline.trial_fixture import PARTITIONS, Trial, order, time_ms
from tests.pipeline.written_records import await_that, ended, records

OBSERVED_S = 2.5
"""The joiner observes each second: what is not said within two rounds and a half is not said for what was seen then."""
UNBOUNDED = {"start": "earliest", "bounded": False}


@dataclass(slots=True)
class Running:
    """The roles of one trial as processes, all of them killed at the end of the test."""

    trial: Trial
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.kill()
            process.communicate()

    def start(self, role: str, instance: str = "0", trial: Trial | None = None) -> None:
        path = str((trial or self.trial).config_path)
        self.processes[role + instance] = (trial or self.trial).start(role, path, "--instance", instance)

    def stop(self, role: str, instance: str = "0") -> None:
        """As an orchestrator does it: SIGTERM, and it ends well."""
        process = self.processes.pop(role + instance)
        process.send_signal(signal.SIGTERM)
        self.trial.finish(process, role)

    def kill(self, role: str, instance: str = "0") -> None:
        process = self.processes.pop(role + instance)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()

    def stats(self) -> list[dict[str, Any]]:
        return records(self.trial.bootstrap, self.trial.topic("stats"))

    def await_outcomes(self, **expected: int) -> None:
        """Until the outcomes are these; what they were last is in the failure."""
        found: Counter[str] = Counter()

        def there() -> bool:
            found.clear()
            found.update(+ended(self.stats()))
            return found == Counter(expected)

        try:
            await_that(f"outcomes are {expected}", there)
        except AssertionError as error:
            logs = "\n".join(self.trial.log_text(role)[-1_500:] for role in ("run", "join"))
            raise AssertionError(f"{error}, but {dict(found)}\n{logs}") from None

    def await_read(self, topic: str, records_: int) -> None:
        """Until the joiner has committed so many offsets of a topic."""

        def read() -> int:
            to = {
                (source["topic"], source["partition"]): source["to_offset"]
                for record in self.stats()
                for source in record["sources"]
            }
            return sum(offset for (name, _), offset in to.items() if name == topic)

        await_that(f"{records_} of {topic} are read", lambda: read() >= records_)


def by_window(stats: list[dict[str, Any]], width_ms: int) -> Counter[tuple[int, str]]:
    """Outcomes by start of their window, those taken back no longer among them."""
    found: Counter[tuple[int, str]] = Counter()
    for record in stats:
        for window in record["windows"]:
            assert window["start_ms"] % width_ms == 0
            found.update({(window["start_ms"], outcome): n for outcome, n in window["outcomes"].items()})
    return Counter({at: n for at, n in found.items() if n and at[1] not in ("input", "input_failed")})


def windows_of(outcomes: Iterable[tuple[int, str]], width_ms: int) -> Counter[tuple[int, str]]:
    """As `by_window`, of orders and their outcomes."""
    return Counter((time_ms(n) - time_ms(n) % width_ms, outcome) for n, outcome in outcomes)


def last_words(trial: Trial) -> dict[str, dict[str, Any]]:
    """The last row of each pair id."""
    return {row["pair_id"]: row for row in records(trial.bootstrap, trial.topic("diff"))}


def coordinates(bootstrap: str, topic: str) -> dict[str, str]:
    """Where each key's record lies, as diff names it."""
    return {
        (read.key or b"").decode(): f"{topic}/{read.partition}/{read.offset}" for read in read_all(bootstrap, topic)
    }


def answered(n: int) -> Write:
    """Production's answer to the n-th order, as `Production` writes it."""
    return Write(json.dumps(answer(order(n))).encode(), b"order-%d" % n, n % PARTITIONS, time_ms(n))


def commit(trial: Trial, group: str, below: dict[int, int]) -> None:
    """Commit as a job of this group does, by a consumer that is its only member."""
    consumer = Consumer({"bootstrap.servers": trial.bootstrap, "group.id": group, "enable.auto.commit": False})
    places = [TopicPartition(trial.input, partition, offset) for partition, offset in below.items()]
    deadline = time.monotonic() + 30
    while True:
        try:
            consumer.commit(offsets=places, asynchronous=False)
            break
        except KafkaException as error:
            moving = (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE)
            if error.args[0].code() not in moving or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
    consumer.close()
