"""A trial of some weeks: its marks are millions, and its roles start as fast as on the first day."""

import itertools
import os
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from shadowstream.codecs import own
from shadowstream.protocol import marks
from shadowstream.testing import EmbeddedKafka
from tests.conftest import Say
from tests.pipeline.follower import Follower
from tests.pipeline.role_processes import Running
from tests.pipeline.trial_fixture import PARTITIONS, UNBOUNDED, Production, Trial, beside
from tests.pipeline.written_records import await_that, remainders

MARKS = int(os.environ.get("OLD_TRIAL_MARKS", "3000000"))
LIMIT_S = 3.0
"""The promise, of the median: what else the machine does meets single restarts."""
FIRST = 300
"""Orders of the first day; later ones all go to partition 0, so that two tasks are idle."""
TIMES = 5
CATCH_UP_S = 600.0


def repeated(trial: Trial, written: list[dict[str, Any]], count: int) -> None:
    """So many marks, these over and over: as a trial says them in which nothing is left to do."""
    values = [(marks.write("", record).key, own.encode("mark", record)) for record in written]
    producer = Producer(
        {"bootstrap.servers": trial.bootstrap, "linger.ms": 5, "compression.type": "lz4", "enable.idempotence": True}
    )
    for key, value in itertools.islice(itertools.cycle(values), count):
        while True:
            try:
                producer.produce(trial.topic("progress"), value, key, 0)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(60) == 0


def resumed(trial: Trial) -> AbstractContextManager[None]:
    """Orders come into partition 0 and production answers them, ten a second."""

    def work(over: threading.Event) -> None:
        n = FIRST
        while not over.wait(0.1):
            trial.write_orders([n])
            Production(trial).work({0: n // PARTITIONS + 1})
            n += PARTITIONS

    return beside(work)


def restarted(trial: Trial, role: str, follower: Follower) -> tuple[subprocess.Popen[str], float]:
    """The role, and the seconds until what it first commits of something new can be read."""
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < 1:  # what its predecessor had said
        if follower.new():
            quiet_since = time.monotonic()
    began = time.monotonic()
    process = trial.start(role)
    while not any(_is_new(record) for record in follower.new()):
        assert process.poll() is None, trial.log_text(role)[-2_000:]
        assert time.monotonic() - began < CATCH_UP_S, trial.log_text(role)[-2_000:]
    return process, time.monotonic() - began


def _is_new(record: dict[str, Any]) -> bool:
    if "kind" in record:
        return bool(record["kind"] == "range" and record["from_offset"] < record["to_offset"])
    return any(window["outcomes"].get("match") for window in record["windows"])


def last_done(trial: Trial) -> list[dict[str, Any]]:
    """The last done mark of each input partition, and a range mark that says as much."""
    last = {
        record["input_partition"]: record
        for record in trial.records("progress")
        if record["kind"] == "done" and record["to_offset"] == FIRST // PARTITIONS
    }
    assert len(last) == PARTITIONS
    ranges = [{**record, "kind": "range", "from_offset": record["to_offset"], "ends": []} for record in last.values()]
    return [one for both in zip(ranges, last.values(), strict=True) for one in both]


def measured(trial: Trial, running: Running) -> Iterator[tuple[str, float]]:
    """What was measured, and seconds. Marks come while the joiner runs and the runner does not."""
    for role in ("run", "join"):
        running.start(role)
    await_that("the first day is over", lambda: trial.outcomes()["match"] == FIRST)
    time.sleep(3)
    running.kill("run")
    repeated(trial, last_done(trial), MARKS)
    followers = {
        role: Follower(trial.bootstrap, trial.topic(k)) for role, k in (("run", "progress"), ("join", "stats"))
    }
    with resumed(trial):
        for role, follower in followers.items():
            for n in range(TIMES + 1):
                time.sleep(1.2)
                if role + "0" in running.processes:
                    running.kill(role)
                running.processes[role + "0"], seconds = restarted(trial, role, follower)
                # Once the joiner must read what had been said while it was behind.
                yield f"{role}, the first time" if n == 0 else role, seconds
    for follower in followers.values():
        follower.close()


@pytest.mark.long
def test_with_millions_of_marks_roles_start_as_fast_as_at_first(tmp_path: Path, say: Say) -> None:
    took: dict[str, list[float]] = {}
    with EmbeddedKafka() as broker:
        trial = Trial(broker.bootstrap, "old", tmp_path, settings=UNBOUNDED)
        trial.create_topics()
        trial.answered(FIRST)
        with Running(trial) as running:
            try:
                for name, seconds in measured(trial, running):
                    took.setdefault(name, []).append(seconds)
            finally:
                heading = f"{MARKS:,} marks, restart after kill -9 to the first new commit"
                lines = [f"{heading:<70} {'median':>7} {'least':>7} {'most':>7}"]
                for name, some in took.items():
                    lines.append(f"{name:<70} {statistics.median(some):>6.2f}s {min(some):>6.2f}s {max(some):>6.2f}s")
                read = [event["marks"] for event in trial.logged("join") if event["event"] == "restored"]
                lines.append(f"marks read by the joiner: {read}")
                say("\n  ".join(lines))
        assert remainders(trial.records("stats")) == {}
    assert max(statistics.median(took[role]) for role in ("run", "join")) < LIMIT_S
