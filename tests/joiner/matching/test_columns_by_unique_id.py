"""Rows that come as columns pair, wait and end as rows that come one by one."""

import random
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.joiner.completeness import wait_queue as deadlines_module
from shadowstream.joiner.completeness.wait_queue import WaitCondition, WaitQueue
from shadowstream.joiner.matching import row_slots
from shadowstream.joiner.matching.by_unique_id import UniqueIdStore
from shadowstream.joiner.matching.matches import PairBatch, Unmatched
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.native import library
from shadowstream.native.hashed import Hashed
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


def as_id(number: int) -> Hashable:
    """Most ids are bytes; a few stand for ids that cannot be read, which are none."""
    return ("unreadable", number) if number == 12 else b"%d" % number


@given(
    batches=batches,
    with_inputs=st.booleans(),
    settle=st.integers(1, 4),
    warm_below=st.sampled_from([-1, 3]),
    kind=st.sampled_from(["columns", "kernel", "kernel, from intake"]),
    shed_from=st.sampled_from([5, 99, 99]),
)
def test_columns_pair_wait_and_end_as_rows_do(
    batches: list[tuple[Side, list[int]]], with_inputs: bool, settle: int, warm_below: int, kind: str, shed_from: int
) -> None:
    world = CompletenessWorld(started=False)
    world.start(warm_below)
    kernel = None if kind == "columns" else library.state().kernel
    by_rows, by_columns = UniqueIdStore(1_000), UniqueIdStore(1_000, kernel=kernel)
    read = [0, 0]
    for n, (side, numbers) in enumerate(batches):
        rows, ids = made(side, read[side], numbers, with_inputs), list(map(as_id, numbers))
        read[side] += len(ids)
        columns = PendingColumns.of(rows)
        if kind == "kernel, from intake":
            columns.hashed = Hashed.of(ids, kernel)
        one = list(flat(by_rows.match_rows(side, ids, rows)))
        assert list(flat(by_columns.match_columns(side, ids, columns))) == one
        if n % settle == 0:
            world.done(IN, read[1] // 2, read[1])
            world.completeness.observe_born(read[0] // 2, {IN: read[1] // 3})
            world.read(*read)
            world.read_to_ms(read[0] * 400, read[1] * 400)
            assert sorted(map(_key, by_columns.take_decidable(world.completeness).matches)) == sorted(
                map(_key, by_rows.take_decidable(world.completeness).matches)
            )
        if n >= shed_from:
            sheds = {as_id(number) for number in numbers}.__contains__
            assert sorted(map(_key, by_columns.shed(sheds))) == sorted(map(_key, by_rows.shed(sheds)))
        for of in (Side.PRODUCTION, Side.SHADOW):
            assert sorted(by_columns.offsets(of)) == sorted(by_rows.offsets(of))
        assert vars(by_columns.held) == vars(by_rows.held)


@pytest.mark.parametrize("kind", ["columns", "kernel, from intake"])
def test_many_rows_in_any_order_come_back_as_they_were(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slots are packed, and the kernel's table grows and shrinks; keys are the ids, other bytes, or none."""
    monkeypatch.setattr(row_slots, "PACKED_AT", 100)
    kernel = None if kind == "columns" else library.state().kernel
    store, draw, waiting = UniqueIdStore(1_000, kernel=kernel), random.Random(5), dict[bytes, PendingRecord]()
    read = [0, 0]

    def rows_of(side: Side, ids: list[bytes]) -> PendingColumns:
        keys = [id_ if n % 3 else None if n % 2 else b"k" + id_ for n, id_ in enumerate(ids)]
        offsets = range(read[side], read[side] + 2 * len(ids), 2)
        read[side] = offsets.stop
        columns = PendingColumns(offsets, [offset * 7 for offset in offsets], [b"v" + id_ for id_ in ids], keys)
        if kernel is not None:
            columns.hashed = Hashed.of(ids, kernel)
        return columns

    for size in [50] * 20 + [3_000, 1] * 3 + [200] * 20:
        new = [b"%d-%d" % (read[0], n) for n in range(size)]
        rows = rows_of(Side.PRODUCTION, new)
        assert store.match_columns(Side.PRODUCTION, new, rows) == ()
        waiting |= dict(zip(new, rows.rows(), strict=True))
        ids = draw.sample(sorted(waiting), draw.randint(1, len(waiting)))
        (pairs,) = store.match_columns(Side.SHADOW, ids, rows_of(Side.SHADOW, ids))
        assert isinstance(pairs, PairBatch)
        assert pairs.ids == ids
        assert pairs.production.rows() == [waiting.pop(id_) for id_ in ids]
        assert list(store.offsets(Side.PRODUCTION)) == sorted(row.offset for row in waiting.values())
        assert store.held.records == [len(waiting), 0, 0]


def _key(decision: object) -> tuple[int, int]:
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
        together.push_all(LANE, thresholds, Side.PRODUCTION, offsets)
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
        deadlines.push_all(LANE, offsets, Side.PRODUCTION, offsets)
    assert len(deadlines) < 40, "swept at least once"
    due = [offset for _, _, offset in deadlines.due(lambda _: 100)]
    assert set(range(1, 40, 2)) == set(due)
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
