"""The benchmark of latency measures from the append, and says when its load was not the one that it names."""

from typing import Any

import pytest

from bench import growth, latency, paced
from bench.workloads import Topics, Workload
from shadowstream.records import Partition
from shadowstream.testing import Broker
from shadowstream.testing.topics import read_all

GOOD = {
    "varied": "rate",
    "at": 1_000,
    "rows": 100,
    "differing": 100,
    "p50_ms": 312.0,
    "p99_ms": 613.0,
    "late_p99_ms": 40.0,
    "cpu_percent": 20.0,
    "core_wait_percent": 5.0,
    "broker_percent": 30.0,
}


def test_a_generator_knows_its_appends_and_its_lateness(kafka: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    topics = Topics(Workload("flat-100"), 4711)
    paced.create(kafka.bootstrap, topics)
    written = paced.write(kafka.bootstrap, topics, 1_000, 0.4, 100)
    assert (written.first, written.end, written.differing, len(written.appended)) == (100, 300, 4, 8)
    stamped = {
        (Partition(one.topic, one.partition), one.offset): one.timestamp_ms
        for topic in (topics.production, topics.shadow)
        for one in read_all(kafka.bootstrap, topic)
    }
    assert len(stamped) == 400
    assert written.appended == {at: stamped[at] for at in written.appended}
    assert min(written.late_ms) > -5  # two clocks
    monkeypatch.setattr(latency, "LATE_MAX_MS", 100)
    hurried = paced.write(kafka.bootstrap, topics, 20_000_000, 0.01, 300)  # no machine writes 200,000 records so soon
    assert hurried.end == 100_300
    late = sorted(hurried.late_ms)[int(0.99 * len(hurried.late_ms))]
    (why,) = latency.reasons(GOOD | {"late_p99_ms": late})
    assert why == f"the generator was late by {late:,.0f} ms at p99"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, []),
        ({"late_p99_ms": 1_224.0}, ["the generator was late by 1,224 ms at p99"]),
        ({"core_wait_percent": 63.5}, ["the joiner waited for a core 64 % of the time"]),
        ({"rows": 99}, ["99 rows of 100 came"]),
    ],
)
def test_a_figure_that_does_not_count_says_why(changed: dict[str, Any], why: list[str]) -> None:
    row = GOOD | changed
    row["reasons"] = latency.reasons(row)
    assert row["reasons"] == why
    line = growth.latency_line(row)
    assert ("| 312 | 613 |" in line) == (not why)
    assert line.endswith(f"| no: {why[0]} |" if why else "| yes |")


def test_latency_begins_at_the_append_of_the_second_record() -> None:
    sides = {side: {"topic": side, "partition": 0, "offset": 7} for side in ("production", "shadow")}
    appended = {(Partition("production", 0), 7): 1_000.0, (Partition("shadow", 0), 7): 1_200.0}
    written = paced.Written(0, 1, 1, appended)
    assert latency._latency(1_500.0, sides, written) == 300.0
    assert latency._latency(1_500.0, sides | {"shadow": None}, written) is None
    assert latency._latency(1_500.0, sides | {"shadow": {**sides["shadow"], "offset": 8}}, written) is None


@pytest.mark.long
def test_each_pair_that_differs_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "IDLE_S", 1.0)
    idle, row = latency.measured((1_000,), 2.0)
    assert idle["varied"] == "idle"
    assert (row["rows"], row["differing"]) == (20, 20)
    assert 0 < row["p50_ms"] <= row["p99_ms"]
