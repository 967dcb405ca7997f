"""Late records that correct what was said: they wait until the value of the corrected record has been read again."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from shadowstream.config import Config
from shadowstream.joiner.accounting.correctable import MAY_BE_UNREAD, Said, SaidRow, is_correctable
from shadowstream.joiner.intake.header_fields import Aside, Asides
from shadowstream.joiner.matching.matches import Pair, Sheds
from shadowstream.joiner.pending_record import Row
from shadowstream.protocol.headers import text_coordinate
from shadowstream.protocol.join_id import Identity
from shadowstream.protocol.outcomes import Result
from shadowstream.records import Batch, Place, Side


class Correction(NamedTuple):
    """A late row, what it corrects and the id of both; of a late production row the twin's row that it met."""

    said: SaidRow
    late: Row
    id: Hashable
    twin: Row | None = None

    def pair(self, value: bytes | None, aside: Aside | None = None) -> Pair:
        """The pair, given the corrected record's value and what its headers said."""
        said = self.said
        first = Row(said.offset, said.time_ms, value, said.key, said.at, None, (said.place, said.offset), aside)
        both = (first, self.late) if said.side is Side.PRODUCTION else (self.late, first)
        return Pair(*both, self.twin, False, said.id)


class Corrected(NamedTuple):
    """A correction whose values are there. `result` where one of them will not come: what it ends as."""

    said: SaidRow
    pair: Pair
    result: Result | None = None


class Corrections:
    """The corrections of one task that wait for a value."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[Place, int], Correction] = {}
        self._read: set[tuple[Place, int]] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, correction: Correction) -> None:
        """Want the value of the corrected record."""
        self._waiting[correction.said.place, correction.said.offset] = correction

    def wanted(self) -> dict[Place, list[int]]:
        """Offsets to be read again, by place, in order."""
        found: dict[Place, list[int]] = {}
        for place, offset in sorted(self._waiting.keys() - self._read):
            found.setdefault(place, []).append(offset)
        return found

    def floor(self) -> int | None:
        """Offset of the diff partition from which on every row corrected here stands; None where nothing waits."""
        return min((one.said.floor for one in self._waiting.values()), default=None)

    def fetched(self, batch: Batch, asides: Asides) -> list[Corrected]:
        """What records read again make of corrections; each waits until `drop`: it may need a schema."""
        found = []
        side = next((one.said.side for at, one in self._waiting.items() if at[0] == batch.place), None)
        if side is None:
            return []
        batch, told = asides.headed(side, batch)
        for i, (offset, value) in enumerate(zip(batch.offsets, batch.values, strict=True)):
            correction = self._waiting.get((batch.place, offset))
            if correction is not None:
                self._read.add((batch.place, offset))
                found.append(Corrected(correction.said, correction.pair(value, told[i] if told else None)))
        return found

    def drop(self, said: SaidRow) -> None:
        """The correction of this row has been entered."""
        del self._waiting[said.place, said.offset]
        self._read.discard((said.place, said.offset))

    def waits(self, said: SaidRow) -> bool:
        """Whether the correction of this row has not been entered yet."""
        return (said.place, said.offset) in self._waiting

    def gone(self, place: Place, offsets: Iterable[int]) -> list[Correction]:
        """Records that can no longer be read: they are not wanted any more, and their corrections wait until `drop`."""
        found = [one for offset in offsets if (one := self._waiting.get((place, offset))) is not None]
        return self._unwanted(found)

    def shed(self, sheds: Sheds) -> list[Correction]:
        """The corrections of such ids: no value is wanted for them any more, and they wait until `drop`."""
        return self._unwanted([one for one in self._waiting.values() if sheds(one.id)])

    def _unwanted(self, found: list[Correction]) -> list[Correction]:
        self._read.update((one.said.place, one.said.offset) for one in found)
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
            elif one.said.side is not side:
                yield one.late.offset


def restored(said: Said, rows: Iterable[Mapping[str, Any]], config: Config, identity: Identity, floor: int) -> None:
    """Fill `said` from diff records of one task (schemas/diff.avsc) in topic order; the last word of a pair counts."""
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
        said.add(
            SaidRow(
                side,
                id_,
                Place(own["topic"], own["partition"]),
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
