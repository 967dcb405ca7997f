"""Late records that correct what was said: they wait until the value of the corrected record has been read again."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from shadowstream.config import Config
from shadowstream.joiner.accounting.correctable import MAY_BE_UNREAD, CorrectableRow, CorrectableRows, is_correctable
from shadowstream.joiner.intake.header_fields import HeaderFields, HeaderReader
from shadowstream.joiner.matching.matches import Pair, ShedRule
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.protocol.headers import text_coordinate
from shadowstream.protocol.join_id import Identity
from shadowstream.protocol.outcomes import Result
from shadowstream.records import Batch, Partition, Side


class Correction(NamedTuple):
    """A late row, what it corrects and the id of both; of a late production row the twin's row that it met."""

    earlier: CorrectableRow
    late: PendingRecord
    id: Hashable
    twin: PendingRecord | None = None

    def pair(self, value: bytes | None, header_info: HeaderFields | None = None) -> Pair:
        """The pair, given the corrected record's value and what its headers said."""
        earlier = self.earlier
        first = PendingRecord(
            earlier.offset,
            earlier.time_ms,
            value,
            earlier.key,
            earlier.at,
            None,
            (earlier.place, earlier.offset),
            header_info,
        )
        both = (first, self.late) if earlier.side is Side.PRODUCTION else (self.late, first)
        return Pair(*both, self.twin, False, earlier.id)


class Corrected(NamedTuple):
    """A correction whose values are there. `result` where one of them will not come: what it ends as."""

    earlier: CorrectableRow
    pair: Pair
    result: Result | None = None


class Corrections:
    """The corrections of one task that wait for a value."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[Partition, int], Correction] = {}
        self._read: set[tuple[Partition, int]] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, correction: Correction) -> None:
        """Want the value of the corrected record."""
        self._waiting[correction.earlier.place, correction.earlier.offset] = correction

    def wanted(self) -> dict[Partition, list[int]]:
        """Offsets to be read again, by place, in order."""
        found: dict[Partition, list[int]] = {}
        for place, offset in sorted(self._waiting.keys() - self._read):
            found.setdefault(place, []).append(offset)
        return found

    def floor(self) -> int | None:
        """Offset of the diff partition from which on every row corrected here stands; None where nothing waits."""
        return min((one.earlier.floor for one in self._waiting.values()), default=None)

    def fetched(self, batch: Batch, header_infos: HeaderReader) -> list[Corrected]:
        """What records read again make of corrections; each waits until `drop`: it may need a schema."""
        found = []
        side = next((one.earlier.side for at, one in self._waiting.items() if at[0] == batch.place), None)
        if side is None:
            return []
        batch, infos = header_infos.headed(side, batch)
        for i, (offset, value) in enumerate(zip(batch.offsets, batch.values, strict=True)):
            correction = self._waiting.get((batch.place, offset))
            if correction is not None:
                self._read.add((batch.place, offset))
                found.append(Corrected(correction.earlier, correction.pair(value, infos[i] if infos else None)))
        return found

    def drop(self, earlier: CorrectableRow) -> None:
        """The correction of this row has been entered."""
        del self._waiting[earlier.place, earlier.offset]
        self._read.discard((earlier.place, earlier.offset))

    def waits(self, earlier: CorrectableRow) -> bool:
        """Whether the correction of this row has not been entered yet."""
        return (earlier.place, earlier.offset) in self._waiting

    def gone(self, place: Partition, offsets: Iterable[int]) -> list[Correction]:
        """Records that can no longer be read: they are not wanted any more, and their corrections wait until `drop`."""
        found = [one for offset in offsets if (one := self._waiting.get((place, offset))) is not None]
        return self._unwanted(found)

    def shed(self, sheds: ShedRule) -> list[Correction]:
        """The corrections of such ids: no value is wanted for them any more, and they wait until `drop`."""
        return self._unwanted([one for one in self._waiting.values() if sheds(one.id)])

    def _unwanted(self, found: list[Correction]) -> list[Correction]:
        self._read.update((one.earlier.place, one.earlier.offset) for one in found)
        return found

    def count(self, side: Side) -> int:
        """How many rows of a side wait here."""
        return sum(1 for _ in self.offsets(side))

    def offsets(self, side: Side) -> Iterator[int]:
        """Offsets of the rows of a side that wait here."""
        for one in self._waiting.values():
            if side is Side.TWIN:
                if one.twin is not None:
                    yield one.twin.offset
            elif one.earlier.side is not side:
                yield one.late.offset


def restored(
    kept: CorrectableRows, rows: Iterable[Mapping[str, Any]], config: Config, identity: Identity, floor: int
) -> None:
    """Fill `kept` from diff records of one task (schemas/diff.avsc) in topic order; the last row of a pair counts."""
    last: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        last.pop(row["pair_id"], None)
        last[row["pair_id"]] = row
    for row in last.values():
        side = Side.SHADOW if row["production"] is None else Side.PRODUCTION
        own = row[side.word]
        if own is None or not is_correctable(row["outcome"], row["reason"]):
            continue
        at = text_coordinate(row["input"].encode(), config.inputs) if row["input"] else None
        id_ = row["key"] if config.identity.kind in ("key", "occurrence") else row["id"]
        if identity.is_coordinate:
            id_ = None if at is None else identity.of_coordinate(at)
        kept.add(
            CorrectableRow(
                side,
                id_,
                Partition(own["topic"], own["partition"]),
                own["offset"],
                row["time_ms"],
                row["key"],
                at,
                row["revision"],
                row["pair_id"],
                floor,
                row["outcome"],
                row["reason"] in MAY_BE_UNREAD,
            )
        )
