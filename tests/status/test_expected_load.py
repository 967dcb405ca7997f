"""The expected load: it follows the sample, the share, the ceilings and the criteria; every figure has a cause."""

from dataclasses import replace

import pytest

from shadowstream.config import Config
from shadowstream.disk import topic_bytes
from shadowstream.status.expected_load import (
    OUTPUT_OVERHEAD,
    Source,
    expected_load,
    hours_until_shown,
    kept_bytes,
    memory_bytes,
    waits,
)
from tests.least_config import least_config

INPUT = Source("in", "input", 3, 100.0, 50.0)
OUTPUT = Source("out", "production", 3, 80.0, 20.0)
SOURCES = [INPUT, OUTPUT]


def plan(differing: float = 0.0, sources: list[Source] = SOURCES, **config: object) -> dict[str, float]:
    return dict(expected_load(least_config(**config), sources, differing).written)


def test_outputs_are_written_as_production_writes_them_with_their_header() -> None:
    assert plan()["out.out"] == 80 * (20 + OUTPUT_OVERHEAD)
    sampled = {"call": "m:f", "trusted": True, "sample": 0.1}
    assert plan(candidate=sampled)["out.out"] == pytest.approx(8 * (20 + OUTPUT_OVERHEAD))
    external = {"topic": "next", "group": "g", "version": "1"}
    assert "out.out" not in plan(candidate=external)


def test_rows_grow_with_the_share_that_differs() -> None:
    none, some, all_ = (plan(share, compare={"match_sample": 0})["diff"] for share in (0.0, 0.5, 1.0))
    assert none == 0
    assert all_ == pytest.approx(2 * some)
    assert plan(1.0, compare={"diff_json": True})["diff.json"] > plan(1.0)["diff"]


def test_retention_bounds_the_disk_and_not_what_is_written() -> None:
    config = least_config(retention={"bytes": 1_000_000_000})
    load = expected_load(config, SOURCES, 1.0)
    specs = config.plan.specs({"out": 3}, kept=config.kept)
    day, long = (kept_bytes(load, specs, config.plan.prefix, seconds) for seconds in (3_600, 3_600 * 10_000))
    assert day["out.out"] == pytest.approx(3_600 * load.written["out.out"])
    (spec,) = [one for one in specs if one.name == config.plan.out("out")]
    assert long["out.out"] == topic_bytes(spec, 1e18) < 4 * 1_200_000_000
    assert long["diff"] < 3_600 * 10_000 * load.written["diff"]


def test_small_topics_grow_with_commits_and_not_with_records() -> None:
    busy = [replace(one, records_per_s=1_000 * one.records_per_s) for one in SOURCES]
    for kind in ("progress", "stats", "state", "verdict"):
        assert plan(sources=busy)[kind] == plan()[kind]
        idle = [replace(one, records_per_s=0.01 * one.records_per_s / 100) for one in SOURCES]
        assert plan(sources=idle)[kind] <= plan()[kind]
    slow = {"limits": {"commit_ms": 5_000}}
    assert plan(**slow)["stats"] == pytest.approx(plan()["stats"] / 10)


def test_reads_are_those_of_all_roles() -> None:
    read = expected_load(least_config(), SOURCES, 0.0).read_bytes
    assert read > INPUT.bytes_per_s + OUTPUT.bytes_per_s + plan()["out.out"]
    twin = Source("twin", "twin", 3, 80.0, 20.0)
    more = expected_load(least_config(), [*SOURCES, twin], 0.0).read_bytes
    assert more == pytest.approx(read + twin.bytes_per_s)


def config(**judge: object) -> Config:
    return least_config(judge={"criteria": [{"rate": "mismatch", "limit": 0.01}], **judge})


def test_hours_are_those_of_the_slowest_criterion_and_whole_windows() -> None:
    slow = [replace(one, records_per_s=0.01) for one in SOURCES]
    found = waits(config(), slow)
    (mismatch,) = [one for one in found if one.criterion == "mismatch"]
    assert mismatch.needed is not None
    assert mismatch.hours == pytest.approx(mismatch.needed / 36)
    grace = config().grace_ms / 3_600_000
    hours = hours_until_shown(config(min_duration_ms=0), found)
    assert hours == pytest.approx(-(-mismatch.hours // 1) + grace)
    fast = waits(config(), SOURCES)
    assert hours_until_shown(config(), fast) == pytest.approx(24 + grace), "a day of event time in any case"


def test_a_wait_that_depends_on_keys_or_windows_is_not_known() -> None:
    by_key = least_config(judge={"criteria": [{"rate": "mismatch", "limit": 0.01, "unit": "key"}]})
    found = waits(by_key, SOURCES)
    assert [one.hours for one in found if one.criterion == "mismatch"] == [None]
    assert hours_until_shown(by_key, found) is None
    by_block = least_config(judge={"criteria": [{"rate": "mismatch", "limit": 0.01, "unit": "block"}]})
    (blocks,) = [one for one in waits(by_block, SOURCES) if one.criterion == "mismatch"]
    assert blocks.hours == blocks.needed, "a window of an hour gives one block"


def test_memory_is_bounded_by_what_may_wait() -> None:
    expected, bound = memory_bytes(least_config(), SOURCES)["joiner"]
    assert expected < bound
    small = least_config(limits={"pending_bytes_max": 10})
    assert memory_bytes(small, SOURCES)["joiner"][1] == expected - 2 * OUTPUT.bytes_per_s * 60 + 10
