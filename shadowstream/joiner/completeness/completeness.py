"""When can a partner no longer come? The clocks of one task.

Missing (production's record waits) is decided by marks, without any time:

* The joiner reads E = end of production's outputs, *then* I = ends of the inputs. Every production output below
  E comes from an input below I (`born`). Once the runner is done to I on all inputs, and the shadow side has been
  read to the ends that its marks name, an output below E that still waits is missing.
* Where the production record names its input, it is missing once the runner is done beyond that very input.

Extra (a shadow record waits) is the mirror: C = production's committed inputs, *then* E = ends of its outputs. Under
``after_output`` production is done with every input below C once E is read. A shadow record that does not name its
input (of a job of its own) was born like production's: below an end of the shadow side that was read before the ends
I of the inputs, so it comes from an input below I (tests/joiner/completeness/test_completeness.py,
test_extra_by_an_end_of_its_own_side). Without ``after_output`` the commits prove nothing by themselves, and the grace
is added; without a group only event time and grace remain, by the **minimum** of both sides' watermarks. Why not the
maximum: production at 12:00:00 waits, the candidate is 31 s behind and honest, grace is 30 s. By the maximum
(12:00:31 on production's side) the record is said missing one second before its partner is read; by the minimum it
waits until the candidate's own clock has passed it (tests/joiner/completeness/test_completeness.py,
test_a_candidate_that_lags_is_not_missing).

The twin is done as production is: by its group's commits, then the ends of its topic. A candidate that is a job of its
own has marks made from its group's commits; under ``commits: unknown`` the grace is added to them as well.

Lanes (`deadlines`) and their bounds; a row is due once its threshold lies below the bound:

====================  ==================================================  ==============================
lane                  bound                                               threshold
====================  ==================================================  ==============================
born, side, of        end of the newest born mark of side `of` that       offset of the row of side `of`
                      side has passed
done, side, input     inputs that the side is done with                   offset of the row's input
time, side            that side's watermark less the grace, plus one      event time (see `ahead`)
joint, side           the lower of production's and its, less the grace   event time (see `ahead`)
warm                  1 once the end of the warm-up is known              0
====================  ==================================================  ==============================
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

from shadowstream.ahead import Ahead
from shadowstream.config import Config
from shadowstream.joiner.completeness.copied_time import CopiedTime
from shadowstream.joiner.completeness.marks_log import PassedMarks, Progress
from shadowstream.joiner.completeness.observed_offsets import DoneByCommits, Observed, lowest, observed_queue
from shadowstream.joiner.completeness.production_replays import Replays
from shadowstream.joiner.completeness.wait_queue import LanesOfAll, WaitCondition, Waits
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.records import InputCoordinate, Partition, Side

STILL = 3
"""Observations, one a second, after which inputs that have not grown are at rest."""


def time_may_decide(config: Config) -> bool:
    """Whether event time decides anything: not where every side's marks are exact and ids are unique."""
    groups = [config.production, *([config.candidate] if config.candidate.topic else []), config.twin]
    exact = all(one is None or (one.group is not None and one.commits == "after_output") for one in groups)
    return config.identity.kind == "occurrence" or not exact


class Completeness:
    """What one task knows of its sides' progress. Positions are read positions, control records included."""

    def __init__(
        self,
        config: Config,
        progress: Progress,
        passed: PassedMarks,
        places: tuple[Partition, ...],
        ahead: Ahead | None = None,
        copied: Iterable[Side] = (),
    ) -> None:
        self._config = config
        self.ahead = ahead if ahead is not None else Ahead(config.future_ms_max)
        self.copied = {side: CopiedTime() for side in copied}
        self._places = places
        self._has_state = config.candidate.state != "none"
        self._has_twin = len(places) > Side.TWIN
        self._progress = progress
        self.passed = passed
        others = [Side(n) for n in range(1, len(places))]
        # By the side whose outputs they are and the side that must be done with their inputs.
        ways = [way for side in others for way in ((Side.PRODUCTION, side), (side, Side.PRODUCTION))]
        self._born = {way: observed_queue() for way in ways}
        self.born_below = dict.fromkeys(self._born, 0)
        self.production = DoneByCommits()
        self.twin = DoneByCommits()
        self.replays = Replays()
        self.input_ends: dict[Partition, int] = {}
        self._still = 0
        self._ends: dict[Side, int] = {}
        self.positions = [0] * len(places)
        self.watermarks: list[int | None] = [None] * len(places)
        self.idle_watermarks: list[int | None] = [None] * len(places)
        self.stated_ms: list[int | None] = [None] * len(places)
        self.last_read_ms = 0
        self._finished = False
        adopted = config.candidate.topic is not None
        twin = config.twin
        self._exact = {
            Side.PRODUCTION: config.production.commits == "after_output",
            Side.SHADOW: not adopted or config.candidate.commits == "after_output",
            Side.TWIN: twin is not None and twin.commits == "after_output",
        }
        self._has_marks = {
            Side.PRODUCTION: config.production.group is not None,
            Side.SHADOW: True,
            Side.TWIN: twin is not None and twin.group is not None,
        }
        self._by_time = time_may_decide(config)

    # ---------------------------------------------------------------- movements

    def move(self, side: Side, position: int) -> None:
        """A side has been read to a position, control records included."""
        self.positions[side] = position

    def advance_watermark(self, side: Side, time_ms: int) -> None:
        """A side has reached an event time; its watermark never goes back."""
        before = self.watermarks[side]
        self.watermarks[side] = time_ms if before is None else max(before, time_ms)

    def snapshot(self) -> dict[str, int]:
        """Counts for the state record: replays of production, and how far the shadow side is done."""
        return self.replays.snapshot(self._config.inputs) | self.passed.snapshot()

    def restore(self, counts: Mapping[str, int]) -> None:
        """Take the counts of the state record."""
        self.replays.restore(counts, self._config.inputs)
        self.passed.restore(counts)

    # ---------------------------------------------------------------- observations

    def observe_born(self, end: int, inputs: dict[Partition, int], side: Side = Side.PRODUCTION) -> None:
        """A new born mark of a side: the `end` of its outputs was read before `inputs`."""
        if side is Side.PRODUCTION:
            self._still = self._still + 1 if inputs == self.input_ends else 0
        self.input_ends, self._ends[side] = inputs, end
        for (of, _), queue in self._born.items():
            if of is side and (not queue or end > queue[-1].end):
                queue.append(Observed(end, inputs))

    def observe_production(
        self, end: int, inputs: dict[Partition, int], stored: dict[Partition, int] | None = None
    ) -> None:
        """Production's committed offsets `inputs`, read before `end`; `stored`: the same as its group has them, where
        `inputs` was raised over control records. Such a raise is not remembered, so a process that has just begun
        would see an offset that went back."""
        self.replays.observe(end, inputs if stored is None else stored)
        self.production.observe(end, inputs)

    def observe_twin(self, end: int, inputs: dict[Partition, int]) -> None:
        """The twin's committed offsets, read before the end of its topic."""
        self.twin.observe(end, inputs)

    def advance(self) -> None:
        """Take what the positions have passed since the last call. `PassedMarks` has been advanced before."""
        for side, copied in self.copied.items():
            if (time_ms := copied.passed(self.positions[side])) is not None:
                self.advance_watermark(side, time_ms)
        self.production.advance(self.positions[Side.PRODUCTION])
        if self._has_twin:
            self.twin.advance(self.positions[Side.TWIN])
        for way, queue in self._born.items():
            done = self._done(way[1])
            while queue and all(done.get(place, 0) >= end for place, end in queue[0].inputs.items()):
                self.born_below[way] = max(self.born_below[way], queue.popleft().end)
        self._finished = self._finished or self._is_finished()

    def _done(self, side: Side) -> dict[Partition, int]:
        """Inputs that a side is done with, its outputs of them read."""
        if side is Side.SHADOW:
            return self.passed.offsets
        return self.production.done if side is Side.PRODUCTION else self.twin.done

    def finished(self) -> bool:
        """Bounded run: all sides are done with every input, and everything they wrote has been read."""
        return self._finished

    def _is_finished(self) -> bool:
        progress = self._progress
        if progress.start is None or not self._config.bounded or not progress.all_ended():
            return False
        shadow, position = self._places[Side.SHADOW], self.positions[Side.SHADOW]
        by_commits = [self.production.done, *([self.twin.done] if self._has_twin else [])]
        return all(
            progress.ends[place].ends.get(shadow, math.inf) <= position
            and all(done.get(place, 0) >= bound for done in by_commits)
            for place, bound in progress.start.bounds.items()
        )

    # ---------------------------------------------------------------- lanes

    def lanes(self, side: Side, awaited: Side, row: PendingRecord) -> Waits:
        """Where a row waits for a record of side `awaited`; nothing where none can come any more.

        One of the two sides is always production: the others wait for it, and it for them.
        """
        if self.is_warm_up(row, side) is None:
            return ((WaitCondition("warm"), 0),)
        if self._finished:
            return ()
        if self._has_marks[awaited]:
            ways = self._ways(side, awaited, row)
            if not any(threshold < self.bound(lane) for lane, threshold in ways):
                return ways
            if self._exact[awaited]:
                return ()
            lane = WaitCondition("time", awaited)
        else:
            lane = WaitCondition("joint", side if awaited is Side.PRODUCTION else awaited)
        due_ms = self.ahead.due_ms(side, row.offset, row.time_ms)
        return () if due_ms < self.bound(lane) else ((lane, due_ms),)

    def lanes_of_all(self, side: Side, awaited: Side, rows: PendingColumns) -> LanesOfAll:
        """As `lanes`, of rows in offset order that all wait in the same lanes; nothing where each must be asked."""
        if self._finished or not self._counts(side, rows):
            return ()
        lanes: list[tuple[WaitCondition, Sequence[int]]] = []
        if not self._has_marks[awaited]:
            due_ms = self.ahead.due_of_all(side, rows.offsets, rows.times_ms)
            lanes.append((WaitCondition("joint", side if awaited is Side.PRODUCTION else awaited), due_ms))
        elif rows.ats is not None:
            known = [at for at in rows.ats if at is not None]
            if len(known) < len(rows) or len({at[:2] for at in known}) > 1:
                return ()
            if (place := self._input(known[0])) in self._inputs():
                lanes.append((WaitCondition("done", awaited, place), [at.offset for at in known]))
        if not lanes or (self._has_marks[awaited] and side is Side.PRODUCTION):
            lanes.append((WaitCondition("born", awaited, None, side), rows.offsets))
        return () if any(min(thresholds) < self.bound(lane) for lane, thresholds in lanes) else lanes

    def _counts(self, side: Side, rows: PendingColumns) -> bool:
        """Whether surely none of these rows is warm-up."""
        start = self._progress.start
        if start is None:
            return False
        if not start.has_warm_up:
            return True
        below = max(start.warm_below.values())
        if rows.ats is not None and any(at is None or at.offset < below for at in rows.ats):
            return False
        if rows.ats is not None and side is not Side.PRODUCTION:
            return True
        ends, place = self._progress.warm_ends, self._places[side]
        return ends is not None and place in ends and rows.offsets[0] >= ends[place]

    def _ways(self, side: Side, awaited: Side, row: PendingRecord) -> list[tuple[WaitCondition, int]]:
        """Lanes of marks, any of which suffices."""
        ways: list[tuple[WaitCondition, int]] = []
        if row.at is not None and (place := self._input(row.at)) in self._inputs():
            ways.append((WaitCondition("done", awaited, place), row.at.offset))
        if side is Side.PRODUCTION or not ways:
            ways.append((WaitCondition("born", awaited, None, side), row.offset))
        return ways

    def _inputs(self) -> dict[Partition, int]:
        return self.input_ends or (self._progress.start.committed if self._progress.start else {})

    def bound(self, lane: WaitCondition) -> float:
        """Rows with a threshold below this have waited long enough in the lane."""
        if lane.kind == "warm":
            return 1 if self._knows_warm_up() else 0
        if self._finished:
            return math.inf
        if lane.kind == "born":
            return self.born_below[lane.of, lane.side]
        if lane.kind == "done" and lane.input is not None:
            return self._done(lane.side).get(lane.input, 0)
        marks = [self.read_to_ms(lane.side)]
        if lane.kind == "joint":
            marks.append(self.read_to_ms(Side.PRODUCTION))
        known = [mark for mark in marks if mark is not None]
        return min(known) - self._config.grace_ms + 1 if len(known) == len(marks) else -math.inf

    def frontier(self) -> float | None:
        """Event time up to which both sides have been read, records out of order by up to the grace included."""
        if not self._knows_warm_up():
            return None
        if self._finished:
            return math.inf
        marks = [self.read_to_ms(Side(n)) for n in range(len(self._places))]
        known = [mark for mark in marks if mark is not None]
        return min(known) - self._config.grace_ms if len(known) == len(marks) else None

    def read_to_ms(self, side: Side) -> int | None:
        """The side's watermark, an idle partition's taken from the others of its side."""
        return max(
            (mark for mark in (self.watermarks[side], self.idle_watermarks[side]) if mark is not None), default=None
        )

    def watermark(self) -> int | None:
        """Event time to which all sides have been read: the minimum, see the head of this file."""
        return lowest(self.watermarks)

    def watermark_of_idle(self) -> int | None:
        """As `watermark`, of a task that is idle: its sides take the time of the partitions that go on, less the grace
        and down to a window's start (`idle`)."""
        window_ms, grace_ms = self._config.judge.window_ms, self._config.grace_ms
        taken = [None if mark is None else (mark - grace_ms) // window_ms * window_ms for mark in self.stated_ms]
        pairs = zip(self.watermarks, taken, strict=True)
        return lowest([max((mark for mark in pair if mark is not None), default=None) for pair in pairs])

    def sides_that_must_progress(self, again: Collection[Side] = ()) -> frozenset[Side]:
        """Sides of which one must be read on, whatever waits in memory, or nothing may ever end again; `again`: those
        that are read again after a restart.

        Not one that is done with every input there is: it has no more to bring, and what the others have left is of
        inputs that it has answered. So none where all are: little is left to be read. Where time ends what waits, those
        whose watermark is lowest.
        """
        sides = map(Side, range(len(self._places)))
        found = [one for one in sides if one in again or not self._has_answered(one)]
        if not self._by_time or not found:
            return frozenset(found)
        marks = {one: -math.inf if (mark := self.read_to_ms(one)) is None else mark for one in found}
        lowest = min(marks.values())
        return frozenset(one for one, mark in marks.items() if mark == lowest)

    def _has_answered(self, side: Side) -> bool:
        """Whether a side is done with all inputs that are known, of a bounded trial with those within its bounds. One
        of which no marks tell is taken to be where it is at its end and no inputs come."""
        if not self._has_marks[side]:
            return self._still >= STILL and self.positions[side] >= self._ends[side]
        start, done = self._progress.start, self._done(side)
        bounds = start.bounds if start is not None and self._config.bounded else {}
        ends = {place: min(end, bounds.get(place, end)) for place, end in self.input_ends.items()}
        return bool(ends) and all(done.get(place, 0) >= end for place, end in ends.items())

    # ---------------------------------------------------------------- warm-up

    def _knows_warm_up(self) -> bool:
        """Whether `is_warm_up` has an answer for every record."""
        start = self._progress.start
        if start is None:
            return False
        by_time = self._config.production.group is None
        return not start.has_warm_up or by_time or self._progress.warm_ends is not None

    def is_warm_up(self, row: PendingRecord, side: Side = Side.PRODUCTION) -> bool | None:
        """Whether an unpaired record belongs to the warm-up; None while nobody can tell.

        Another side's record says so by its input. One that names none, of a job that is not ours, is warm-up below the
        ends that its topic had once that job was done with the warm-up's inputs; without such an end, by its time.
        """
        start = self._progress.start
        if start is None:
            return None
        if row.warm:
            return True
        if not start.has_warm_up:
            return False
        if row.at is not None and self.input_is_warm_up(row.at):
            return True
        if row.at is not None and side is not Side.PRODUCTION:
            return False
        ends, place = self._progress.warm_ends, self._places[side]
        if self._config.production.group is not None and ends is None:
            return None
        if ends is not None and place in ends:
            return row.offset < ends[place]
        return start.floor_ms is not None and row.time_ms <= start.floor_ms + self._config.grace_ms

    def input_is_warm_up(self, coordinate: InputCoordinate) -> bool:
        """Whether this input lies before the point from which pairs count."""
        start = self._progress.start
        return start is not None and coordinate.offset < start.warm_below.get(self._input(coordinate), 0)

    def may_be_warm_up(self, rows: PendingColumns) -> bool:
        """Whether the input of any of these rows may lie before the point from which pairs count, or its output be of
        a candidate that had not got its state together."""
        start = self._progress.start
        if self._has_state and any(
            header_info is not None and header_info.warm for header_info in rows.header_infos or ()
        ):
            return True
        if start is None or not start.has_warm_up or rows.ats is None:
            return False
        return min(at.offset for at in rows.ats if at is not None) < max(start.warm_below.values())

    def _input(self, at: InputCoordinate) -> Partition:
        return Partition(self._config.inputs[at.topic], at.partition)
