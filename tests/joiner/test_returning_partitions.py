"""Partitions that rest and return, late records, dates ahead and restarts: the live verdict is that of a replay.

The joiner's own step on a broker in memory, and the judge's beside it. The live judge hears the statistics as they are
written, looks after each and dies now and then. A replay reads one partition of stats after the other.
"""

import os
from random import Random
from typing import Any

import pytest

from shadowstream.judge.step import JudgeStep
from tests.joiner.joiner_world import REVISION, WINDOW_MS, World, config
from tests.joiner.outcome_cases import INPUTS, counted, inputs

TRIALS = 6
TRIALS_LONG = 200
IDLE_MS = 1_000
LOOK_MS = 400
AHEAD_MS = 10_000
LOOKS = 60


class Trial:
    """One trial of some partitions, each of which rests and returns by chance."""

    def __init__(self, seed: int, partitions: int = 2) -> None:
        self.draw = Random(seed)
        self.settings = config(
            idle_ms=IDLE_MS,
            grace_ms=0,
            future_ms_max=AHEAD_MS,
            compare={"match_sample": 0, "rules": []},
            judge={"window_ms": WINDOW_MS, "min_duration_ms": 5 * WINDOW_MS},
        )
        self.world = World(self.settings, outputs=partitions)
        inputs(INPUTS)(self.world)
        self.world.start()
        counted(self.world)
        self.world.start_joiner()
        self.tasks = [f"out/{partition}" for partition in range(partitions)]
        self.active = [True] * partitions
        self.written = 0
        self.step = JudgeStep(self.settings, REVISION, self.tasks)
        self.state: dict[str, Any] | None = None
        self.heard = 0

    def pair(self, partition: int, time_ms: int, *, differs: bool = False) -> None:
        """Both sides of one pair, read at the next turn."""
        self.world.pair(partition, b"k%d" % self.written, time_ms, differs=differs)
        self.written += 1

    def look(self) -> None:
        """Time passes, partitions go on or rest, the joiner reads, and the judge hears of it."""
        draw, world = self.draw, self.world
        world.now_ms += LOOK_MS
        for partition, active in enumerate(self.active):
            if draw.random() < 0.12:
                self.active[partition] = not active
            for _ in range(draw.randint(0, 4) if self.active[partition] else 0):
                late = draw.random() < 0.05
                ahead = draw.random() < 0.01
                off_ms = -draw.randint(1, 8) * WINDOW_MS if late else draw.randint(0, LOOK_MS)
                self.pair(partition, world.now_ms + off_ms + ahead * 10 * AHEAD_MS, differs=draw.random() < 0.02)
        if draw.random() < 0.8:
            world.turn()
        if draw.random() < 0.05:
            world.start_joiner()
        self.hear()

    def hear(self) -> None:
        """The live judge takes what is new, or dies before that is written."""
        if self.draw.random() < 0.1:
            self.step = JudgeStep(self.settings, REVISION, self.tasks)
            self.step.restore(self.state)
            self.heard = 0
        for record in self.world.stats[self.heard :]:
            partition = self.tasks.index(record["task"])
            self.step.step(partition, record["seq"], record)
        self.heard = len(self.world.stats)
        self.step.evaluate(0)
        if self.draw.random() < 0.3:
            self.state = self.step.state()

    def replayed(self, order: list[str]) -> dict[str, Any]:
        """The verdict of a judge that reads one task after the other."""
        step = JudgeStep(self.settings, REVISION, self.tasks)
        for task in order:
            for record in self.world.stats:
                if record["task"] == task:
                    step.step(self.tasks.index(task), record["seq"], record)
        return step.verdict(0)


def played(seed: int) -> Trial:
    trial = Trial(seed, partitions=2 + seed % 2)
    for _ in range(LOOKS):
        trial.look()
    trial.hear()
    return trial


def check(seeds: range) -> dict[str, int]:
    """Play these; what they held."""
    held = {"closed": 0, "late": 0, "idle": 0, "ahead": 0}
    for seed in seeds:
        trial = played(seed)
        live = trial.step.verdict(0)
        assert live == trial.replayed(trial.tasks) == trial.replayed(trial.tasks[::-1]), f"seed {seed}"
        held["closed"] += live["windows_closed"]
        held["late"] += trial.step.windows.added_late
        held["idle"] += sum(record["idle"] and record["watermark_ms"] is not None for record in trial.world.stats)
        held["ahead"] += sum(task.ahead for task in trial.step.windows.tasks.values())
    return held


def test_the_live_verdict_is_that_of_a_replay_to_the_byte() -> None:
    held = check(range(TRIALS))
    assert held["closed"] > 10 * TRIALS, held
    assert all(held.values()), held


@pytest.mark.long
def test_the_live_verdict_is_that_of_a_replay_in_200_trials() -> None:
    first = int(os.environ.get("FIRST_SEED", "1000"))
    held = check(range(first, first + TRIALS_LONG))
    assert all(held.values()), held


def quiet_then_burst(partitions: int) -> Trial:
    """All partitions rest, then each brings ten records of each of three windows."""
    trial = Trial(0, partitions)
    trial.active = [False] * partitions
    for _ in range(6):
        trial.world.now_ms += LOOK_MS
        trial.world.turn()
    for partition in range(partitions):
        for window in range(4):
            for _ in range(10):
                trial.pair(partition, trial.world.now_ms + window * WINDOW_MS)
        trial.world.now_ms += LOOK_MS
        trial.world.turn()
    trial.hear()
    return trial


def test_a_burst_after_quiet_is_counted_whole_whichever_partition_leads() -> None:
    trial = quiet_then_burst(2)
    live = trial.step.verdict(0)
    assert (live["outcomes"], live["windows_closed"], trial.step.windows.late) == ({"match": 60}, 3, 0)
    assert live == trial.replayed(trial.tasks) == trial.replayed(trial.tasks[::-1])


def test_a_partition_that_rests_holds_no_window_open() -> None:
    trial = Trial(0, partitions=3)
    for second in range(12):
        for partition in (0, 1) if second < 4 else (0,):
            trial.pair(partition, trial.world.now_ms)
        for _ in range(3):
            trial.world.now_ms += LOOK_MS
            trial.world.turn()
    trial.hear()
    resting = [one["watermark_ms"] for one in trial.world.stats if one["task"] == "out/2"][-1]
    assert resting % WINDOW_MS == 0
    assert trial.step.windows.closed > 6, "two partitions rest, one of them has never said a word"
    assert trial.step.windows.late == 0
