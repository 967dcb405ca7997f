"""How long it takes from the start of a killed joiner's successor to the first outcome that it commits."""

import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import threading
import time
from pathlib import Path

import pytest
from confluent_kafka import Producer

from shadowstream.testing import EmbeddedKafka
from shadowstream.testing.topics import Write, create_topics, produce_all
from tests.conftest import Say
from tests.pipeline.external_jobs import candidate_of
from tests.pipeline.follower import Follower
from tests.pipeline.role_processes import commit
from tests.pipeline.trial_fixture import FIRST_MS, Trial, beside
from tests.pipeline.written_records import await_that, remainders

LIMIT_S = 3.0
"""The promise, of the median: what else the machine does meets single restarts."""
VALUE = b'{"score":1.5,"text":"' + b"x" * 150 + b'"}'
CASES = {
    "nothing to read again": (100, 0),
    "200,000 of span": (200_000, 0),
    "200,000 of span, 1,000 pending": (200_000, 1_000),
    "200,000 of span, 10,000 pending": (200_000, 10_000),
}


def job_of_its_own(bootstrap: str, name: str, folder: Path) -> Trial:
    """A trial of one partition whose candidate is a job of its own that never says how far it is: nothing closes."""
    trial = Trial(bootstrap, name, folder, settings={"start": "earliest"})
    criteria = [{"rate": "mismatch", "limit": 0.01}]
    trial.write_config(candidate=candidate_of(name), compare={"match_sample": 0}, judge={"criteria": criteria})
    create_topics(bootstrap, {trial.input: 1, trial.output: 1, f"{name}-next": 1})
    return trial


def filled(trial: Trial, span: int, pending: int) -> None:
    """Both sides with so many records, some of them, anywhere, still without the candidate's."""
    lacking = set(random.Random(span + pending).sample(range(span), pending))
    keys = [b"%d" % n for n in range(span)]
    produce_all(trial.bootstrap, trial.input, [Write(VALUE, b"0", 0, FIRST_MS)])
    produce_all(trial.bootstrap, trial.output, [Write(VALUE, key, 0, FIRST_MS + n) for n, key in enumerate(keys)])
    answered = [Write(VALUE, key, 0, FIRST_MS + n) for n, key in enumerate(keys) if n not in lacking]
    produce_all(trial.bootstrap, f"{trial.name}-next", answered)
    commit(trial, trial.group, {0: 1})
    commit(trial, f"{trial.name}-next", {0: 0})


def resumed(trial: Trial, first: int) -> contextlib.AbstractContextManager[None]:
    """Both sides write one record each 20 ms."""

    def write(over: threading.Event) -> None:
        producer = Producer({"bootstrap.servers": trial.bootstrap, "enable.idempotence": True, "linger.ms": 1})
        n = first
        while not over.wait(0.02):
            for topic in (trial.output, f"{trial.name}-next"):
                producer.produce(topic, VALUE, b"%d" % n, 0, timestamp=FIRST_MS + n)
            producer.poll(0)
            n += 1
        producer.flush(10)

    return beside(write)


def restarted(trial: Trial, stats: Follower) -> tuple[subprocess.Popen[str], float]:
    """A joiner, and the seconds until its first commit with an outcome can be read."""
    before = len(trial.records("stats"))
    while stats.read < before:
        stats.new()
    began = time.monotonic()
    process = trial.start("join", "--json")
    while not any(window["outcomes"].get("match") for record in stats.new() for window in record["windows"]):
        assert process.poll() is None, trial.log_text("join")[-2_000:]
        assert time.monotonic() - began < 60, trial.log_text("join")[-2_000:]
    return process, time.monotonic() - began


def measured(trial: Trial, span: int, pending: int, times: int) -> list[float]:
    """Seconds of so many restarts after kill -9."""
    filled(trial, span, pending)
    watcher = trial.start("run")
    joiner = trial.start("join", "--json")
    stats = Follower(trial.bootstrap, trial.topic("stats"))
    seconds = []
    try:

        def read() -> bool:
            found = trial.records("stats")
            return bool(found) and found[-1]["sources"][0]["to_offset"] >= span and found[-1]["pending"] == pending

        await_that(f"{span} are read and {pending} wait", read, 120)
        with resumed(trial, span):
            for _ in range(times):
                time.sleep(1.2)
                os.kill(joiner.pid, signal.SIGKILL)
                joiner.communicate()
                joiner, took = restarted(trial, stats)
                seconds.append(took)
        found = [json.loads(line) for line in trial.log_text("join").splitlines() if '"restored"' in line]
        assert len(found) == times + 1
        assert all(one["pending"] >= pending for one in found[1:])
    finally:
        for process in (watcher, joiner):
            process.kill()
            process.communicate()
        stats.close()
    found = trial.records("stats")
    assert remainders(found) == {}
    assert [record["seq"] for record in found] == list(range(1, len(found) + 1))
    return seconds


@pytest.mark.long
def test_a_killed_joiner_commits_its_first_new_outcome_within_seconds(tmp_path: Path, say: Say) -> None:
    lines = [
        f"{'restart after kill -9, to the first new committed outcome':<58} {'median':>7} {'least':>6} {'most':>6}"
    ]
    medians = []
    with EmbeddedKafka() as broker:
        for number, (name, (span, pending)) in enumerate(CASES.items()):
            folder = tmp_path / str(number)
            folder.mkdir()
            seconds = measured(job_of_its_own(broker.bootstrap, f"restart-{number}", folder), span, pending, 7)
            medians.append(statistics.median(seconds))
            lines.append(f"{name:<50} {medians[-1]:>6.2f}s {min(seconds):>5.2f}s {max(seconds):>5.2f}s")
    say("\n  ".join([*lines, f"limit {LIMIT_S:g} s"]))
    assert max(medians) < LIMIT_S
