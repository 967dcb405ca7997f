"""Outcomes of pairs in columns are counted as those of each pair, in the same order."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.compare.column_differences import ColumnDifferences
from shadowstream.compare.dimension_codes import Coded, coded
from shadowstream.compare.result import NAMES, Results
from shadowstream.joiner.accounting.outcome_counts import OutcomeCounts
from shadowstream.joiner.accounting.pair_columns import PairColumns
from shadowstream.joiner.accounting.pairs_together import count_together
from shadowstream.joiner.completeness.marks_log import MarksLog
from shadowstream.joiner.matching.matches import PairBatch
from shadowstream.joiner.pending_record import PendingColumns
from shadowstream.protocol.outcomes import PLAIN
from shadowstream.protocol.sub_windows import index_of
from shadowstream.records import SUB_WINDOWS, Partition
from tests.joiner.joiner_world import REVISION, WINDOW_MS, config

SETTINGS = config(compare={"match_sample": 0})
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
