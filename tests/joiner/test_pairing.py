"""Rows that wait: met on arrival, whichever side comes first."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from shadowstream.joiner.pairing import ROW_BYTES, Pair, Row, Waiting
from shadowstream.records import Side


def rows(first: int, ids: Sequence[bytes], time_ms: int = 0) -> list[Row]:
    return [Row(first + n, time_ms, b"value", id_) for n, id_ in enumerate(ids)]


def unique(most: int) -> st.SearchStrategy[list[bytes]]:
    return st.lists(st.integers(0, 40).map(lambda n: b"%d" % n), unique=True, max_size=most)


@given(
    production=unique(30), shadow=unique(30), cuts=st.lists(st.tuples(st.booleans(), st.integers(1, 7)), max_size=30)
)
def test_the_pairs_are_the_same_for_every_interleaving_of_the_sides(
    production: list[bytes], shadow: list[bytes], cuts: list[tuple[bool, int]]
) -> None:
    waiting = Waiting(1_000)
    left = [production, shadow]
    met: list[Pair] = []
    for take_shadow, n in [*cuts, (False, 30), (True, 30)]:
        side = Side(int(take_shadow))
        ids, left[side] = left[side][:n], left[side][n:]
        read = (production, shadow)[side].index(ids[0]) if ids else 0
        pairs, duplicates = waiting.match(side, ids, rows(read, ids))
        assert duplicates == []
        met += pairs
    assert {(p.production.key, p.shadow.key) for p in met} == {(id_, id_) for id_ in set(production) & set(shadow)}
    assert len(met) == len(set(production) & set(shadow))
    assert len(waiting) == len(set(production) ^ set(shadow))
    for side, ids in ((Side.PRODUCTION, set(production) - set(shadow)), (Side.SHADOW, set(shadow) - set(production))):
        assert waiting.bytes[side] == sum(ROW_BYTES + 5 + len(id_) for id_ in ids)
        assert waiting.offsets(side) == sorted(waiting.offsets(side)), "rows wait in the order of their log"


def test_a_pair_names_production_first_whoever_came_first() -> None:
    for first in Side:
        waiting = Waiting(1_000)
        waiting.match(first, [b"a"], rows(int(first), [b"a"]))
        second = Side(1 - first)
        ((pair,), _) = waiting.match(second, [b"a"], rows(int(second), [b"a"]))
        assert (pair.production.offset, pair.shadow.offset) == (0, 1)


def test_an_id_that_waits_already_is_a_duplicate_also_within_one_batch() -> None:
    waiting = Waiting(1_000)
    pairs, duplicates = waiting.match(Side.SHADOW, [b"a", b"b", b"a"], rows(0, [b"a", b"b", b"a"]))
    assert (pairs, [row.offset for row in duplicates], len(waiting)) == ([], [2], 2)


def test_one_partner_is_enough_for_one_record() -> None:
    waiting = Waiting(1_000)
    waiting.match(Side.PRODUCTION, [b"a"], rows(0, [b"a"]))
    pairs, duplicates = waiting.match(Side.SHADOW, [b"a", b"a"], rows(0, [b"a", b"a"]))
    assert (len(pairs), duplicates, len(waiting)) == (1, [], 1)


def test_take_while_stops_at_the_first_that_goes_on_waiting() -> None:
    waiting = Waiting(1_000)
    waiting.match(Side.PRODUCTION, [b"a", b"b", b"c"], rows(0, [b"a", b"b", b"c"]))
    taken = waiting.take_while(Side.PRODUCTION, lambda row: row.offset != 1)
    assert [row.offset for row in taken] == [0]
    assert waiting.offsets(Side.PRODUCTION) == [1, 2]


def test_the_floor_is_the_start_of_the_lowest_window_in_which_a_row_waits() -> None:
    waiting = Waiting(1_000)
    assert waiting.floor_ms() is None
    waiting.match(Side.PRODUCTION, [b"a", b"b"], [Row(0, 2_999, None, b"a"), Row(1, 2_000, None, b"b")])
    waiting.match(Side.SHADOW, [b"c"], [Row(0, 5_001, None, b"c")])
    assert waiting.floor_ms() == 2_000
    waiting.match(Side.SHADOW, [b"a"], [Row(1, 0, None, b"a")])
    assert waiting.floor_ms() == 2_000
    waiting.take_while(Side.PRODUCTION, lambda _: True)
    assert waiting.floor_ms() == 5_000
    waiting.take_while(Side.SHADOW, lambda _: True)
    assert waiting.floor_ms() is None
    assert waiting.bytes == [0, 0]
