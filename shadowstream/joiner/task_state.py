"""The state of one task: what it knows, shared by what reads, decides and commits."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shadowstream.ahead import Ahead
from shadowstream.compare.comparer import Comparing
from shadowstream.compare.redact import Redactor
from shadowstream.config import Config
from shadowstream.joiner.accounting import conservation
from shadowstream.joiner.accounting.correctable import Said as SaidStore
from shadowstream.joiner.accounting.outcome_counts import Book
from shadowstream.joiner.accounting.path_sightings import Occurring
from shadowstream.joiner.completeness.completeness import Clocks
from shadowstream.joiner.completeness.copied_time import CopiedTime
from shadowstream.joiner.completeness.marks_log import Passed, Progress
from shadowstream.joiner.intake.header_fields import Asides
from shadowstream.joiner.intake.side_position import SideState
from shadowstream.joiner.intake.unread_records import Unread
from shadowstream.joiner.matching.by_event_time import Occurrences
from shadowstream.joiner.matching.by_input import Groups
from shadowstream.joiner.matching.by_unique_id import Waiting
from shadowstream.joiner.matching.load_shedding import Shedding
from shadowstream.joiner.matching.matches import Store
from shadowstream.joiner.outcomes.awaited_schemas import Awaiting
from shadowstream.joiner.outcomes.corrections import Corrections
from shadowstream.joiner.outcomes.deferred import Backlog
from shadowstream.joiner.pending_record import Row
from shadowstream.protocol.join_id import Identity
from shadowstream.records import Place, Side


class Sources(NamedTuple):
    """What a task is made of: its name, its places by `Side`, the inputs that it counts, topics copied by us."""

    topic: str
    places: tuple[Place, ...]
    own_inputs: frozenset[Place]
    copied: frozenset[Side] = frozenset()

    @property
    def name(self) -> str:
        """Production's output topic and the partition."""
        return f"{self.topic}/{self.places[Side.PRODUCTION].partition}"


def _store(config: Config, sides: int, ahead: Ahead) -> Store:
    """The way of waiting that the identity asks for."""
    if config.identity.kind == "occurrence":
        return Occurrences(config.judge.window_ms, config.identity.tolerance_ms, ahead)
    if config.identity.outputs == "many":
        return Groups(config.judge.window_ms)
    return Waiting(config.judge.window_ms, sides)


class TaskState:
    """Everything that one task knows. What it does with it: `task`, `deciding`, `commits`."""

    def __init__(self, config: Config, revision: str, sources: Sources, progress: Progress, compare: Comparing) -> None:
        self.config, self.revision = config, revision
        self.name, self.places, self.own_inputs = sources.name, sources.places, sources.own_inputs
        self.progress = progress
        self.topic = sources.topic
        self.copied = {side: CopiedTime() for side in sources.copied}
        self.identity = Identity(config, compare.decode)
        self.asides = Asides(config, sources.topic)
        self.redactor = Redactor(config.compare.redact)
        self.ahead = Ahead(config.future_ms_max)
        self.store = _store(config, len(self.places), self.ahead)
        self.awaiting = Awaiting(self.store.held, compare)
        self.backlog = Backlog(config.judge.window_ms)
        self.book = Book(config, revision, self.name, self.places, progress)
        self.occurring = Occurring(config)
        self.said = SaidStore(config.limits.corrections_max)
        self.corrections = Corrections()
        self.shedding = Shedding()
        self.unread = Unread()
        self.compacted: frozenset[Side] = frozenset()
        """Sides whose topic is compacted: a gap in their offsets may be records that nobody has read."""
        self.passed = Passed(self.places[Side.SHADOW])
        self.clocks = Clocks(config, progress, self.passed, self.places, self.ahead)
        output = Place(sources.topic, self.places[Side.PRODUCTION].partition)
        self.routes = conservation.Routes(config.inputs, output, once=config.delivery == "exactly_once")
        self.sides = tuple(SideState(config.identity.dedupe_span) for _ in self.places)
        self.sequence = 0
        self.incarnation = ""
        self.inputs_counted: dict[Place, int] = {}
        self.input_floors: dict[Place, int | None] = {}
        self.inputs_read: Counter[str] = Counter()
        self.input_lines: dict[Place, list[dict[str, Any]]] = {}
        self.complete = False
        self.behind = False
        """Whether the last `settle` has left what the next one can decide at once."""
        self.last_read_ms = 0
        self.diff_end = 0
        self.said_from: int | None = None
        self.closed = False
        self._committed_words: Any = None
        self._committed_marks = self._next_marks = 0
        self._next_words: Any = None

    @property
    def used_sides(self) -> list[Side]:
        """The sides that there are."""
        return [Side(n) for n in range(len(self.places))]

    def may_be_gone(self, side: Side, row: Row) -> bool:
        """Whether the partner that a row lacks on a side may have been deleted before it was read: nobody knows."""
        gone_ms = self.sides[side].gone_ms
        return gone_ms is not None and row.time_ms <= gone_ms + self.config.grace_ms

    def awaited(self) -> frozenset[Side]:
        """Sides of which one must be read on, see `Clocks.awaited`; what is read again has not been answered here."""
        again = [side for side in self.used_sides if self.sides[side].read_to < self.sides[side].high]
        return self.clocks.awaited(again)

    def counted_to(self, place: Place) -> int:
        """Inputs of `place` below this offset have been counted, or lie before the trial's beginning."""
        start = self.progress.start
        begin = start.committed.get(place, 0) if start else 0
        return max(begin, self.inputs_counted.get(place, 0))

    def pending(self, side: Side) -> npt.NDArray[np.int64]:
        """Offsets that wait, announced ones that have not been read again included; in order."""
        waits = (one.offsets(side) for one in (self.store, self.corrections, self.awaiting, self.backlog))
        waiting = chain(*waits, self.sides[side].announced)
        return np.sort(np.fromiter(waiting, dtype=np.int64))

    def pending_count(self, side: Side) -> int:
        """How many wait, without looking at each."""
        held = self.store.held.records[side] + self.backlog.held.records[side]
        return held + self.corrections.count(side) + len(self.sides[side].announced)
