"""The log of a pending set: after any history, what is restored from it is the set that waited at the commit."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.codecs import own
from shadowstream.errors import ConfigError
from shadowstream.joiner.matching.pending_buffer import ColumnBuffer
from shadowstream.joiner.offset_spans import Spans
from shadowstream.joiner.pending_record import PendingColumns
from shadowstream.joiner.recovery import checkpoint, pending_log
from shadowstream.joiner.recovery.checkpoint import LogPlace
from shadowstream.joiner.recovery.pending_log import restored
from shadowstream.records import Side
from tests.joiner.joiner_world import World
from tests.joiner.outcome_cases import P, S, begun, play, restart
from tests.joiner.recovery.test_restarts import ACTIONS, BY_COORDINATE, BY_KEY, assert_whole, do, sides
from tests.joiner.whole_trial import Trial


@contextmanager
def small(**limits: int) -> Iterator[None]:
    """Every pending set is too large for the metadata, and has a log."""
    bounds = {"LOG_ABOVE": 0, "DELTAS_MAX": 3, "CHANGED_SHARE_MAX": 100} | limits
    with patch.multiple(pending_log, **bounds), patch.object(checkpoint, "METADATA_CHARS_MAX", 0):
        yield


ROUNDS_MAX = 6
SEEN: Counter[bool] = Counter()
"""Restored sets of logs without and with deltas."""


def committed(world: World) -> list[tuple[str, Side, LogPlace | None, set[int]]]:
    """For each side of each task, the place of its log and the set that waits now."""
    found = []
    for task in world.joiner.tasks.values():
        for side in task.sources.sides:
            place = task.sources.places[side]
            log = checkpoint.decode(world.commits[place][1]).log if place in world.commits else None
            found.append((task.name, side, log, set(task.commit.pending.offsets(side))))
    return found


with_commits = st.sampled_from((*ACTIONS, *("commit", "read_production", "produce") * 5))
histories = st.lists(st.tuples(with_commits, st.integers(0, 5), st.integers(1, 4)), min_size=40, max_size=90)


@given(kinds=sides, history=histories, by_key=st.booleans(), beside=st.integers(0, 9), changes=st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def any_history(
    kinds: list[list[str]], history: list[tuple[str, int, int]], by_key: bool, beside: int, changes: int
) -> None:
    with small(BESIDE_MAX=beside, CHANGES_MAX=changes):
        trial = Trial(BY_KEY if by_key else BY_COORDINATE, kinds).begin()
        for action in history:
            before = len(trial.stats)
            do(trial, action)
            if action[0] == "commit" and len(trial.stats) > before:
                for name, side, log, waiting in committed(trial):
                    if log is not None:
                        assert restored(name, side, log, trial.states) == waiting
                        SEEN[log.deltas > 0] += 1
        trial.finish()
        assert_whole(trial)


def test_after_any_history_the_restored_set_is_the_one_that_waited() -> None:
    for _ in range(ROUNDS_MAX):  # histories by chance: more of them, until enough have shown both
        any_history()
        if min(SEEN[False], SEEN[True]) > 20:
            return
    raise AssertionError(f"bases and deltas of {ROUNDS_MAX} rounds of histories: {SEEN}")


IN_BUFFER = ["put", "take", "put", "take", "commit", "commit"]
EVERYWHERE = ["put", "take", "beside", "move", "back", "commit", "commit", "lost", "restart"]
steps = st.sampled_from([IN_BUFFER, EVERYWHERE]).flatmap(
    lambda names: st.lists(
        st.tuples(st.sampled_from(names), st.integers(0, 12), st.randoms(use_true_random=False)), max_size=60
    )
)


class Stages:
    """A store's buffer, and offsets that wait in other stages; some may wait in both."""

    def __init__(self) -> None:
        self.rows, self.others = ColumnBuffer(), set[int]()

    def buffer(self, side: Side) -> ColumnBuffer:
        return self.rows

    def beside_store(self, side: Side) -> Spans:
        return Spans.of(self.others)

    def count(self, side: Side) -> int:
        return len(self.rows.spans()) + len(self.others)


@given(steps=steps, limits=st.tuples(st.integers(1, 70), st.integers(1, 30), st.integers(0, 30)))
@settings(deadline=None)
def test_any_entering_leaving_losing_and_restarting_is_restored(steps: list[Any], limits: tuple[int, int, int]) -> None:
    """The model is a plain set; a commit that is lost leaves no record and is followed by a restart, or by another."""
    with small(DELTAS_MAX=limits[0], CHANGES_MAX=limits[1], BESIDE_MAX=limits[2]):
        stages, in_store, records, offset, sequence = Stages(), set[int](), dict[str, Any](), 0, 0
        log = pending_log.PendingLog("out/0", Side.SHADOW, stages)  # type: ignore[arg-type]  # the parts that it reads
        place: LogPlace | None = None
        kept: set[int] = set()
        for name, n, draw in steps:
            chosen = draw.sample(sorted(in_store), min(n, len(in_store)))
            if name == "put" and n:
                fresh = list(range(offset, offset + 2 * n, 1 + n % 2))
                offset += 2 * n
                stages.rows.put(PendingColumns(fresh, [0] * len(fresh), [b"v"] * len(fresh), [None] * len(fresh)))
                in_store |= set(fresh)
            elif name in ("take", "move") and chosen:
                stages.rows.take(stages.rows.slots_of(np.array(chosen)))
                in_store -= set(chosen)
                stages.others |= set(chosen) if name == "move" else set()
            elif name == "beside":
                stages.others |= {*chosen, *range(offset, offset + n)}
                offset += n
            elif name == "back":
                stages.others -= set(draw.sample(sorted(stages.others), min(n, len(stages.others))))
            elif name in ("commit", "lost"):
                waiting = in_store | stages.others
                delta = log.delta()
                assert delta is None or delta.lowest == min(waiting)
                new, written = delta[::2] if delta else log.base(sequence + 1, Spans.of(waiting))
                if name == "commit":
                    sequence, place, kept = sequence + 1, new, waiting
                    for key, texts in written.items():
                        records.pop(key, None)
                        if texts:
                            records[key] = {"overflow": texts, "seq": sequence}
                    log.committed()
            elif name == "restart":
                stages, in_store = Stages(), set()
                stages.others = set(kept)
                log = pending_log.PendingLog("out/0", Side.SHADOW, stages)  # type: ignore[arg-type]  # as above
                log.restore(place)
            if place is not None:
                assert restored("out/0", Side.SHADOW, place, records) == kept
                assert set(pending_log.keys_of("out/0", Side.SHADOW, place)) <= set(records)


def scattered(count: int) -> tuple[World, list[int]]:
    """A task with so many records waiting, about every third offset, and their order of leaving."""
    world = begun(identity={"kind": "key"})
    draw, at, numbers = random.Random(3), 0, list(range(count))
    place = world.sides[Side.PRODUCTION][0]
    for number in numbers:
        at += draw.randint(1, 5)
        world.logs[place] += [None] * (at - world.end(place))
        P(f"{number}")(world)
    draw.shuffle(numbers)
    return world, numbers


def test_a_large_scattered_set_is_logged_and_each_commit_writes_what_changed() -> None:
    with patch.multiple(pending_log, LOG_ABOVE=5_000, DELTAS_MAX=8, CHANGES_MAX=2_000):
        world, numbers = scattered(8_000)
        sizes: list[int] = []
        prepare = world.joiner.prepare

        def seen(now_ms: int, limit: int) -> Any:
            prepared = prepare(now_ms, limit)
            sizes.append(sum(len(write.value or b"") for write in prepared.writes if b" " in (write.key or b"")))
            return prepared

        world.joiner.prepare = seen  # type: ignore[method-assign]  # to look at what it writes
        play(world, [{}])
        whole = sizes[-1]
        for _ in range(7):
            chosen, numbers = numbers[:20], numbers[20:]
            play(world, [*(S(f"{number}") for number in chosen), {"match": 20}])
            assert sizes[-1] < whole / 10
        (log,) = [log for _, side, log, _ in committed(world) if side is Side.PRODUCTION]
        assert log is not None
        assert (log.deltas, log.size) == (7, len(numbers))
        play(world, [restart, {}])
        chosen, numbers = numbers[:6_500], numbers[6_500:]
        play(world, [*(S(f"{number}") for number in chosen), {"match": 6_500}])
        assert [key for key in world.states if " " in key] == [], "a small set leaves no record of its log"
        play(world, [restart, *(S(f"{number}") for number in numbers), {"match": len(numbers)}])


def test_a_log_that_lost_a_record_is_refused() -> None:
    with small(CHANGES_MAX=40, DELTAS_MAX=64):
        stages = Stages()
        log = pending_log.PendingLog("out/0", Side.SHADOW, stages)  # type: ignore[arg-type]  # the parts that it reads
        stages.rows.put(PendingColumns(list(range(0, 200, 2)), [0] * 100, [b"v"] * 100, [None] * 100))
        place, written = log.base(1, stages.rows.spans())
        log.committed()
        for sequence in range(2, 5):
            records = {key: {"overflow": texts, "seq": sequence - 1} for key, texts in written.items()}
            stages.rows.take(stages.rows.slots_of(np.array([sequence * 10])))
            delta = log.delta()
            assert delta is not None
            place, written = delta.place, written | delta.records
            log.committed()
        records = {key: {"overflow": texts, "seq": 9} for key, texts in written.items()}
        assert len(restored("out/0", Side.SHADOW, place, records)) == 97
        for key in records:
            odd = [
                {**records[key], "seq": 0},
                {**records[key], "overflow": {"entered": checkpoint.pending_text([999])}},
            ]
            for changed in ({k: v for k, v in records.items() if k != key}, *({**records, key: one} for one in odd)):
                with pytest.raises(ConfigError, match="topic state"):
                    restored("out/0", Side.SHADOW, place, changed)


def test_the_largest_records_of_a_log_fit_a_message() -> None:
    n = pending_log.CHANGES_MAX
    spread = np.sort(np.random.default_rng(1).choice(2**40, n, replace=False))
    text = checkpoint.pending_text(spread)
    record = {"task": "t", "seq": 1, "counts": {}, "inputs_counted": {}, "overflow": {"entered": text, "left": text}}
    assert len(own.encode("state", record)) < 1_000_000
