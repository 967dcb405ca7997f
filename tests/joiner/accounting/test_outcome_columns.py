"""Outcomes of pairs in columns are counted as those of each pair, in the same order."""

from collections import Counter
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.codecs import own
from shadowstream.codecs.commit_records import encode_stats
from shadowstream.compare.column_differences import ColumnDifferences, FieldDifferences
from shadowstream.compare.dimension_codes import Coded, coded
from shadowstream.compare.result import NAMES, Results
from shadowstream.compare.watched_paths import NONE_WATCHED
from shadowstream.joiner.accounting import pairs_together
from shadowstream.joiner.accounting.outcome_counts import OutcomeCounts
from shadowstream.joiner.accounting.pair_columns import PairColumns
from shadowstream.joiner.accounting.pairs_together import count_together
from shadowstream.joiner.completeness.marks_log import MarksLog
from shadowstream.joiner.matching.matches import PairBatch
from shadowstream.joiner.pending_record import PendingColumns
from shadowstream.protocol.outcomes import PLAIN, Outcome
from shadowstream.protocol.sub_windows import index_of
from shadowstream.records import SUB_WINDOWS, Partition
from tests.joiner.joiner_world import REVISION, WINDOW_MS, config

SETTINGS = config(compare={"match_sample": 0})
WITH_DIMENSIONS = config(
    compare={"match_sample": 0, "dimensions": [{"name": name, "path": name} for name in ("one", "other")]}
)
PLACES = Partition("out", 0), Partition("new", 0)
near = st.integers(0, 2 * WINDOW_MS)
pairs_of = st.lists(
    st.tuples(near | st.integers(-1, 2**60), st.sampled_from("rqs"), st.sampled_from(sorted(PLAIN))),
    min_size=1, max_size=50,
)  # fmt: skip
Pairs = list[tuple[int, str, str]]


def columns(pairs: Pairs) -> tuple[PairBatch, Results, PairColumns]:
    times, revisions, outcomes = (list(column) for column in zip(*pairs, strict=True))
    n = len(pairs)
    rows = PendingColumns(list(range(n)), times, [b"v"] * n, [b"k"] * n)
    places = np.array([[*NAMES].index(outcome) for outcome in outcomes], np.uint8)  # type: ignore[arg-type]  # of a text
    results = Results(places, {}, lambda indexes: [], ColumnDifferences(n))
    of_pairs = PairColumns(np.array(times, np.int64), rows.keys, coded(revisions), results.coded())
    return PairBatch(rows, rows, [b"k"] * n), results, of_pairs


def counted(*parts: Pairs) -> list[tuple[int, str, list[tuple[int, list[Any]]]]]:
    """The sub-windows of each window and revision, and the outcomes of each in order."""
    counts = OutcomeCounts(SETTINGS, REVISION, "out/0", PLACES, MarksLog(REVISION))
    for part in parts:
        count_together([(counts, len(part))], *columns(part))
    return [
        (one["start_ms"], one["revision"], [(at["number"], [*at["outcomes"].items()]) for at in one["sub_windows"]])
        for one in counts.windows()
    ]


@given(pairs_of)
def test_columns_count_as_single_pairs(pairs: Pairs) -> None:
    expected: dict[tuple[int, str], dict[int, Counter[str]]] = {}
    for time_ms, revision, outcome in pairs:
        window, number = divmod(index_of(time_ms, WINDOW_MS), SUB_WINDOWS)
        cell = expected.setdefault((window * WINDOW_MS, revision), {})
        cell.setdefault(number, Counter())[outcome] += 1
    assert counted(pairs) == [
        (start, revision, [(number, [*outcomes.items()]) for number, outcomes in sorted(cell.items())])
        for (start, revision), cell in sorted(expected.items())
    ]
    assert counted(pairs) == counted(*([pair] for pair in pairs))


def with_cells(pairs: Pairs) -> tuple[PairBatch, Results, PairColumns]:
    """Pairs with keys of many buckets, and values of two dimensions."""
    batch, results, found = columns(pairs)
    keys = [b"%d" % time_ms for time_ms, _, _ in pairs]
    dimensions = [coded([str(time_ms % n) for time_ms, _, _ in pairs]) for n in (2, 3)]
    return batch, results, found._replace(keys=keys, dimensions=dimensions)


def encoded(parts: Sequence[Pairs]) -> bytes:
    """The stats record of pairs, which are counted in several parts; plain lists give the same bytes."""
    counts = OutcomeCounts(WITH_DIMENSIONS, REVISION, "out/0", PLACES, MarksLog(REVISION))
    for part in filter(None, parts):
        count_together([(counts, len(part))], *with_cells(part))
    windows = counts.windows()
    record = {"task": "out/0", "seq": 1, "revision": REVISION, "sources": [], "ledgers": [], "pending": 0}
    record["watermark_ms"] = 0
    plain = [{**one, "buckets": list(one["buckets"]), "slices": list(one["slices"])} for one in windows]
    written = encode_stats({**record, "windows": windows})
    assert own.encode("stats", {**record, "windows": plain}) == written
    return written


@given(pairs_of, st.integers(0, 50))
def test_pairs_counted_at_once_are_written_as_those_in_parts(pairs: Pairs, cut: int) -> None:
    assert encoded([pairs]) == encoded([pairs[:cut], pairs[cut:]])


def test_a_window_of_many_pairs_is_written_as_its_parts() -> None:
    """One bucket and one slice have more than two bytes can hold, and all buckets come."""
    pairs = [(n % 3_000, "r", "match") for n in range(40_000)] + [(7, "r", "match")] * 9_000
    assert encoded([pairs]) == encoded([pairs[:100], pairs[100:]])


def paths_of(found: list[tuple[int, set[str]]], least: int) -> list[tuple[int, dict[str, int]]]:
    """The fields of each window, of mismatches with their times and paths that differ.

    Those of `least` and more in a window are counted in columns, fewer one by one.
    """
    places = [np.array([n for n, (_, paths) in enumerate(found) if path in paths], np.int64) for path in "ab"]
    differences = ColumnDifferences(len(found))
    fields = [
        FieldDifferences((path,), at, ["x"] * len(at), ["y"] * len(at), False)
        for path, at in zip("ab", places, strict=True)
    ]
    differences.add(fields, NONE_WATCHED, 9)
    batch, results, of_pairs = columns([(time_ms, "r", "match") for time_ms, _ in found])
    mismatches = np.full(len(found), NAMES.index(Outcome.MISMATCH), np.uint8)
    results = Results(mismatches, {}, lambda indexes: [], differences)
    counts = OutcomeCounts(SETTINGS, REVISION, "out/0", PLACES, MarksLog(REVISION))
    with patch.object(pairs_together, "PATHS_FROM", least):
        count_together([(counts, len(found))], batch, results, of_pairs._replace(outcomes=results.coded()))
    assert counts.paths == Counter((path, "value") for _, paths in found for path in paths)
    return [(one["start_ms"], one["fields"]) for one in counts.windows()]


mismatches_of = st.lists(st.tuples(near, st.sampled_from([{"a"}, {"b"}, {"a", "b"}])), min_size=6, max_size=60)


@given(mismatches_of, st.integers(1, 30))
def test_paths_are_counted_alike_by_columns_and_by_pair(found: list[tuple[int, set[str]]], least: int) -> None:
    expected: dict[int, Counter[str]] = {}
    for time_ms, paths in found:
        expected.setdefault(time_ms - time_ms % WINDOW_MS, Counter()).update(paths)
    for limit in (0, least, len(found) + 1):
        assert paths_of(found, limit) == sorted(expected.items())


@given(st.lists(st.sampled_from("abc"), min_size=1), st.lists(st.sampled_from("bcd"), min_size=1))
def test_a_column_of_codes_is_its_texts(one: list[str], other: list[str]) -> None:
    joined = Coded.joined([coded(one), coded(other)])
    assert joined.texts() == [*one, *other]
    assert len({*joined.values}) == len(joined.values)
    part = joined.at(slice(1, None)).by_appearance()
    assert (part.texts(), [*part.values]) == ([*one, *other][1:], [*dict.fromkeys([*one, *other][1:])])
    assert joined.among("bd").tolist() == [text in "bd" for text in [*one, *other]]


@pytest.mark.parametrize("outcome", sorted(PLAIN))
def test_a_batch_of_one_outcome_is_one_count(outcome: str) -> None:
    assert counted([(5, "r", outcome)] * 3) == [(0, "r", [(0, [(outcome, 3)])])]
