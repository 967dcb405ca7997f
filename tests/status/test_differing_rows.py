"""The newest rows of diff: the last row of a pair is valid, memory is bounded, filters and pages agree."""

from typing import Any

from shadowstream.codecs import own
from shadowstream.status.differing_rows import PAGE_ROWS, PATHS_MAX, DifferingRows, Filter
from tests.judge.stats_records import REVISION
from tests.report.trial_facts import row

ALL = Filter(REVISION)


def filled(*records: dict[str, Any], rows_max: int = 1_000) -> DifferingRows:
    rows = DifferingRows(rows_max)
    for record in records:
        rows.take(record, own.encode("diff", record), record["key"].decode())
    return rows


def differing(number: int, *paths: str, delta: float | None = None, **more: Any) -> dict[str, Any]:
    parts = [{"path": path, "kind": "value", "production": "1", "shadow": "2", "delta": delta} for path in paths]
    return row(number, differences=parts, **more)


def test_pages_hold_every_row_once_the_newest_event_time_first() -> None:
    rows = filled(*(row(number) for number in range(3 * PAGE_ROWS - 5)))
    pages = [rows.page(ALL, number) for number in range(3)]
    shown = [one.pair_id for page in pages for one in page.rows]
    assert shown == [f"scores/0/{number}" for number in reversed(range(3 * PAGE_ROWS - 5))]
    assert {(page.pages, page.found) for page in pages} == {(3, 3 * PAGE_ROWS - 5)}
    assert rows.page(ALL, 99).number == 2
    assert rows.page(ALL, -1).number == 0
    assert DifferingRows().page(ALL, 0) == ([], 0, 1, 0)


def test_a_later_row_of_a_pair_replaces_the_earlier_one() -> None:
    rows = filled(row(1, "missing"), row(2), row(1))
    assert rows.summary(REVISION).outcomes == {"mismatch": 2}
    mended = filled(row(1), row(2), row(1, "match"))
    assert (mended.summary(REVISION).outcomes, mended.page(ALL, 0).found) == ({"mismatch": 1}, 1)


def test_outcomes_that_agree_are_not_listed() -> None:
    assert filled(row(1, "match"), row(2, "tolerated"), row(3, "ignored")).page(ALL, 0).found == 0


def test_the_oldest_rows_leave_beyond_the_limit_and_are_counted() -> None:
    rows = filled(*(differing(number, f"field{number}") for number in range(10)), rows_max=4)
    assert [one.pair_id for one in rows.page(ALL, 0).rows] == [f"scores/0/{number}" for number in (9, 8, 7, 6)]
    assert rows.dropped == 6
    assert rows.summary(REVISION).fields == {f"field{number}": 1 for number in (6, 7, 8, 9)}


def test_fields_beyond_their_limit_are_not_counted_by_name() -> None:
    rows = filled(*(differing(number, f"field{number}") for number in range(PATHS_MAX + 5)))
    assert len(rows.summary(REVISION).fields) == PATHS_MAX
    assert rows.page(ALL, 0).found == PATHS_MAX + 5


def test_a_filter_takes_outcome_field_and_a_part_of_key_or_pair() -> None:
    rows = filled(differing(1, "a", "b"), differing(2, "b"), row(3, "missing"), differing(14, "a", revision="ff"))

    def found(**wanted: Any) -> list[str]:
        return [one.pair_id[-1] for one in rows.page(ALL._replace(**wanted), 0).rows]

    assert found() == ["3", "2", "1"]
    assert found(outcome="missing") == ["3"]
    assert found(path="a") == ["1"]
    assert found(path="b", key="ORDER-2") == ["2"]
    assert found(key="scores/0/1") == ["1"]
    assert found(key="<b>") == []


def test_the_typical_delta_is_the_median_of_a_fields_deltas() -> None:
    deltas = [0.25, 0.25, float("nan"), 0.5, 9.0, 0.25]
    rows = filled(*(differing(number, "score", delta=delta) for number, delta in enumerate(deltas)))
    typical = rows.summary(REVISION).deltas["score"]
    assert (typical.n, typical.median, typical.low, typical.high) == (5, 0.25, 0.25, 0.5)
    assert rows.summary("ff").deltas == {}
