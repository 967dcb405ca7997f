"""Intake of one side of a task: from a batch to columns of records with an id, ready to be matched.

The steps of `SideIntake.admit`, in order:

1. Refuse offsets that have been read. Return the revisions that no mark has announced yet: every count of a revision
   must stand under one name.
2. Leave out the outputs that a crash of the runner has repeated (`redelivery`).
3. Read what outlives the batch from the headers, and the ids. A schema may be missing: a `RegistryError` is raised
   before anything is taken, and the batch can be offered again.
4. Take the batch: move the position and the watermark, count records and routes.
5. Find the records that have their outcome here: unreadable, without an id, shed, repeated. Below ``accounted_to``
   records are recovered and not counted again: those that were pending wait again, the others have ended.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence, Set
from dataclasses import replace
from typing import NamedTuple, Protocol

from shadowstream.ahead import Ahead
from shadowstream.config import Config
from shadowstream.errors import RecordError, ShadowstreamBug
from shadowstream.joiner.completeness.marks_log import Progress
from shadowstream.joiner.intake.dedupe import DedupeWindow
from shadowstream.joiner.intake.header_fields import HeaderInfo, HeaderReader
from shadowstream.joiner.intake.redelivery import Redelivery
from shadowstream.joiner.intake.repeat_outcome import ends_of_repeats
from shadowstream.joiner.intake.side_position import UNREAD_MS, SidePosition
from shadowstream.joiner.intake.unread_records import Unread, Unreadable
from shadowstream.joiner.matching.load_shedding import LoadShedder
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.joiner.task_topics import Sources
from shadowstream.protocol.headers import ORIGIN_HEADER, PackedHeader, header, unpack_origin
from shadowstream.protocol.join_id import Identity, no_id
from shadowstream.protocol.outcomes import Outcome, Result, undecodable, unpairable
from shadowstream.records import Batch, Headers, InputCoordinate, Partition, Side

DELETED = Result(Outcome.EVICTED, "deleted from the source topic")


class Ended(NamedTuple):
    """A record that has its outcome at intake: `result`, or None where its id is shed.

    `is_reread`: it was pending at the last commit and has been read again.
    """

    row: PendingRecord
    id: Hashable
    result: Result | None
    is_reread: bool = False


class Admitted(NamedTuple):
    """What a batch brings.

    `columns` and `ids`: the records to be matched; None where there are none. `has_reread`: some of the batch had been
    read before a restart. `redelivered`: new records left out as repeats of a crash. Where there are
    `unknown_revisions` nothing has been taken, and the batch can be offered again.
    """

    columns: PendingColumns | None = None
    ids: Sequence[Hashable] = ()
    ended: Sequence[Ended] = ()
    has_reread: bool = False
    redelivered: int = 0
    unknown_revisions: Set[str] = frozenset()


class TaskClock(Protocol):
    """The event-time clock of one task, as its sides move it."""

    watermarks: list[int | None]
    last_read_ms: int

    def move(self, side: Side, position: int) -> None:
        """A side has been read to a position, control records included."""
        ...

    def advance_watermark(self, side: Side, time_ms: int) -> None:
        """A side has reached an event time."""
        ...


class IntakeParts(NamedTuple):
    """What the sides of one task share."""

    config: Config
    sources: Sources
    identity: Identity
    header_fields: HeaderReader
    marks: Progress
    clock: TaskClock
    ahead: Ahead
    unread: Unread
    shedder: LoadShedder
    count_routes: Callable[[Sequence[PackedHeader | None]], None]
    """Counts the candidate's records by input partition; of the shadow side only."""


class SideIntake:
    """One side of one task. `position` is read by other stages and moved by this one only."""

    def __init__(self, side: Side, parts: IntakeParts) -> None:
        self._side, self._parts = side, parts
        self._dedupe = DedupeWindow(parts.config.identity.dedupe_span)
        self._redelivery = Redelivery(parts.config.inputs)
        self._is_copied = side in parts.sources.copied
        self.position = SidePosition()

    # ---------------------------------------------------------------- reading

    def admit(self, batch: Batch, now_ms: int) -> Admitted:
        """Take a batch; see the head of this file."""
        side, parts, position = self._side, self._parts, self.position
        if batch.offsets[0] < position.read_to:
            raise ShadowstreamBug(f"{batch.place}: offset {batch.offsets[0]} read again at {position.read_to}")
        removed = position.gaps(batch.offsets) if side in parts.sources.compacted else 0
        packed = self._packed(batch)
        unknown = parts.marks.unnamed({one.revision for one in packed if one is not None})
        if unknown:
            return Admitted(unknown_revisions=unknown)
        end, redelivered = batch.offsets[-1] + 1, 0
        if parts.sources.incarnation and any(packed):
            batch, packed, redelivered = self._without_redelivered(batch, packed)
        if not len(batch):
            self._redelivery.accept()
            self._reach(end)
            return Admitted(redelivered=redelivered)
        if batch.lost is not None:
            # No time of its own, so it moves none.
            batch = replace(batch, times_ms=[parts.clock.watermarks[side] or now_ms] * len(batch))
        batch, header_fields = parts.header_fields.headed(side, batch)
        coordinates = parts.identity.coordinates(side, batch, packed)
        ids = parts.identity.ids(side, batch, coordinates)
        if batch.lost is not None:
            ids = [RecordError(batch.lost, reason="bounds") for _ in batch.offsets]
        # From here on the batch is taken: nothing below raises.
        position.read_to = end
        parts.unread.add(side, removed)
        self._redelivery.accept()
        reread = 0 if batch.offsets[0] >= position.accounted_to else self._reread(batch)
        self._take_times(batch, now_ms, reread)
        position.records_read += len(batch) - reread
        if side is Side.SHADOW:
            parts.count_routes(packed[reread:])
        rows = self._columns(batch, coordinates, header_fields, packed)
        repeats = ends_of_repeats(parts.identity, self._dedupe, side, batch, ids, coordinates)
        ended: list[Ended] = []
        has_ids = not (None in ids or parts.config.identity.path or batch.lost is not None)
        if reread or repeats or parts.shedder.level > 0 or not has_ids:
            ids, mask, ended = self._separated(ids, rows, reread, repeats)
            rows = rows.where(mask)
        self._reach(end)
        return Admitted(rows if ids else None, ids, ended, reread > 0, redelivered)

    def _packed(self, batch: Batch) -> Sequence[PackedHeader | None]:
        if self._side is not Side.SHADOW:
            return ()
        if not any(batch.headers):  # a job of its own writes none
            return [None] * len(batch)
        return [self._parts.identity.packed(headers) for headers in batch.headers]

    def _reread(self, batch: Batch) -> int:
        """Count the records of a batch that had been read before a restart."""
        return sum(offset < self.position.accounted_to for offset in batch.offsets)

    def _without_redelivered(
        self, batch: Batch, packed: Sequence[PackedHeader | None]
    ) -> tuple[Batch, Sequence[PackedHeader | None], int]:
        """Leave out the outputs that a crash of the runner has repeated; return also how many of them are new."""
        repeats = self._redelivery.find(packed, self._reread(batch))
        if not repeats:
            return batch, packed, 0
        kept = [i for i in range(len(batch)) if i not in repeats]
        first_ones = Batch(
            batch.place,
            [batch.offsets[i] for i in kept],
            [batch.times_ms[i] for i in kept],
            [batch.keys[i] for i in kept],
            [batch.values[i] for i in kept],
            [batch.headers[i] for i in kept],
        )
        new = sum(batch.offsets[i] >= self.position.accounted_to for i in repeats)
        return first_ones, [packed[i] for i in kept], new

    def _take_times(self, batch: Batch, now_ms: int, reread: int) -> None:
        """Move the watermark by the event times of a batch; its first `reread` records have been counted before."""
        parts, position = self._parts, self.position
        parts.clock.last_read_ms = now_ms
        newest_ms = parts.ahead.newest(batch.times_ms, now_ms)
        if newest_ms is not None and not self._is_copied and batch.lost is None:
            parts.clock.advance_watermark(self._side, newest_ms)
        if position.retention_gap_until_ms == UNREAD_MS and batch.lost is None:
            position.retention_gap_until_ms = min(batch.times_ms[0], parts.ahead.limit_ms(now_ms))
        parts.ahead.note(self._side, batch.offsets, batch.times_ms, reread)

    def _columns(
        self,
        batch: Batch,
        coordinates: Sequence[InputCoordinate | None] | None,
        header_fields: Sequence[HeaderInfo] | None,
        packed: Sequence[PackedHeader | None],
    ) -> PendingColumns:
        revisions = [one.revision if one else None for one in packed] if any(packed) else None
        origins = None
        if self._is_copied:
            topic, candidate = self._parts.sources.topic, self._parts.config.candidate.topic
            topic = topic if self._side is Side.PRODUCTION else candidate or topic
            origins = [_origin(topic, headers) for headers in batch.headers]
        fields = (batch.keys, coordinates, revisions, origins, header_fields)
        return PendingColumns(batch.offsets, batch.times_ms, batch.values, *fields)

    def _separated(
        self, ids: Sequence[Hashable], rows: PendingColumns, reread: int, repeats: Mapping[int, Result]
    ) -> tuple[list[Hashable], list[bool], list[Ended]]:
        """Separate the records that have their outcome here from those to be matched: ids, which these are, the ended.

        Of the first `reread` records only those take part that were pending.
        """
        parts, side, to_reread = self._parts, self._side, self.position.to_reread
        sheds = parts.shedder.sheds if parts.shedder.level > 0 else None
        kept: list[Hashable] = []
        mask: list[bool] = []
        ended: list[Ended] = []
        for i, (id_, offset) in enumerate(zip(ids, rows.offsets, strict=True)):
            is_new = i >= reread
            matched = False
            if is_new or offset in to_reread:
                to_reread.discard(offset)
                if isinstance(id_, RecordError):
                    parts.unread.add(side, is_new)
                    reason = f"{id_.reason}: {id_}"[:500]
                    if side is Side.SHADOW:
                        matched = True
                        kept.append(Unreadable(side, offset, reason))
                    else:
                        ended.append(Ended(rows.row(i), id_, Result(undecodable(side), reason)))
                elif id_ is None:
                    reason = no_id(parts.config, side)
                    ended.append(Ended(rows.row(i), id_, Result(unpairable(side), reason)))
                elif sheds is not None and sheds(id_):
                    ended.append(Ended(rows.row(i), id_, None, not is_new))
                elif is_new and i in repeats:  # what was pending before a restart is pending again
                    ended.append(Ended(rows.row(i), id_, repeats[i]))
                else:
                    matched = True
                    kept.append(id_)
            mask.append(matched)
        return kept, mask, ended

    def end(self, offset: int, now_ms: int) -> None:
        """The side has been read to its present end, control records included."""
        self.position.end_seen = offset
        self._reach(max(offset, self.position.read_to))
        self._parts.clock.last_read_ms = self._parts.clock.last_read_ms or now_ms

    def _reach(self, offset: int) -> None:
        position, clock = self.position, self._parts.clock
        position.read_to = offset
        clock.move(self._side, offset)
        if offset >= position.accounted_to:
            position.accounted_to = offset
            if position.restored_watermark_ms is not None:  # true again, now that all is read again
                clock.advance_watermark(self._side, position.restored_watermark_ms)
                position.restored_watermark_ms = None

    # ---------------------------------------------------------------- retention

    @property
    def has_deleted(self) -> bool:
        """Whether pending records were deleted (retention) before they could be read again."""
        return bool(self.position.to_reread) and self.position.is_reread

    def take_deleted(self, limit: int) -> list[Ended]:
        """Remove and return pending records that retention has deleted, at most `limit`."""
        position, time_ms = self.position, self._parts.clock.watermarks[self._side] or 0
        if not self.has_deleted:
            return []
        if position.retention_gap_until_ms is None:  # not from the log's beginning on, as compaction does it
            position.retention_gap_until_ms = time_ms
        offsets = sorted(position.to_reread)[:limit]
        position.to_reread.difference_update(offsets)
        return [Ended(PendingRecord(offset, time_ms, None, None), None, DELETED) for offset in offsets]

    # ---------------------------------------------------------------- commit and restart

    def begin(self, start: int, accounted_to: int | None = None, pending: Collection[int] = ()) -> None:
        """Begin at offset `start`, with what the last commit says (`accounted_to` is None: nothing committed yet)."""
        self.position.begin(start, accounted_to, pending)
        self._parts.clock.move(self._side, start)

    def snapshot(self) -> dict[str, int]:
        """Counts for the state record."""
        counts = self.position.snapshot(self._side.word, self._parts.clock.watermarks[self._side])
        return counts | self._redelivery.snapshot()

    def restore(self, counts: Mapping[str, int]) -> None:
        """Take the counts of the state record; `begin` and the pending offsets came before."""
        self.position.restore(self._side.word, counts)
        if self.position.restored_watermark_ms is not None:
            self._parts.ahead.reached(self.position.restored_watermark_ms)
        if self._side is Side.SHADOW:
            self._redelivery.restore(counts)


def _origin(topic: str, headers: Headers) -> tuple[Partition, int] | None:
    """Return where the original of a copy lies in its own topic."""
    raw = header(headers, ORIGIN_HEADER)
    if raw is None:
        return None
    try:
        partition, offset = unpack_origin(raw)
    except RecordError:  # no copy of ours: it stands for itself
        return None
    return Partition(topic, partition), offset
