"""The roles of a trial as processes, started, stopped and killed by a test; what they said, and what they should."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from shadowstream.testing.topics import Write, read_all
from tests.pipeline.candidates import answer
from tests.pipeline.trial_fixture import PARTITIONS, Trial, once_coordinated, order, time_ms
from tests.pipeline.written_records import await_that

OBSERVED_S = 2.5
"""The joiner observes each second: what is not said within two rounds and a half is not said for what was seen then."""


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
        self.processes[role + instance] = (trial or self.trial).start(role, "--instance", instance)

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
        return self.trial.records("stats")

    def await_outcomes(self, **expected: int) -> None:
        self.trial.await_outcomes(Counter(expected))

    def await_read(self, topic: str, records_: int) -> None:
        """Until the joiner has committed so many offsets of a topic."""

        def read() -> int:
            sources = (one for record in self.stats() for one in record["sources"] if one["topic"] == topic)
            return sum({one["partition"]: one["to_offset"] for one in sources}.values())

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
    return {row["pair_id"]: row for row in trial.records("diff")}


def coordinates(bootstrap: str, topic: str) -> dict[str, str]:
    """Where each key's record lies, as diff names it."""
    return {(one.key or b"").decode(): f"{topic}/{one.partition}/{one.offset}" for one in read_all(bootstrap, topic)}


def answered(n: int) -> Write:
    """Production's answer to the n-th order, as `Production` writes it."""
    return Write(json.dumps(answer(order(n))).encode(), b"order-%d" % n, n % PARTITIONS, time_ms(n))


def commit(trial: Trial, group: str, ends: dict[int, int]) -> None:
    """Commit as a job of this group does, by a consumer that is its only member."""
    consumer = Consumer({"bootstrap.servers": trial.bootstrap, "group.id": group, "enable.auto.commit": False})
    places = [TopicPartition(trial.input, partition, offset) for partition, offset in ends.items()]
    once_coordinated(lambda: consumer.commit(offsets=places, asynchronous=False))
    consumer.close()
