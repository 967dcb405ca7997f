"""When can a partner no longer come? The clocks of one task.

Missing (production's record waits) is decided by marks, without any time:

* The joiner reads E = end of production's outputs, *then* I = ends of the inputs. Every production output below
  E comes from an input below I (`born`). Once the runner is done to I on all inputs, and the shadow side has been
  read to the ends that its marks name, an output below E that still waits is missing.
* Where the production record names its input, it is missing once the runner is done beyond that very input.

Extra (a shadow record waits) is the mirror: C = production's committed inputs, *then* E = ends of its outputs. Under
``after_output`` production is done with every input below C once E is read. Otherwise the commits prove nothing by
themselves, and the grace is added; without a group only event time and grace remain, by the **minimum** of both
sides' watermarks. Why not the maximum: production at 12:00:00 waits, the candidate is 31 s behind and honest, grace
is 30 s. By the maximum (12:00:31 on production's side) the record is said missing one second before its partner
is read; by the minimum it waits until the candidate's own clock has passed it
(tests/joiner/test_clocks.py, test_a_candidate_that_is_behind_is_not_missing).
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from shadowstream.config import Config
from shadowstream.joiner.pairing import Row
from shadowstream.joiner.progress import Passed, Progress
from shadowstream.records import Coordinate, Place, Side

OBSERVATIONS_MAX = 1_000


class Born(NamedTuple):
    """Production outputs below `end` come from inputs below `inputs`."""

    end: int
    inputs: dict[Place, int]


class ProductionDone(NamedTuple):
    """Production has committed `inputs`; its outputs so far lie below `end`."""

    end: int
    inputs: dict[Place, int]


def _keep_few(queue: deque[Born] | deque[ProductionDone]) -> None:
    """Drop every other one beyond the bound: a later observation says the same, only later."""
    if len(queue) > OBSERVATIONS_MAX:
        kept = [one for i, one in enumerate(queue) if i % 2 == 0 or i == len(queue) - 1]
        queue.clear()
        queue.extend(kept)  # type: ignore[arg-type]  # the queue holds one kind, kept from itself


class Clocks:
    """What one task knows of both sides' progress. Positions are read positions, control records included."""

    def __init__(self, config: Config, progress: Progress, passed: Passed, production: Place, shadow: Place) -> None:
        self._config = config
        self._places = (production, shadow)
        self._progress = progress
        self._passed = passed
        self._born: deque[Born] = deque()
        self._production: deque[ProductionDone] = deque()
        self.input_ends: dict[Place, int] = {}
        self.born_below = 0
        self.production_done: dict[Place, int] = {}
        self._unended: deque[ProductionDone] = deque()
        self._production_ended: dict[Place, int] = {}
        self.positions = [0, 0]
        self.watermarks: list[int | None] = [None, None]

    def observe_born(self, end: int, inputs: dict[Place, int]) -> None:
        """A new born mark: `end` was read before `inputs`."""
        self.input_ends = inputs
        if not self._born or end > self._born[-1].end:
            self._born.append(Born(end, inputs))
            _keep_few(self._born)

    def observe_production(self, end: int, inputs: dict[Place, int]) -> None:
        """Production's committed offsets `inputs`, read before `end`."""
        self._production.append(ProductionDone(end, inputs))
        _keep_few(self._production)

    def advance(self) -> None:
        """Take what the positions have passed since the last call. `Passed` has been advanced before."""
        done = self._passed.offsets
        while self._born and all(done.get(place, 0) >= end for place, end in self._born[0].inputs.items()):
            self.born_below = max(self.born_below, self._born.popleft().end)
        while self._production and self._production[0].end <= self.positions[Side.PRODUCTION]:
            observed = self._production.popleft()
            for place, offset in observed.inputs.items():
                self.production_done[place] = max(self.production_done.get(place, 0), offset)
            self._unended.append(observed)
            _keep_few(self._unended)

    def production_ended(self, low: int) -> dict[Place, int]:
        """Inputs all of whose production outputs here have ended, given that every one below offset `low` has."""
        while self._unended and self._unended[0].end <= low:
            for place, offset in self._unended.popleft().inputs.items():
                self._production_ended[place] = max(self._production_ended.get(place, 0), offset)
        return self._production_ended

    def finished(self) -> bool:
        """Bounded run: both sides are done with every input, and everything they wrote has been read."""
        progress = self._progress
        if progress.start is None or not self._config.bounded or not progress.all_ended():
            return False
        bounds = progress.start.bounds
        return all(
            progress.ends[place].ends.get(self._places[Side.SHADOW], math.inf) <= self.positions[Side.SHADOW]
            and self.production_done.get(place, 0) >= bound
            for place, bound in bounds.items()
        )

    def shadow_is_done_with(self, row: Row) -> bool:
        """Whether no shadow record can come any more for this production record."""
        if row.offset < self.born_below:
            return True
        return row.at is not None and self._passed.offsets.get(self._input(row.at), 0) > row.at.offset

    def production_is_done_with(self, row: Row) -> bool:
        """Whether no production record can come any more for this shadow record."""
        if not self._config.production.group or row.at is None:
            return self._past_grace(row, self.watermark())
        if self.production_done.get(self._input(row.at), 0) <= row.at.offset:
            return False
        exact = self._config.production.commits == "after_output"
        return exact or self._past_grace(row, self.watermarks[Side.PRODUCTION])

    def watermark(self) -> int | None:
        """Event time to which both sides have been read: the minimum, see the head of this file."""
        production, shadow = self.watermarks
        return None if production is None or shadow is None else min(production, shadow)

    def _past_grace(self, row: Row, watermark: int | None) -> bool:
        return watermark is not None and watermark >= row.time_ms + self._config.grace_ms

    def is_warm_up(self, row: Row) -> bool | None:
        """Whether an unpaired production record belongs to the warm-up; None while nobody can tell."""
        start = self._progress.start
        if start is None:
            return None
        if not start.has_warm_up:
            return False
        if row.at is not None and self.input_is_warm_up(row.at):
            return True
        if self._config.production.group is None:
            return start.floor_ms is not None and row.time_ms <= start.floor_ms + self._config.grace_ms
        ends = self._progress.warm_ends
        return None if ends is None else row.offset < ends.get(self._places[Side.PRODUCTION], 0)

    def input_is_warm_up(self, coordinate: Coordinate) -> bool:
        """Whether this input lies before the point from which pairs count."""
        start = self._progress.start
        return start is not None and coordinate.offset < start.warm_below.get(self._input(coordinate), 0)

    def _input(self, at: Coordinate) -> Place:
        return Place(self._config.inputs[at.topic], at.partition)
