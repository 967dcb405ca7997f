"""Corrections: late records that wait until the value of the corrected record has been read again."""

from collections.abc import Hashable, Iterable, Iterator
from typing import NamedTuple

from shadowstream.joiner.accounting.correctable import CorrectableRow
from shadowstream.joiner.intake.header_fields import HeaderReader
from shadowstream.joiner.matching.matches import Pair, ShedRule
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.protocol.outcomes import Result
from shadowstream.records import Batch, Partition, Side


class Correction(NamedTuple):
    """A late record and the earlier row that it corrects. `twin`: the twin's partner of a late production record."""

    earlier: CorrectableRow
    late: PendingRecord
    id: Hashable
    twin: PendingRecord | None = None

    def pair(self, first: PendingRecord | None) -> Pair:
        """Return the pair, given the corrected record as it was read again; None if it cannot be read any more."""
        earlier = self.earlier
        if first is None:
            origin = earlier.place, earlier.offset
            first = PendingRecord(earlier.offset, earlier.time_ms, None, earlier.key, earlier.at, None, origin)
        both = (first, self.late) if earlier.side is Side.PRODUCTION else (self.late, first)
        return Pair(*both, self.twin, False, earlier.id)


class FetchedCorrection(NamedTuple):
    """A correction with its values. `result`: the outcome if a value is unavailable for good."""

    earlier: CorrectableRow
    pair: Pair
    result: Result | None = None


class Corrections:
    """The corrections of one task that wait for a value. A correction waits until `drop`: it may also need a schema."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[Partition, int], Correction] = {}
        self._read: set[tuple[Partition, int]] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, correction: Correction) -> None:
        self._waiting[correction.earlier.place, correction.earlier.offset] = correction

    def wanted(self) -> dict[Partition, list[int]]:
        """Return the offsets to be read again, in order, by partition."""
        found: dict[Partition, list[int]] = {}
        for place, offset in sorted(self._waiting.keys() - self._read):
            found.setdefault(place, []).append(offset)
        return found

    def floor(self) -> int | None:
        """Return the lowest diff offset from which the rows to be corrected are stored; None if nothing waits."""
        return min([one.earlier.floor for one in self._waiting.values()], default=None)

    def fetched(self, batch: Batch, headers: HeaderReader) -> list[FetchedCorrection]:
        """Return the corrections whose records are in a batch that was read again."""
        side = next((one.earlier.side for at, one in self._waiting.items() if at[0] == batch.place), None)
        if side is None:
            return []
        found = []
        batch, infos = headers.headed(side, batch)
        for i, (offset, value) in enumerate(zip(batch.offsets, batch.values, strict=True)):
            correction = self._waiting.get((batch.place, offset))
            if correction is not None:
                self._read.add((batch.place, offset))
                earlier = correction.earlier
                # The key comes from the record: rows of diff show a hash of it, and its partner may have another.
                record = (offset, earlier.time_ms, value, batch.keys[i], earlier.at, None, (batch.place, offset))
                pair = correction.pair(PendingRecord(*record, infos[i] if infos else None))
                found.append(FetchedCorrection(earlier, pair))
        return found

    def drop(self, earlier: CorrectableRow) -> None:
        """Remove the correction of a row, because it has been counted."""
        del self._waiting[earlier.place, earlier.offset]
        self._read.discard((earlier.place, earlier.offset))

    def waits(self, earlier: CorrectableRow) -> bool:
        return (earlier.place, earlier.offset) in self._waiting

    def gone(self, place: Partition, offsets: Iterable[int]) -> list[Correction]:
        """Withdraw the requests for deleted records; return their corrections."""
        return self._withdrawn([one for offset in offsets if (one := self._waiting.get((place, offset))) is not None])

    def shed(self, sheds: ShedRule) -> list[Correction]:
        """Withdraw the requests for records with shed ids; return their corrections."""
        return self._withdrawn([one for one in self._waiting.values() if sheds(one.id)])

    def _withdrawn(self, found: list[Correction]) -> list[Correction]:
        self._read.update((one.earlier.place, one.earlier.offset) for one in found)
        return found

    def count(self, side: Side) -> int:
        return sum(1 for _ in self.offsets(side)) if self._waiting else 0

    def offsets(self, side: Side) -> Iterator[int]:
        for one in self._waiting.values():
            if side is Side.TWIN:
                if one.twin is not None:
                    yield one.twin.offset
            elif one.earlier.side is not side:
                yield one.late.offset
