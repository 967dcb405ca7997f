"""A rolling deploy of the candidate: every count belongs to the revision that ran."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import Producer

from tests.pipeline.candidates import SAME
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.role_processes import Running, answered, commit
from tests.pipeline.test_outcomes import IDENTITIES
from tests.pipeline.trial_fixture import COORDINATE_HEADER, PARTITIONS, UNBOUNDED, Trial, below, beside, order, time_ms
from tests.pipeline.written_records import await_that, remainders


def version(drops: int, errs: int) -> str:
    """A candidate that drops one order of fifty and fails on another."""
    return (
        SAME
        + f"""

def version(order):
    if order["n"] % 50 == {errs}:
        raise ValueError("no score")
    return None if order["n"] % 50 == {drops} else judge(order)
"""
    )


OLD, NEW = {"drops": 3, "errs": 4}, {"drops": 7, "errs": 8}


def ran_under(trial: Trial) -> dict[int, str]:
    """The revision that ran on each order, by the runners' own range marks."""
    ran: dict[int, str] = {}
    for mark in trial.records("progress"):
        if mark["kind"] == "range":
            for offset in range(mark["from_offset"], mark["to_offset"]):
                ran[offset * PARTITIONS + mark["input_partition"]] = mark["revision"]
    return ran


def by_revision(stats: list[dict[str, Any]]) -> dict[str, Counter[str]]:
    """All outcomes by revision, inputs among them."""
    found: dict[str, Counter[str]] = {}
    for record in stats:
        for window in record["windows"]:
            found.setdefault(window["revision"], Counter()).update(window["outcomes"])
    return {revision: Counter({word: n for word, n in found[revision].items() if n}) for revision in found}


def expected_of(ran: dict[int, str], faults: dict[str, dict[str, int]]) -> dict[str, Counter[str]]:
    """What orders end in by the revision that ran on them; `faults` by revision."""
    found: dict[str, Counter[str]] = {revision: Counter() for revision in faults}
    for n, revision in ran.items():
        kind, count = n % 50, found[revision]
        count["input"] += 1
        if kind == faults[revision]["errs"]:
            count.update(("input_failed", "candidate_error"))
        else:
            count["missing" if kind == faults[revision]["drops"] else "match"] += 1
    return found


class Stream:
    """Orders and production's answers to them, some hundred a second until the end of the block."""

    def __init__(self, trial: Trial) -> None:
        self.orders, self._trial = 0, trial

    def write(self, over: threading.Event) -> None:
        producer = Producer({"bootstrap.servers": self._trial.bootstrap, "enable.idempotence": True, "linger.ms": 5})
        while not over.wait(0.01):
            for _ in range(5):
                self._write(producer, self.orders)
                self.orders += 1
            producer.poll(0)
        assert producer.flush(30) == 0

    def _write(self, producer: Producer, n: int) -> None:
        trial, key, partition, at = self._trial, b"order-%d" % n, n % PARTITIONS, time_ms(n)
        producer.produce(trial.input, json.dumps(order(n)).encode(), key, partition, timestamp=at)
        coordinate = f"{trial.input}/{partition}/{n // PARTITIONS}".encode()
        headers: list[tuple[str, str | bytes | None]] = [(COORDINATE_HEADER, coordinate)]
        producer.produce(trial.output, answered(n).value, key, partition, timestamp=at, headers=headers)


@pytest.mark.parametrize("identity", ["key", pytest.param("coordinate", marks=pytest.mark.long)])
def test_a_rolling_deploy_splits_every_count(identity: str, make_trial: MakeTrial) -> None:
    """Two runners; one is replaced in mid-stream while the other goes on, then that one, then the joiner."""
    more = {"identity": IDENTITIES[identity], **UNBOUNDED}
    old = make_trial(f"deploy-{identity}", version(**OLD), "version", folder="old", **more)
    (new_folder := old.folder.with_name("new")).mkdir()
    new = replace(old, folder=new_folder, candidate=version(**NEW))

    def ran() -> dict[int, str]:
        return ran_under(old)

    with Running(old) as roles:
        with beside((stream := Stream(old)).write):
            roles.start("run", "0")
            roles.start("run", "1")
            roles.start("join")
            await_that("the old one has begun", lambda: len(ran()) > 100)
            roles.stop("run", "0")
            roles.start("run", "0", new)
            await_that("both run", lambda: len(set(ran().values())) == 2)
            roles.stop("run", "1")
            roles.start("run", "1", new)
            roles.stop("join")
            roles.start("join", trial=new)
        await_that("all have run", lambda: len(ran()) == stream.orders)
        commit(old, old.group, below(stream.orders))
        marks = old.records("progress")
        first, second = dict.fromkeys(mark["revision"] for mark in marks if mark["kind"] == "start")
        expected = expected_of(ran(), {first: OLD, second: NEW})
        together = sum(expected.values(), Counter())
        roles.await_outcomes(**{word: n for word, n in together.items() if not word.startswith("input")})
        assert by_revision(roles.stats()) == expected
        assert all(count["match"] > 100 for count in expected.values()), "not a deploy in mid-stream"
        assert remainders(roles.stats()) == {}
        print(f"{identity}: {[dict(count) for count in expected.values()]}")
