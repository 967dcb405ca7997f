"""Rows that wait under a unique id: met on arrival, whichever side comes first; asked for again when they are due."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from shadowstream.joiner.matching.by_unique_id import UniqueIdStore
from shadowstream.joiner.matching.matches import Pair, Unmatched
from shadowstream.joiner.matching.pending import ROW_BYTES
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.records import Side
from tests.joiner.completeness.completeness_world import CompletenessWorld


def rows(first: int, ids: Sequence[bytes], time_ms: int = 0) -> list[PendingRecord]:
    return [PendingRecord(first + n, time_ms, b"value", id_) for n, id_ in enumerate(ids)]


def add(waiting: UniqueIdStore, side: Side, *ids: bytes, first: int = 0) -> list[Pair]:
    return list(waiting.match_rows(side, ids, rows(first, ids)))


def unique(maximum: int) -> st.SearchStrategy[list[bytes]]:
    return st.lists(st.integers(0, 40).map(lambda n: b"%d" % n), unique=True, max_size=maximum)


@given(
    production=unique(30), shadow=unique(30), cuts=st.lists(st.tuples(st.booleans(), st.integers(1, 7)), max_size=30)
)
def test_the_pairs_are_the_same_for_every_interleaving_of_the_sides(
    production: list[bytes], shadow: list[bytes], cuts: list[tuple[bool, int]]
) -> None:
    waiting = UniqueIdStore(1_000)
    left = [production, shadow]
    pairs: list[Pair] = []
    for take_shadow, n in [*cuts, (False, 30), (True, 30)]:
        side = Side(int(take_shadow))
        ids, left[side] = left[side][:n], left[side][n:]
        read = (production, shadow)[side].index(ids[0]) if ids else 0
        pairs += waiting.match_rows(side, ids, rows(read, ids))
    assert {(p.production.key, p.shadow.key) for p in pairs} == {(id_, id_) for id_ in set(production) & set(shadow)}
    assert len(pairs) == len(set(production) & set(shadow))
    assert sum(waiting.held.records) == len(set(production) ^ set(shadow))
    for side, ids in ((Side.PRODUCTION, set(production) - set(shadow)), (Side.SHADOW, set(shadow) - set(production))):
        assert waiting.held.records[side] == len(ids)
        assert waiting.held.bytes[side] == sum(ROW_BYTES + 5 + len(id_) for id_ in ids)
        assert list(waiting.offsets(side)) == sorted(waiting.offsets(side)), "rows wait in the order of their log"


def test_a_pair_names_production_first_whoever_came_first() -> None:
    for first in (Side.PRODUCTION, Side.SHADOW):
        waiting = UniqueIdStore(1_000)
        add(waiting, first, b"a", first=int(first))
        second = Side(1 - first)
        (pair,) = add(waiting, second, b"a", first=int(second))
        assert (pair.production.offset, pair.shadow.offset) == (0, 1)


def test_one_partner_is_enough_for_one_record() -> None:
    waiting = UniqueIdStore(1_000)
    add(waiting, Side.PRODUCTION, b"a")
    assert len(add(waiting, Side.SHADOW, b"a", b"a")) == 1
    assert waiting.held.records == [0, 1, 0]


@given(
    production=st.lists(st.sampled_from([b"a", b"b"]), max_size=8),
    shadow=st.lists(st.sampled_from([b"a", b"b"]), max_size=8),
    order=st.lists(st.booleans(), max_size=16),
)
def test_a_repeated_id_pairs_first_come_first_served_by_log_order(
    production: list[bytes], shadow: list[bytes], order: list[bool]
) -> None:
    waiting = UniqueIdStore(1_000)
    read = [0, 0]
    pairs: list[Pair] = []
    for take_shadow in [*order, *[False] * 8, *[True] * 8]:
        side, log = Side(int(take_shadow)), shadow if take_shadow else production
        if read[side] < len(log):
            pairs += add(waiting, side, log[read[side]], first=read[side])
            read[side] += 1
    expected = {
        pair
        for id_ in (b"a", b"b")
        for pair in zip(*([n for n, one in enumerate(log) if one == id_] for log in (production, shadow)), strict=False)
    }
    assert {(pair.production.offset, pair.shadow.offset) for pair in pairs} == expected
    assert len(pairs) == len(expected)
    for side, log in ((Side.PRODUCTION, production), (Side.SHADOW, shadow)):
        assert len(list(waiting.offsets(side))) == waiting.held.records[side] == len(log) - len(pairs)


def test_with_a_twin_a_pair_needs_all_three_in_any_order() -> None:
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        waiting = UniqueIdStore(1_000, sides=3)
        found = [add(waiting, Side(side), b"a", first=side) for side in order]
        assert [len(pairs) for pairs in found] == [0, 0, 1]
        (pair,) = found[-1]
        assert pair.twin is not None
        assert (pair.production.offset, pair.shadow.offset, pair.twin.offset) == (0, 1, 2)
        assert waiting.held.records == [0, 0, 0]


# ---------------------------------------------------------------- settling


def test_unmatchable_records_resolve_unmatched_and_others_stay_pending() -> None:
    world, waiting = CompletenessWorld(), UniqueIdStore(1_000)
    add(waiting, Side.PRODUCTION, b"a", b"b", b"c")
    assert waiting.take_decidable(world.completeness).matches == []
    world.answered(2)
    unmatched = [one for one in waiting.take_decidable(world.completeness).matches if isinstance(one, Unmatched)]
    assert [(one.side, one.id) for one in unmatched] == [(Side.PRODUCTION, b"a"), (Side.PRODUCTION, b"b")]
    assert list(waiting.offsets(Side.PRODUCTION)) == [2]
    assert waiting.take_decidable(world.completeness).matches == [], "what was decided is not decided again"


def test_a_record_queued_after_one_with_its_id_is_also_due() -> None:
    world, waiting = CompletenessWorld(), UniqueIdStore(1_000)
    add(waiting, Side.PRODUCTION, b"a", b"a")
    world.answered(2)
    matches = waiting.take_decidable(world.completeness).matches
    assert [one.row.offset for one in matches if isinstance(one, Unmatched)] == [0, 1]
    assert waiting.held.records == [0, 0, 0]


def test_the_floor_is_the_start_of_the_lowest_pending_window() -> None:
    world, waiting = CompletenessWorld(), UniqueIdStore(1_000)
    assert waiting.held.floor_ms() is None
    waiting.match_rows(
        Side.PRODUCTION, [b"a", b"b"], [PendingRecord(0, 2_999, None, b"a"), PendingRecord(1, 2_000, None, b"b")]
    )
    waiting.match_rows(Side.SHADOW, [b"c"], [PendingRecord(0, 5_001, None, b"c")])
    assert waiting.held.floor_ms() == 2_000
    waiting.match_rows(Side.SHADOW, [b"a"], [PendingRecord(1, 0, None, b"a")])
    assert waiting.held.floor_ms() == 2_000
    world.answered(2)
    assert len(waiting.take_decidable(world.completeness).matches) == 1
    assert waiting.held.floor_ms() == 5_000
    add(waiting, Side.PRODUCTION, b"c", first=2)
    assert waiting.held.floor_ms() is None
    assert waiting.held.bytes == [0, 0, 0]
