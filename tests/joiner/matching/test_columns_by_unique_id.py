"""Rows that come as columns pair, wait and end as rows that come one by one."""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shadowstream.joiner.completeness import wait_queue as deadlines_module
from shadowstream.joiner.completeness.wait_queue import WaitCondition, WaitQueue
from shadowstream.joiner.matching.by_unique_id import UniqueIdStore
from shadowstream.joiner.matching.matches import Pair, PairBatch, Unmatched
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.records import InputCoordinate, Side
from tests.joiner.completeness.completeness_world import IN, CompletenessWorld

LANE = WaitCondition("born", Side.SHADOW)
batches = st.lists(
    st.tuples(st.sampled_from([Side.PRODUCTION, Side.SHADOW]), st.lists(st.integers(0, 12), min_size=1, max_size=6)),
    max_size=25,
)


def made(side: Side, first: int, ids: Sequence[int], with_inputs: bool) -> list[PendingRecord]:
    """Rows in offset order; event times go back now and then, so that a batch may touch several windows."""
    return [
        PendingRecord(
            first + i,
            (first + i) * 400 + id_ % 3 * 900,
            b"v" * id_ if id_ % 5 else None,
            b"%d" % id_,
            InputCoordinate(0, 0, first + i, 0) if with_inputs else None,
            "ab" if side is Side.SHADOW else None,
        )
        for i, id_ in enumerate(ids)
    ]


def flat(decisions: Sequence[Any]) -> Iterator[Any]:
    for one in decisions:
        if isinstance(one, PairBatch):
            yield from map(one.pair, range(len(one.ids)))
        else:
            yield one


@given(batches=batches, with_inputs=st.booleans(), settle=st.integers(1, 4), warm_below=st.sampled_from([-1, 3]))
def test_columns_pair_wait_and_end_as_rows_do(
    batches: list[tuple[Side, list[int]]], with_inputs: bool, settle: int, warm_below: int
) -> None:
    world = CompletenessWorld(started=False)
    world.start(warm_below)
    by_rows, by_columns = UniqueIdStore(1_000), UniqueIdStore(1_000)
    read = [0, 0]
    for n, (side, ids) in enumerate(batches):
        rows = made(side, read[side], ids, with_inputs)
        read[side] += len(ids)
        one = list(flat(by_rows.match_rows(side, ids, rows)))
        assert list(flat(by_columns.match_columns(side, ids, PendingColumns.of(rows)))) == one
        if n % settle == 0:
            world.done(IN, read[1] // 2, read[1])
            world.completeness.observe_born(read[0] // 2, {IN: read[1] // 3})
            world.read(*read)
            world.read_to_ms(read[0] * 400, read[1] * 400)
            assert sorted(map(_key, by_columns.take_decidable(world.completeness).matches)) == sorted(
                map(_key, by_rows.take_decidable(world.completeness).matches)
            )
        for of in (Side.PRODUCTION, Side.SHADOW):
            assert sorted(by_columns.offsets(of)) == sorted(by_rows.offsets(of))
        assert vars(by_columns.held) == vars(by_rows.held)


def _key(decision: Unmatched | Pair) -> tuple[int, int]:
    assert isinstance(decision, Unmatched)
    return decision.side, decision.row.offset


@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=8), max_size=12), st.lists(st.integers(0, 60)))
def test_a_run_is_due_as_its_entries_are(runs: list[list[int]], limits: list[int]) -> None:
    def alive(side: Side, ids: Sequence[Hashable], offsets: Sequence[int]) -> list[bool]:
        return [True] * len(ids)

    single, together = WaitQueue(alive), WaitQueue(alive)
    offset = 0
    for thresholds in runs:
        offsets = list(range(offset, offset + len(thresholds)))
        offset += len(thresholds)
        together.push_all(LANE, thresholds, Side.PRODUCTION, offsets, offsets)
        for threshold, at in zip(thresholds, offsets, strict=True):
            single.push(LANE, threshold, Side.PRODUCTION, at, at)
    for limit in limits:
        assert sorted(together.due(lambda _, limit=limit: limit)) == sorted(single.due(lambda _, limit=limit: limit))


def test_a_sweep_keeps_of_runs_what_still_waits(monkeypatch: Any) -> None:
    monkeypatch.setattr(deadlines_module, "SWEEP_AT", 10)
    gone = set(range(0, 40, 2))
    deadlines = WaitQueue(lambda side, ids, offsets: [offset not in gone for offset in offsets])
    for first in range(0, 40, 4):
        offsets = range(first, first + 4)
        deadlines.push_all(LANE, offsets, Side.PRODUCTION, offsets, offsets)
    due = [offset for _, _, offset in deadlines.due(lambda _: 100)]
    assert set(range(1, 40, 2)) <= set(due)
    assert len(due) < 40, "swept at least once"
    assert len(due) == len(set(due))


def test_columns_of_parts_follow_one_another() -> None:
    one, two = (
        PendingColumns([1], [10], [b"a"], [b"k"]),
        PendingColumns([2], [20], [None], [b"l"], [InputCoordinate(0, 0, 5, 0)]),
    )
    assert PendingColumns.joined([one, two]).rows() == [
        PendingRecord(1, 10, b"a", b"k"),
        PendingRecord(2, 20, None, b"l", InputCoordinate(0, 0, 5, 0)),
    ]
    assert PendingColumns.joined([one, one]).ats is None
