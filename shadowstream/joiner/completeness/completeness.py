"""Completeness of one task: when a record's partner can no longer come.

A record of production without a partner is *missing* once marks decide so; no time is involved:

* By born marks. The joiner reads E, the end of production's outputs, and *then* I, the ends of the inputs. So each
  production output below E comes from an input below I. The runner is done to I on all inputs, and the shadow side has
  been read to the ends that the runner's marks name: then an output below E without a partner is missing.
* By its input. If the production record names its input, it is missing once the runner is done beyond that input.

A shadow record without a partner is *extra* by the mirrored rules: C is production's committed inputs, and *then* E is
read, the end of its outputs. Under ``after_output``, production is done with each input below C once E has been read.
A shadow record that does not name its input (of an external candidate) has a born mark like production's: its output
lies below an end of the shadow side that was read before the ends I of the inputs (test_completeness.py,
test_extra_by_an_end_of_its_own_side). Without ``after_output``, commits prove nothing by themselves, and the grace is
added. Without a group, only event time and grace decide, by the **minimum** of both sides' watermarks. The maximum
would be wrong: production at 12:00:00 waits, the candidate is 31 s behind, and the grace is 30 s. By the maximum
(12:00:31 on production's side) the record would be missing one second before its partner is read. By the minimum it
waits until the candidate's watermark has passed it (tests/joiner/completeness/test_completeness.py,
test_a_candidate_that_lags_is_not_missing).

The twin's progress is known like production's: by its group's commits, then the ends of its topic. The marks of an
external candidate are made from its group's commits; under ``commits: unknown`` the grace is added to them as well.

A waiting record has an entry in one or more lanes (`wait_queue`). A lane has a bound that only rises; an entry is due
once its threshold lies below the bound:

====================  ==================================================  ==============================
lane                  bound                                               threshold
====================  ==================================================  ==============================
born, side, of        end of the newest born mark of side `of` that       offset of the row of side `of`
                      side has passed
done, side, input     inputs that the side is done with                   offset of the row's input
time, side            that side's watermark less the grace, plus one      event time (`future_dates`)
joint, side           the lower of production's and its, less the grace   event time (`future_dates`)
warm                  1 once the end of the warm-up is known              0
====================  ==================================================  ==============================
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

from shadowstream.config import Config
from shadowstream.future_dates import Ahead
from shadowstream.joiner.completeness.copied_time import CopiedTime
from shadowstream.joiner.completeness.marks_log import MarksLog, PassedMarks
from shadowstream.joiner.completeness.observed_offsets import CommitProgress, ObservedEnd, end_queue, highest, lowest
from shadowstream.joiner.completeness.production_replays import ProductionReplays
from shadowstream.joiner.completeness.wait_queue import LanesOfAll, WaitCondition, Waits, least
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.records import InputCoordinate, Partition, Side

_BEYOND = "beyond"  # kind of the count in the state record: where the trial ended early
STILL_OBSERVATIONS = 3  # observations without growth, one a second, after which the inputs count as idle


def time_may_decide(config: Config) -> bool:
    """Return whether event time can decide a record; not if the marks of all sides are exact and ids are unique."""
    sides = [config.production, *([config.candidate] if config.candidate.topic else []), config.twin]
    exact = all(side is None or (side.group is not None and side.commits == "after_output") for side in sides[1:])
    exact &= config.production.has_marks and config.production.is_exact
    return config.identity.kind == "occurrence" or not exact


class Completeness:
    """The progress of a task's sides, as far as the task knows it. Positions include control records."""

    def __init__(
        self,
        config: Config,
        progress: MarksLog,
        passed: PassedMarks,
        places: tuple[Partition, ...],
        ahead: Ahead | None = None,
        copied: Iterable[Side] = (),
    ) -> None:
        self._config, self._places, self._progress, self.passed = config, places, progress, passed
        self.ahead = ahead if ahead is not None else Ahead(config.future_ms_max)
        self.copied = {side: CopiedTime() for side in copied}
        self._has_state = config.candidate.state != "none"
        self._has_twin = len(places) > Side.TWIN
        others = [Side(n) for n in range(1, len(places))]
        # By the side that wrote the outputs and the side that must be done with their inputs.
        directions = [way for side in others for way in ((Side.PRODUCTION, side), (side, Side.PRODUCTION))]
        self._born = {way: end_queue() for way in directions}
        self.born_below = dict.fromkeys(self._born, 0)
        self.production = CommitProgress()
        self.twin = CommitProgress()
        self.replays = ProductionReplays()
        self.input_ends: dict[Partition, int] = {}
        self._still = 0
        self._ends: dict[Side, int] = {}
        self.positions = [0] * len(places)
        self.watermarks: list[int | None] = [None] * len(places)
        self.idle_watermarks: list[int | None] = [None] * len(places)
        self.stated_ms: list[int | None] = [None] * len(places)
        self.last_read_ms = 0
        self.finished = False
        """Whether all sides of a run with an end are done with every input and all their outputs have been read."""
        self._beyond: int | None = None
        """Offset from which on an unmatched output of production may answer an input beyond `until`."""
        sides = (config.production, config.candidate, config.twin)
        self._exact = [side is not None and side.commits == "after_output" for side in sides]
        self._exact[Side.PRODUCTION] = config.production.is_exact
        self._exact[Side.SHADOW] |= config.candidate.topic is None  # the runner writes exact marks
        self._has_marks = [side is not None and side.group is not None for side in sides]
        self._has_marks[Side.PRODUCTION] = config.production.has_marks
        self._has_marks[Side.SHADOW] = True
        self._names_all_inputs = config.production.answer is not None
        self._by_time = time_may_decide(config)

    def advance_watermark(self, side: Side, time_ms: int) -> None:
        """Note that a side has reached an event time; its watermark never goes back."""
        self.watermarks[side] = highest(self.watermarks[side], time_ms)

    def snapshot(self) -> dict[str, int]:
        """Return counts for the state record: replays of production, and the shadow side's done marks."""
        counts = self.replays.snapshot(self._config.inputs) | self.passed.snapshot()
        return counts if self._beyond is None else {**counts, f"{_BEYOND}:{self._progress.revision}": self._beyond}

    def restore(self, counts: Mapping[str, int]) -> None:
        self.replays.restore(counts, self._config.inputs)
        self.passed.restore(counts)
        self._beyond = counts.get(f"{_BEYOND}:{self._progress.revision}")
        self.finished = self._beyond is not None

    def observe_born(self, end: int, inputs: dict[Partition, int], side: Side = Side.PRODUCTION) -> None:
        """Add a born mark of a side: the `end` of its outputs was read before `inputs`."""
        if side is Side.PRODUCTION:
            self._still = self._still + 1 if inputs == self.input_ends else 0
        self.input_ends, self._ends[side] = inputs, end
        for (of, _), queue in self._born.items():
            if of is side and (not queue or end > queue[-1].end):
                queue.append(ObservedEnd(end, inputs))

    def observe_production(
        self, end: int, inputs: dict[Partition, int], stored: dict[Partition, int] | None = None
    ) -> None:
        """Note production's committed offsets `inputs`, read before `end`.

        If `inputs` was raised over control records, `stored` holds the offsets that its group committed. A new process
        does not know of an earlier raise, so raised offsets would look to it as if they had gone back.
        """
        self.replays.observe(end, inputs if stored is None else stored)
        self.production.observe(end, inputs)

    def advance(self) -> None:
        """Apply the observations that the positions have passed. Call it after `PassedMarks.advance`."""
        for side, copied in self.copied.items():
            if (time_ms := copied.passed(self.positions[side])) is not None:
                self.advance_watermark(side, time_ms)
        self.production.advance(self.positions[Side.PRODUCTION])
        if self._has_twin:
            self.twin.advance(self.positions[Side.TWIN])
        for way, queue in self._born.items():
            if not queue:
                continue
            done = self._done(way[1])
            while queue and all(done.get(place, 0) >= end for place, end in queue[0].inputs.items()):
                self.born_below[way] = max(self.born_below[way], queue.popleft().end)
        if not self.finished and self._is_finished():
            self.finished = True
            if self._progress.until is not None:
                self._beyond = self.born_below[Side.PRODUCTION, Side.SHADOW]

    def _done(self, side: Side) -> dict[Partition, int]:
        """Return the input offsets to which a side is done, with its outputs read."""
        if side is Side.SHADOW:
            return self.passed.offsets
        return self.production.done if side is Side.PRODUCTION else self.twin.done

    def _is_finished(self) -> bool:
        progress = self._progress
        has_end = self._config.bounded or progress.until is not None
        if progress.start is None or not has_end or not progress.all_ended():
            return False
        shadow, position = self._places[Side.SHADOW], self.positions[Side.SHADOW]
        by_commits = [self.production.done, *([self.twin.done] if self._has_twin else [])]
        return all(
            progress.ends[place].ends.get(shadow, math.inf) <= position
            and all(done.get(place, 0) >= bound for done in by_commits)
            for place, bound in progress.bounds.items()
        )

    @property
    def has_ended_early(self) -> bool:
        """Whether the trial has ended by `until`: what is read from now on belongs to no trial."""
        return self._beyond is not None

    def is_beyond_end(self, row: PendingRecord) -> bool:
        """Return whether an unmatched output of production may answer an input on which the candidate did not run.

        An output below the last born mark that was passed answers an input within the trial.
        """
        if self._beyond is None:
            return False
        if row.at is not None and (end := self._progress.bounds.get(self._input(row.at))) is not None:
            return row.at.offset >= end
        return row.offset >= self._beyond

    def lanes(self, side: Side, awaited: Side, row: PendingRecord) -> Waits:
        """Return the lanes in which a row waits for a record of side `awaited`; empty if none can come any more.

        One of the two sides is production: the other sides wait for production, and production waits for them.
        """
        if self.is_warm_up(row, side) is None:
            return ((WaitCondition("warm"), 0),)
        if self.finished:
            return ()
        if self._has_marks[awaited]:
            lanes = self._mark_lanes(side, awaited, row)
            if not any(threshold < self.bound(lane) for lane, threshold in lanes):
                return lanes
            if self._exact[awaited]:
                return ()
            lane = WaitCondition("time", awaited)
        else:
            lane = WaitCondition("joint", side if awaited is Side.PRODUCTION else awaited)
        due_ms = self.ahead.due_ms(side, row.offset, row.time_ms)
        return () if due_ms < self.bound(lane) else ((lane, due_ms),)

    def lanes_of_all(self, side: Side, awaited: Side, rows: PendingColumns) -> LanesOfAll:
        """Return the lanes in which all rows wait, in offset order; empty if each row needs a call of `lanes`."""
        if self.finished or not self._surely_after_warm_up(side, rows):
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
        return () if any(least(thresholds) < self.bound(lane) for lane, thresholds in lanes) else lanes

    def _surely_after_warm_up(self, side: Side, rows: PendingColumns) -> bool:
        start = self._progress.start
        if start is None:
            return False
        if not start.has_warm_up:
            return True
        below = max(start.warm_below.values())
        if rows.ats is not None and any(at is None or at.offset < below for at in rows.ats):
            return False
        if rows.ats is not None and (side is not Side.PRODUCTION or self._names_all_inputs):
            return True
        ends, place = self._progress.warm_ends, self._places[side]
        return ends is not None and place in ends and rows.offsets[0] >= ends[place]

    def _mark_lanes(self, side: Side, awaited: Side, row: PendingRecord) -> list[tuple[WaitCondition, int]]:
        lanes: list[tuple[WaitCondition, int]] = []
        if row.at is not None and (place := self._input(row.at)) in self._inputs():
            lanes.append((WaitCondition("done", awaited, place), row.at.offset))
        if side is Side.PRODUCTION or not lanes:
            lanes.append((WaitCondition("born", awaited, None, side), row.offset))
        return lanes

    def _inputs(self) -> dict[Partition, int]:
        return self.input_ends or (self._progress.start.committed if self._progress.start else {})

    def bound(self, lane: WaitCondition) -> float:
        """Return the bound of a lane: rows with a threshold below it have waited long enough."""
        if lane.kind == "warm":
            return 1 if self._knows_warm_up() else 0
        if self.finished:
            return math.inf
        if lane.kind == "born":
            return self.born_below[lane.of, lane.side]
        if lane.kind == "done" and lane.input is not None:
            return self._done(lane.side).get(lane.input, 0)
        marks = [self.read_to_ms(lane.side)]
        if lane.kind == "joint":
            marks.append(self.read_to_ms(Side.PRODUCTION))
        return -math.inf if (mark := lowest(marks)) is None else mark - self._config.grace_ms + 1

    def frontier(self) -> float | None:
        """Return the event time to which all sides have been read, with records out of order by up to the grace."""
        if not self._knows_warm_up():
            return None
        if self.finished:
            return math.inf
        mark = lowest([self.read_to_ms(Side(n)) for n in range(len(self._places))])
        return None if mark is None else mark - self._config.grace_ms

    def read_to_ms(self, side: Side) -> int | None:
        """Return a side's watermark; if its partition is idle, that of the side's other partitions."""
        return highest(self.watermarks[side], self.idle_watermarks[side])

    def time_of_undated(self, side: Side) -> int | None:
        """Return the event time for a record without one: the time to which its side, or else another, has been read.

        Where no time decides, it is the wall clock's, by which the record would else wait too long. None while unknown.
        """
        known = [mark for n in range(len(self._places)) if (mark := self.read_to_ms(Side(n))) is not None]
        if known:
            own_ms = self.read_to_ms(side)
            return min(known) if own_ms is None else own_ms
        return None if self._by_time and not self.finished else self.last_read_ms

    def watermark(self) -> int | None:
        """Return the event time to which all sides have been read: the minimum of their watermarks."""
        return lowest(self.watermarks)

    def watermark_of_idle(self) -> int | None:
        """Return the `watermark` of an idle task: sides take the time of active partitions, less the grace."""
        window_ms, grace_ms = self._config.judge.window_ms, self._config.grace_ms
        taken = [None if mark is None else (mark - grace_ms) // window_ms * window_ms for mark in self.stated_ms]
        return lowest(list(map(highest, self.watermarks, taken)))

    def sides_that_must_progress(self, again: Collection[Side] = ()) -> frozenset[Side]:
        """Return the sides that must not all be paused: one must be read on, or no pending record is ever decided.

        A side that has answered all known inputs is left out; it has nothing more to bring. If all sides have, the set
        is empty, and little is left to read. If event time decides, only the sides with the lowest watermark count.
        Sides in `again` are re-read after a restart and always count.
        """
        sides = map(Side, range(len(self._places)))
        found = [one for one in sides if one in again or not self._has_answered(one)]
        if not self._by_time or not found:
            return frozenset(found)
        marks = {one: -math.inf if (mark := self.read_to_ms(one)) is None else mark for one in found}
        return frozenset(one for one, mark in marks.items() if mark == min(marks.values()))

    def _has_answered(self, side: Side) -> bool:
        """Return whether a side is done with all known inputs; in a bounded trial, with those within its bounds.

        A side without marks counts as done if it has been read to its end and no inputs come.
        """
        if not self._has_marks[side]:
            return self._still >= STILL_OBSERVATIONS and self.positions[side] >= self._ends[side]
        has_end, done = self._config.bounded or self._progress.until is not None, self._done(side)
        bounds = self._progress.bounds if has_end else {}
        ends = {place: min(end, bounds.get(place, end)) for place, end in self.input_ends.items()}
        return bool(ends) and all(done.get(place, 0) >= end for place, end in ends.items())

    def _knows_warm_up(self) -> bool:
        start = self._progress.start
        if start is None:
            return False
        by_time = self._config.production.group is None
        return not start.has_warm_up or by_time or self._progress.warm_ends is not None

    def is_warm_up(self, row: PendingRecord, side: Side = Side.PRODUCTION) -> bool | None:
        """Return whether an unpaired record belongs to the warm-up; None while that is unknown.

        A record that names its input is judged by the input. A record of an external candidate names none: it is
        warm-up below the end that its topic had when the job was done with the warm-up's inputs. Without such an end,
        its event time decides.
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
        if row.at is not None and (side is not Side.PRODUCTION or self._names_all_inputs):
            return False
        ends, place = self._progress.warm_ends, self._places[side]
        if self._config.production.group is not None and ends is None:
            return None
        if ends is not None and place in ends:
            return row.offset < ends[place]
        return start.floor_ms is not None and row.time_ms <= start.floor_ms + self._config.grace_ms

    def input_is_warm_up(self, coordinate: InputCoordinate) -> bool:
        """Return whether this input lies before the first input whose pairs count."""
        start = self._progress.start
        return start is not None and coordinate.offset < start.warm_below.get(self._input(coordinate), 0)

    def may_be_warm_up(self, rows: PendingColumns) -> bool:
        """Return whether any of these rows may be warm-up: by its input, or by the candidate's incomplete state."""
        start = self._progress.start
        if self._has_state and any(fields is not None and fields.warm for fields in rows.header_fields or ()):
            return True
        if start is None or not start.has_warm_up or rows.ats is None:
            return False
        return min(at.offset for at in rows.ats if at is not None) < max(start.warm_below.values())

    def _input(self, at: InputCoordinate) -> Partition:
        return Partition(self._config.inputs[at.topic], at.partition)
