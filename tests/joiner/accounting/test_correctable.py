"""What was said missing or extra: kept by id, bounded by number and by event time, found again after a restart."""

from shadowstream.joiner.accounting.correctable import CorrectableRow, CorrectableRows
from shadowstream.records import Partition, Side


def row(
    offset: int, id_: bytes = b"k", time_ms: int = 0, side: Side = Side.PRODUCTION, floor: int = 0
) -> CorrectableRow:
    place = Partition(("out", "shadow.t.out.out")[side], 0)
    outcome = ("missing", "extra")[side]
    return CorrectableRow(side, id_, place, offset, time_ms, id_, None, "r", f"{place}/{offset}", floor, outcome)


def rows_of(*rows: CorrectableRow, maximum: int = 100) -> CorrectableRows:
    kept = CorrectableRows(maximum)
    for one in rows:
        kept.add(one)
    return kept


def test_a_row_is_taken_once_by_its_side_and_id() -> None:
    kept = rows_of(row(1))
    assert kept.take(Side.SHADOW, b"k", 0, None) is None
    assert kept.take(Side.PRODUCTION, b"other", 0, None) is None
    assert kept.take(Side.PRODUCTION, b"k", 0, None) == row(1)
    assert kept.take(Side.PRODUCTION, b"k", 0, None) is None
    assert len(kept) == 0


def test_of_several_with_one_id_the_earliest_is_corrected_first() -> None:
    kept = rows_of(row(1, time_ms=9), row(2, time_ms=5), row(3, time_ms=5))
    taken = [kept.take(Side.PRODUCTION, b"k", 0, None) for _ in range(3)]
    assert [one.offset for one in taken if one] == [2, 3, 1]


def test_of_several_occurrences_the_nearest_within_the_tolerance_is_corrected() -> None:
    kept = rows_of(row(1, time_ms=100), row(2, time_ms=120), row(3, time_ms=160))
    assert kept.take(Side.PRODUCTION, b"k", 141, 20) == row(3, time_ms=160)
    assert kept.take(Side.PRODUCTION, b"k", 141, 20) is None, "120 lies one beyond the tolerance"
    assert kept.take(Side.PRODUCTION, b"k", 140, 20) == row(2, time_ms=120)


def test_beyond_the_bound_the_oldest_gives_way_and_is_counted() -> None:
    kept = rows_of(*(row(n, b"%d" % n) for n in range(5)), maximum=3)
    assert (len(kept), kept.dropped) == (3, 2)
    assert [kept.take(Side.PRODUCTION, b"%d" % n, 0, None) is not None for n in range(5)] == [False] * 2 + [True] * 3


def test_what_has_been_taken_does_not_count_against_the_bound() -> None:
    kept = rows_of(row(0, b"0"), row(1, b"1"), maximum=2)
    kept.take(Side.PRODUCTION, b"0", 0, None)
    kept.add(row(2, b"2"))
    assert (len(kept), kept.dropped) == (2, 0)


def test_nothing_is_kept_where_nothing_may_be() -> None:
    kept = rows_of(row(1), maximum=0)
    assert (len(kept), kept.correctable_floor()) == (0, None)


def test_rows_expire_by_event_time() -> None:
    kept = rows_of(row(1, b"1", 10), row(2, b"2", 11))
    kept.expire(11)
    assert [kept.take(Side.PRODUCTION, id_, 0, None) is not None for id_ in (b"1", b"2")] == [False, True]


def test_refetching_begins_at_the_floor_of_the_oldest_kept_row() -> None:
    kept = rows_of(row(1, b"1", floor=5), row(2, b"2", floor=8))
    assert kept.correctable_floor() == 5
    kept.take(Side.PRODUCTION, b"1", 0, None)
    assert kept.correctable_floor() == 8
    kept.take(Side.PRODUCTION, b"2", 0, None)
    assert kept.correctable_floor() is None
