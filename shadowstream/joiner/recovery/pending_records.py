"""The pending records of a task in all its stages. Every commit holds them, so that a restart reads them again."""

from collections.abc import Sequence
from dataclasses import dataclass

from shadowstream.joiner.intake.side import SideIntake
from shadowstream.joiner.matching.matches import Store
from shadowstream.joiner.matching.pending_buffer import ColumnBuffer
from shadowstream.joiner.offset_spans import Spans
from shadowstream.joiner.outcomes.awaited_schemas import AwaitedSchemas
from shadowstream.joiner.outcomes.corrections import Corrections
from shadowstream.joiner.outcomes.deferred import Backlog
from shadowstream.joiner.outcomes.rechecks import Rechecks
from shadowstream.records import Side


@dataclass(frozen=True, slots=True)
class PendingRecords:
    """Pending records in the store (for a schema or a second answer too), in corrections, deferred, or at intake."""

    _store: Store
    _corrections: Corrections
    _awaiting: AwaitedSchemas
    _deferred: Backlog
    _rechecks: Rechecks
    _sides: Sequence[SideIntake]

    def buffer(self, side: Side) -> ColumnBuffer | None:
        """Return the buffer of the store, if it keeps one."""
        return self._store.buffer(side)

    def offsets(self, side: Side) -> Spans:
        if not self.count(side):  # so it is with most of many tasks
            return Spans()
        return Spans.union([Spans.of(self._store.offsets(side)), self.beside_store(side)])

    def beside_store(self, side: Side) -> Spans:
        """Return the pending offsets of all stages but the store."""
        stages = (self._corrections, self._awaiting, self._deferred, self._rechecks)
        pending = [stage.offsets(side) for stage in stages if len(stage)]
        if self._sides[side].count():
            pending.append(self._sides[side].offsets())
        return Spans.union(map(Spans.of, pending))

    def count(self, side: Side) -> int:
        """Count the pending records of a side from totals."""
        corrected = self._corrections.count(side) if len(self._corrections) else 0
        return self.in_memory(side) + corrected + self._sides[side].count()

    def in_memory(self, side: Side) -> int:
        """Count the pending records of a side whose values are kept."""
        return self._store.held.records[side] + self._deferred.held.records[side]

    def floors_ms(self) -> list[int]:
        floors = (self._store.held.floor_ms(), self._deferred.held.floor_ms())
        return [floor for floor in floors if floor is not None]

    def has_waiting(self) -> bool:
        counts = (*self._store.held.records, len(self._corrections), len(self._deferred))
        return any(counts) or any(one.count() for one in self._sides)
