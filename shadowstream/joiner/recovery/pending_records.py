"""The pending records of a task, wherever they wait: they are in every commit, so that a restart reads them again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

from shadowstream.joiner.intake.side import SideIntake
from shadowstream.joiner.matching.matches import Store
from shadowstream.joiner.outcomes.awaited_schemas import AwaitedSchemas
from shadowstream.joiner.outcomes.corrections import Corrections
from shadowstream.joiner.outcomes.deferred import Backlog
from shadowstream.records import Side


class PendingRecords:
    """Pending in the store, as corrections, for a schema, deferred to a later commit, or not read again yet.

    What awaits a schema counts among the totals of the store.
    """

    def __init__(
        self,
        store: Store,
        corrections: Corrections,
        awaiting: AwaitedSchemas,
        deferred: Backlog,
        sides: Sequence[SideIntake],
    ) -> None:
        self._store, self._corrections, self._awaiting, self._deferred = store, corrections, awaiting, deferred
        self._sides = sides

    def offsets(self, side: Side) -> npt.NDArray[np.int64]:
        """Offsets of a side that are pending, in order; those included that have not been read again."""
        stages = (self._store, self._corrections, self._awaiting, self._deferred)
        pending: Iterator[int] = chain.from_iterable(stage.offsets(side) for stage in stages)
        return np.sort(np.fromiter(chain(pending, self._sides[side].position.to_reread), dtype=np.int64))

    def count(self, side: Side) -> int:
        """Count the pending records of a side, without looking at each."""
        return self.in_memory(side) + self._corrections.count(side) + len(self._sides[side].position.to_reread)

    def in_memory(self, side: Side) -> int:
        """Count the pending records of a side whose values are held."""
        return self._store.held.records[side] + self._deferred.held.records[side]

    def floors_ms(self) -> list[int]:
        """Starts of the lowest event-time windows that hold pending records."""
        floors = (self._store.held.floor_ms(), self._deferred.held.floor_ms())
        return [floor for floor in floors if floor is not None]

    def has_waiting(self) -> bool:
        """Whether anything waits that has been read."""
        return any(self._store.held.records) or len(self._corrections) > 0 or len(self._deferred) > 0
