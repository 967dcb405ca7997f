"""Spilling: where the values of what waits lie changes no outcome."""

from collections.abc import Sequence
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.config import Config
from shadowstream.joiner.matching.by_unique_id import UniqueIdStore
from shadowstream.joiner.matching.matches import PairBatch
from shadowstream.joiner.matching.pending import ROW_BYTES
from shadowstream.joiner.matching.pending_buffer import ColumnBuffer
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.kafka.joining.spill_file import SpillFile
from shadowstream.records import Side
from tests.joiner.joiner_world import World
from tests.joiner.matching.test_load_shedding import the_task
from tests.joiner.outcome_cases import P, S, T, begun, play
from tests.joiner.recovery.test_restarts import BY_COORDINATE, BY_KEY, do, histories, sides
from tests.joiner.whole_trial import Trial

BOUND = 10_000_000
puts = st.lists(
    st.tuples(
        st.lists(st.sampled_from([None, b"", b"a", b"some value"]), min_size=1, max_size=40),
        st.booleans(),
        st.randoms(use_true_random=False),
    ),
    min_size=1,
    max_size=30,
)


class NoRoom:
    """A file that is full from the start."""

    def put(self, pieces: Sequence[bytes], size: int) -> int | None:
        return None

    def get(self, begin: int, size: int) -> bytes:
        raise AssertionError("nothing lies here")

    def free(self, begin: int, size: int) -> None:
        raise AssertionError("nothing lies here")


@given(puts=puts)
@settings(max_examples=60)
def test_rows_come_back_unchanged_and_leave_nothing_in_the_file(
    puts: list[tuple[list[bytes | None], bool, Random]],
) -> None:
    came_back: list[int] = []
    spill, buffer, offset = SpillFile(None, BOUND), ColumnBuffer(came_back.append), 0
    waits: dict[int, PendingRecord] = {}
    spilled = 0
    for values, spills, draw in puts:
        rows = [
            PendingRecord(offset + i, i, None if value is None else value + b"%d" % i, b"k")
            for i, value in enumerate(values)
        ]
        offset += len(rows)
        buffer.put(PendingColumns.of(rows))
        waits |= {row.offset: row for row in rows}
        while spills and (size := buffer.spill(spill)):
            spilled += size
        taken = draw.sample(sorted(waits), draw.randint(0, len(waits)))
        if draw.random() < 0.5:
            taken = sorted(taken)[: len(taken) // 2]
        if taken:
            slots = buffer.slots_of(np.array(taken))
            assert buffer.row(int(slots[0])) == waits[taken[0]]
            assert buffer.take(slots).rows.rows() == [waits.pop(one) for one in taken]
        if waits:
            one = draw.choice(sorted(waits))
            assert buffer.take_row(buffer.slot_of(one)) == waits.pop(one)
    if waits:
        assert buffer.take(buffer.slots_of(np.array(sorted(waits)))).rows.rows() == [
            waits[one] for one in sorted(waits)
        ]
    assert spill.size == 0
    assert sum(came_back) == spilled


def test_memory_counts_held_rows_and_spills_the_larger_sides_oldest() -> None:
    waiting = UniqueIdStore(1000)
    value = bytes(1_000)
    for side, ids in ((Side.PRODUCTION, range(6_000)), (Side.SHADOW, range(6_000, 8_000))):
        for at in range(0, len(ids), 4_000):
            some = list(ids)[at : at + 4_000]
            rows = PendingColumns(some, [0] * len(some), [value] * len(some), [b"k"] * len(some))
            waiting.match_columns(side, some, rows)
    row = ROW_BYTES + 1
    spill = SpillFile(None, BOUND)
    assert waiting.spill(spill, sum(waiting.held.bytes) - 1) == 4_000_000
    assert waiting.held.spilled == [4_000_000, 0, 0]
    assert waiting.held.bytes == [6_000 * row + 2_000_000, 2_000 * (row + 1_000), 0]
    assert waiting.spill(spill, 0) == 4_000_000
    assert waiting.held.bytes == [6_000 * row, 2_000 * row, 0]
    assert waiting.spill(spill, 0) == 0
    partners = PendingColumns.of([PendingRecord(9_000 + n, 0, value, b"k") for n in range(2)])
    waiting.match_columns(Side.SHADOW, [17, 5_999], partners)
    assert waiting.held.spilled == [5_998_000, 2_000_000, 0]
    assert waiting.held.bytes == [5_998 * row, 2_000 * row, 0]


def test_without_room_everything_stays_in_memory() -> None:
    waiting = UniqueIdStore(1000)
    waiting.match_columns(Side.PRODUCTION, [1], PendingColumns.of([PendingRecord(1, 0, b"value", b"k")]))
    before = list(waiting.held.bytes)
    assert waiting.spill(NoRoom(), 0) == 0
    assert (waiting.held.bytes, waiting.held.spilled) == (before, [0, 0, 0])
    (pairs,) = waiting.match_columns(Side.SHADOW, [1], PendingColumns.of([PendingRecord(7, 0, b"value", b"k")]))
    assert isinstance(pairs, PairBatch)
    assert pairs.production.row(0).value == b"value"


def test_a_twin_finds_the_values_of_both_others() -> None:
    world = begun(twin={"topic": "twin", "group": "prod-twin"})
    spill = SpillFile(None, BOUND)

    def spills(world: World) -> None:
        assert the_task(world).spill(spill, 0) > 0

    play(world, [P("k"), {}, spills, T("k"), {}, spills, S("k"), {"match": 1, "twin_match": 1, "joint_neither": 1}])
    assert spill.size == 0


def reported(
    setting: Config, kinds: list[list[str]], history: list[tuple[str, int, int]], spills: list[bool] | None
) -> tuple[Trial, int]:
    """A trial that has gone through a history and to its end, spilling all it can after some actions; how much."""
    trial, spill, size = Trial(setting, kinds).begin(), SpillFile(None, BOUND), 0
    for number, action in enumerate(history):
        do(trial, action)
        if spills and spills[number % len(spills)]:
            size += the_task(trial).spill(spill, 0)
    trial.finish()
    return trial, size


spilled_ever: list[int] = []


@given(kinds=sides, history=histories, spills=st.lists(st.booleans(), min_size=1, max_size=7), by_key=st.booleans())
@settings(max_examples=60)
def histories_end_alike(
    kinds: list[list[str]], history: list[tuple[str, int, int]], spills: list[bool], by_key: bool
) -> None:
    setting = BY_KEY if by_key else BY_COORDINATE
    (plain, _), (trial, size) = reported(setting, kinds, history, None), reported(setting, kinds, history, spills)
    spilled_ever.append(size)
    assert trial.remainders() == []
    assert trial.last_words() == plain.last_words()
    assert trial.outcomes() == plain.outcomes()


def test_spilled_or_not_every_history_ends_alike() -> None:
    histories_end_alike()
    assert sum(size > 0 for size in spilled_ever) > 10
