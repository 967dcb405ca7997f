"""A record dated ahead closes no window, freezes nothing that follows, and is not moved by a clock that is set."""

from typing import Any

import pytest

from shadowstream.judge.step import JudgeStep
from tests.joiner.joiner_world import NOW_MS, REVISION, World, config
from tests.joiner.outcome_cases import GRACE_MS, INPUTS, P, S, begun, counted, done, inputs, play, restart
from tests.judge.stats_records import HOUR_MS

DAY_MS = 24 * HOUR_MS
YEAR_9999_MS = 253_370_764_800_000


class Hours:
    """Hours of pairs on a broker in memory, and the judge's last verdict of them."""

    def __init__(self, partitions: int = 1) -> None:
        self.settings = config(judge={"window_ms": HOUR_MS}, compare={"match_sample": 0, "rules": []}, grace_ms=0)
        self.world = World(self.settings, outputs=partitions)
        inputs(INPUTS)(self.world)
        self.world.start()
        counted(self.world)
        self.world.start_joiner()
        self.begin_ms = self.world.now_ms = 400_000 * HOUR_MS
        self.pairs = 0

    def pair(self, partition: int, time_ms: int, *, differs: bool = False) -> None:
        self.world.pair(partition, b"k%d" % self.pairs, time_ms, differs=differs)
        self.pairs += 1

    def hour(self, *, differs: bool = False, only: int | None = None) -> None:
        """An hour of 60 pairs in each partition; those of `only` differ, or all that `differs`."""
        for partition in range(self.world.partitions):
            for minute in range(60):
                bad = differs and only in (None, partition)
                self.pair(partition, self.world.now_ms + minute * 60_000, differs=bad)
        self.world.now_ms += HOUR_MS
        self.world.turn()

    def verdict(self) -> dict[str, Any]:
        tasks = [f"out/{partition}" for partition in range(self.world.partitions)]
        step = JudgeStep(self.settings, REVISION, tasks)
        for record in self.world.stats:
            step.step(tasks.index(record["task"]), record["seq"], record)
        return step.verdict(0)


@pytest.mark.parametrize("ahead_ms", [DAY_MS, 5 * HOUR_MS, 400 * DAY_MS, YEAR_9999_MS])
def test_one_record_dated_ahead_hides_nothing_of_what_follows(ahead_ms: int) -> None:
    hours = Hours()
    hours.hour()
    hours.pair(0, hours.world.now_ms + ahead_ms)
    for _ in range(3):
        hours.hour(differs=True)
    hours.hour()
    verdict = hours.verdict()
    assert verdict["decision"] == "reject"
    assert (verdict["windows_closed"], verdict["outcomes"]["mismatch"]) == (4, 180)
    assert any(one.startswith("2 records are dated further ahead of the joiner's clock") for one in verdict["caveats"])


def test_nor_where_it_is_in_the_wrong_one_of_two_partitions() -> None:
    hours = Hours(partitions=2)
    hours.hour()
    hours.pair(0, hours.world.now_ms + DAY_MS)
    for _ in range(3):
        hours.hour(differs=True, only=0)
    hours.hour()
    verdict = hours.verdict()
    assert (verdict["decision"], verdict["windows_closed"]) == ("reject", 4)


def test_its_own_window_closes_when_its_time_has_come() -> None:
    hours = Hours()
    hours.pair(0, hours.world.now_ms + 5 * HOUR_MS, differs=True)
    for _ in range(5):
        hours.hour()
        assert "mismatch" not in hours.verdict()["outcomes"]
    for _ in range(2):
        hours.hour()
    assert hours.verdict()["outcomes"]["mismatch"] == 1


def test_a_stream_dated_ahead_as_a_whole_is_named_and_closes_nothing() -> None:
    hours = Hours()
    for minute in range(100):
        hours.pair(0, hours.world.now_ms + DAY_MS + minute * 60_000)
    hours.world.turn()
    (reason,) = hours.verdict()["reasons"][:1]
    assert reason == (
        "no window with compared records has closed: all 200 records of out/0 that tell a time are dated further ahead "
        "of the joiner's clock than future_ms_max; set the clocks right, or raise future_ms_max"
    )


@pytest.mark.parametrize("set_by_ms", [-2 * DAY_MS, -HOUR_MS, HOUR_MS, 2 * DAY_MS])
@pytest.mark.parametrize("dies", [False, True])
def test_a_clock_that_is_set_moves_no_record_into_another_window(set_by_ms: int, dies: bool) -> None:
    notes = []
    for by_ms in (0, set_by_ms):
        hours = Hours()
        begin_ms = hours.world.now_ms
        for hour in range(6):
            time_ms = begin_ms + hour * HOUR_MS
            for minute in range(60):
                hours.pair(0, time_ms + minute * 60_000, differs=minute == hour)
                hours.world.now_ms = time_ms + minute * 60_000 + (by_ms if hour > 2 else 0)
                if dies and (hour, minute) == (3, 10):
                    restart(hours.world)
                if minute % 10 == 0:
                    hours.world.turn()
        notes.append(hours.verdict() | {"evaluated_at_ms": 0})
        windows_counted = [one for record in hours.world.stats for one in record["windows"]]
        windows = {one["start_ms"] for one in windows_counted if "match" in one["outcomes"]}
        assert windows == {begin_ms + hour * HOUR_MS for hour in range(6)}
    assert notes[0] == notes[1]


BY_TIME: dict[str, Any] = {"production": {"outputs": ["out"]}, "future_ms_max": 5_000}


@pytest.mark.parametrize(("kind", "side"), [("key", S), ("occurrence", S), ("occurrence", P)])
def test_where_time_decides_a_far_future_date_does_not_wait_forever(kind: str, side: Any) -> None:
    outcome = "missing" if side is P else "extra"
    world = begun(identity={"kind": kind, "tolerance_ms": 100} if kind == "occurrence" else {"kind": kind}, **BY_TIME)
    later = NOW_MS + 5_000 + GRACE_MS + 200
    play(world, [side("a", time_ms=YEAR_9999_MS), {}, P("b", time_ms=NOW_MS), S("b", of=1, time_ms=NOW_MS), done(10)])
    world.turn()
    assert outcome not in world.outcomes()
    world.now_ms = later
    play(world, [P("c", time_ms=later), S("c", of=2, time_ms=later)])
    world.turn(2)
    assert world.outcomes().get(outcome) == 1
    assert {row["time_ms"] for row in world.diff if row["outcome"] == outcome} == {YEAR_9999_MS}


def test_by_occurrence_far_future_dates_pair_whenever_they_are_read() -> None:
    world = begun(identity={"kind": "occurrence", "tolerance_ms": 100}, **BY_TIME)
    play(world, [P("a", time_ms=YEAR_9999_MS), {}])
    world.now_ms += 3_000
    play(world, [S("a", time_ms=YEAR_9999_MS + 7), {}])
    for of, time_ms in enumerate((world.now_ms, world.now_ms + 7_000 + GRACE_MS), start=1):
        world.now_ms = time_ms
        play(world, [P("b", time_ms=time_ms), S("b", of=of, time_ms=time_ms)])
        world.turn()
    world.turn()
    assert world.outcomes() == {"match": 2}
