"""Pairs by slice and by key bucket: the same cells whatever the batches, and never more or less than the pairs."""

import zlib
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.compare.dimension_codes import OTHER, coded, least
from shadowstream.joiner.accounting.pair_columns import PairColumns
from shadowstream.joiner.accounting.slice_counts import SliceCounts
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.protocol.sub_windows import is_counted
from shadowstream.records import KEY_BUCKETS, SUB_WINDOWS, Partition
from tests.joiner.joiner_world import WINDOW_MS, Record, World, config
from tests.joiner.outcome_cases import P, S
from tests.joiner.whole_trial import RULES, Trial

IN = Partition("in", 0)
NAMES = ["carrier", "origin"]
SETTINGS = config(compare={"dimensions": [{"name": name, "path": name} for name in NAMES], "values_max": 3})
WHO = ("r", "q")

pair = st.tuples(
    st.integers(0, 3 * WINDOW_MS - 1),
    st.sampled_from([None, b"a", b"b", b"c"]),
    st.sampled_from(WHO),
    st.sampled_from(["match", "tolerated", "ignored", "expected", "mismatch", "cardinality", "undecodable_shadow"]),
    st.sampled_from("abcdef"),
    st.sampled_from(["x", "y"]),
)


def columns(pairs: list[Any]) -> PairColumns:
    times, keys, revisions, outcomes, one, other = (list(c) for c in zip(*pairs, strict=True)) if pairs else [[]] * 6
    dimensions = [coded(one), coded(other)]
    return PairColumns(np.array(times, np.int64), keys, coded(revisions), coded(outcomes), dimensions)


def slices(*parts: list[Any]) -> dict[tuple[int, str], list[dict[str, Any]]]:
    """The cells of each window, `parts` being counted one after another."""
    cells = SliceCounts(SETTINGS)
    for part in parts:
        cells.add(columns(part))
    ats = [(start, who) for start in range(0, 3 * WINDOW_MS, WINDOW_MS) for who in WHO]
    return {at: record["slices"] for at in ats if (record := cells.record(at))}


@given(st.lists(pair, max_size=60), st.integers(0, 60))
def test_cells_do_not_depend_on_how_the_pairs_are_cut_or_ordered(pairs: list[Any], cut: int) -> None:
    assert slices(pairs) == slices(pairs[cut:], pairs[:cut])


@given(st.lists(pair, max_size=60))
def test_each_dimension_and_couple_of_dimensions_adds_up_to_all_pairs(pairs: list[Any]) -> None:
    compared = [p for p in pairs if p[3] != "undecodable_shadow"]
    for (start, who), found in slices(pairs).items():
        here = [p for p in compared if p[0] // WINDOW_MS * WINDOW_MS == start and p[2] == who]
        bad = sum(p[3] in ("mismatch", "cardinality") for p in here)
        for group in (["carrier"], ["origin"], NAMES):
            of_group = [one for one in found if list(one["dimensions"]) == group]
            assert sum(one["n"] for one in of_group) == len(here)
            assert sum(one["s"] for one in of_group) == bad


@given(st.lists(pair, max_size=60))
def test_exact_values_are_counted_exactly_up_to_values_max(pairs: list[Any]) -> None:
    for (start, who), found in slices(pairs).items():
        here = [p for p in pairs if p[0] // WINDOW_MS * WINDOW_MS == start and p[2] == who]
        n = Counter(p[4] for p in here if p[3] != "undecodable_shadow")
        named = {one["values"][0]: one["n"] for one in found if one["dimensions"] == ("carrier",)}
        exact = {value: n[value] for value in least(n, 3)}
        assert {value: count for value, count in named.items() if value != OTHER} == exact
        assert named.get(OTHER, 0) == sum(n.values()) - sum(exact.values())


@given(st.lists(st.text(max_size=3), max_size=40), st.integers(0, 40), st.integers(1, 5))
def test_exact_values_of_a_whole_are_exact_in_each_part(values: list[str], cut: int, values_max: int) -> None:
    for part in (values[:cut], values[cut:]):
        assert least(values, values_max) & set(part) <= least(part, values_max)


@given(st.lists(pair, max_size=60))
def test_buckets_hold_every_compared_pair_that_has_a_key(pairs: list[Any]) -> None:
    cells = SliceCounts(SETTINGS)
    cells.add(columns(pairs))
    found = [
        bucket
        for start in range(0, 3 * WINDOW_MS, WINDOW_MS)
        for who in WHO
        for bucket in cells.record((start, who)).get("buckets", ())
    ]
    keyed = [p for p in pairs if p[1] is not None and p[3] != "undecodable_shadow"]
    assert sum(one["n"] for one in found) == len(keyed)
    assert sum(one["s"] for one in found) == sum(p[3] in ("mismatch", "cardinality") for p in keyed)
    assert all(0 <= one["bucket"] < KEY_BUCKETS for one in found)


def summed(trial: World, kind: str) -> Counter[Any]:
    total: Counter[Any] = Counter()
    for record in trial.stats:
        for window in record["windows"]:
            for one in window[kind]:
                name = (tuple(one["dimensions"]), tuple(one["values"])) if kind == "slices" else "all"
                total[name, "n"] += one["n"]
                total[name, "s"] += one["s"]
    return total


def test_cells_add_up_with_equal_bytes_and_after_a_restart() -> None:
    kinds = [["same", "differs", "near", "noisy", "deleted", "broken", "lost", "same"] * 3]
    dimensions = [{"name": "near", "path": "near"}, {"name": "kind", "header": "kind"}, {"name": "id", "path": "id"}]
    compare = {"match_sample": 0, "rules": RULES, "dimensions": dimensions}
    trial = Trial(config(compare=compare, identity={"kind": "key"}, bounded=True), kinds)
    for offset, record in enumerate(trial.logs[IN]):
        if record is not None:
            trial.logs[IN][offset] = record._replace(headers=[("kind", kinds[0][offset].encode())])
    trial.begin()
    trial.produce(IN, 12)
    trial.run(IN, 12)
    trial.commit_runner()
    trial.turn()
    trial.start_joiner()
    trial.finish()
    total, outcomes = summed(trial, "slices"), trial.outcomes()
    n = sum(outcomes[outcome] for outcome in ("match", "tolerated", "ignored", "mismatch"))
    assert outcomes["mismatch"] == 3

    def of(dimension: str, which: str) -> dict[tuple[str, ...], int]:
        return {at[1]: count for (at, what), count in total.items() if at[0] == (dimension,) and what == which}

    assert of("near", "n") == {("1.0",): n - 3, ("(absent)",): 3}
    assert of("kind", "n") == {("same",): 6, **{(kind,): 3 for kind in ("differs", "near", "noisy", "deleted")}}
    assert total[(("near", "kind"), ("1.0", "differs")), "s"] == 3 == sum(of("kind", "s").values())
    assert summed(trial, "buckets")["all", "n"] == n


@pytest.mark.parametrize("late", ["production", "shadow"])
def test_a_correction_counts_in_the_slice_that_its_shadow_record_names(late: str) -> None:
    dimensions = [{"name": "carrier", "header": "carrier"}, {"name": "n", "path": "n"}]
    world = World(config(compare={"dimensions": dimensions}, grace_ms=0, idle_ms=1))
    world.start()
    production, shadow = P("a", '{"n": 1}', 5), S("a", '{"n": 2}', 0, 5, carrier="UA")
    first, second = (production, shadow) if late == "shadow" else (shadow, production)
    first(world)
    world.logs[IN].append(Record(b"a", b"", 5))
    world.production_committed[IN] = 1
    world.done(1)
    world.start_joiner()
    world.turn(2)
    assert world.outcomes() == {"missing" if late == "shadow" else "extra": 1}
    second(world)
    world.turn(3)
    assert world.outcomes() == {"mismatch": 1}
    total = summed(world, "slices")
    cell = (("carrier", "n"), ("UA", "1"))
    assert total[cell, "n"] == total[cell, "s"] == 1


def test_unmatched_and_unread_records_are_counted_by_bucket_of_their_key() -> None:
    cells, at = SliceCounts(SETTINGS), (0, "r")
    rows = [PendingRecord(offset, 5, b"{}", key) for offset, key in enumerate([b"a", b"a", b"b", None])]
    for side, row, outcome, n in [(P, rows[0], "missing", 1), (P, rows[1], "missing", 1), (P, rows[0], "missing", -1)]:
        cells.unmatched(side, row, outcome, "r", n)
    cells.unmatched(S, rows[2], "extra", "r")
    cells.unmatched(P, rows[3], "missing", "r")
    cells.unmatched(S, rows[2], "evicted", "r")
    cells.joint(rows[2], "r", "joint_twin")
    cells.joint(rows[2], "r", "joint_neither")
    cells.add(columns([(5, b"b", "r", outcome, "x", "y") for outcome in ("match", "undecodable_shadow")]))
    found = {(one["outcome"], one["bucket"]): one["n"] for one in cells.record(at)["outcome_buckets"]}
    of_a, of_b = (zlib.crc32(key) % 1024 for key in (b"a", b"b"))
    named = [("extra", of_b), ("joint_twin", of_b), ("missing", of_a), ("undecodable_shadow", of_b)]
    assert found == dict.fromkeys(named, 1)
    cells.clear()
    assert "outcome_buckets" not in cells.record(at)


@pytest.mark.parametrize("batch", [1, 1000])
def test_sub_windows_add_up_to_the_outcomes_that_have_a_time(batch: int) -> None:
    kinds = [["same", "differs", "near", "noisy", "deleted", "broken", "lost", "same"] * 3]
    trial = Trial(config(compare={"match_sample": 0, "rules": RULES}, identity={"kind": "key"}, bounded=True), kinds)
    trial.begin()
    for _ in range(24 // min(batch, 24)):
        trial.produce(IN, min(batch, 24))
        trial.run(IN, min(batch, 24))
    trial.commit_runner()
    trial.finish()
    of_windows, of_sub_windows, numbers = Counter[Any](), Counter[Any](), set[int]()
    for record in trial.stats:
        for window in record["windows"]:
            assert window["width_ms"] == WINDOW_MS
            timed = {name: n for name, n in window["outcomes"].items() if not name.startswith("input")}
            of_windows.update({(window["start_ms"], name): n for name, n in timed.items()})
            for one in window["sub_windows"]:
                numbers.add(one["number"])
                of_sub_windows.update({(window["start_ms"], name): n for name, n in one["outcomes"].items()})
    assert of_windows == of_sub_windows
    assert of_windows
    assert all(is_counted(name) for _, name in of_sub_windows)
    assert numbers <= set(range(SUB_WINDOWS))
    assert len(numbers) > 1
