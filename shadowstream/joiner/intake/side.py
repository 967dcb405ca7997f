"""Intake of one side of a task: from a batch to columns of records with an id, ready to be matched.

The steps of `SideIntake.admit`, in order:

1. Refuse offsets that have been read. Return the revisions that no mark has announced yet: all counts of a revision
   must have the same full name.
2. Leave out the outputs that a crash of the runner has repeated (`redelivery`).
3. Read the ids, and the headers that are kept. If a schema is missing, `RegistryError` is raised here: the batch is
   not consumed and can be offered again.
4. Consume the batch: move the position and the watermark, count records and routes.
5. Find the records that get their outcome here: unreadable, without an id, shed, repeated. Records below
   ``accounted_to`` are re-read after a restart and not counted again: pending ones wait again, the others have ended.
"""

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from itertools import chain
from typing import Any, NamedTuple

from shadowstream.config import Config
from shadowstream.errors import RecordError, ShadowstreamBug
from shadowstream.future_dates import Ahead
from shadowstream.joiner.completeness.completeness import Completeness
from shadowstream.joiner.completeness.marks_log import MarksLog
from shadowstream.joiner.intake.dedupe import DedupeWindow
from shadowstream.joiner.intake.header_fields import HeaderFields, HeaderReader
from shadowstream.joiner.intake.redelivery import Redelivery
from shadowstream.joiner.intake.repeat_outcome import outcomes_of_repeats
from shadowstream.joiner.intake.side_position import UNREAD_MS, SidePosition
from shadowstream.joiner.intake.unread_records import UnreadableId, UnreadRecords
from shadowstream.joiner.matching.key_order import KeyOrder
from shadowstream.joiner.matching.load_shedding import LoadShedder
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.joiner.task_topics import TaskTopics
from shadowstream.native import library
from shadowstream.native.hashed import NOT_LAID, Hashed, LaidBatch, measured
from shadowstream.protocol.headers import ORIGIN_HEADER, PackedHeader, header, unpack_origin
from shadowstream.protocol.join_id import Identity, no_id
from shadowstream.protocol.outcomes import Outcome, Result, undecodable, unpairable
from shadowstream.records import Batch, Headers, InputCoordinate, Partition, Side

DELETED = Result(Outcome.EVICTED, "deleted from the source topic")


class EndedRecord(NamedTuple):
    """A record that ends at intake: `result`, or None if shed. `is_reread`: it was pending at the last commit."""

    row: PendingRecord
    id: Hashable
    result: Result | None
    is_reread: bool = False


class AdmittedBatch(NamedTuple):
    """The result of admitting a batch: the records to be matched (`columns`, `ids`) and the `ended` ones.

    `has_reread`: some records had been read before a restart. `redelivered`: the number of new records left out as
    repeats of a crash. If there are `unknown_revisions`, the batch was not consumed and can be offered again.
    """

    columns: PendingColumns | None = None
    ids: Sequence[Hashable] = ()
    ended: Sequence[EndedRecord] = ()
    has_reread: bool = False
    redelivered: int = 0
    unknown_revisions: Set[str] = frozenset()


class IntakeParts(NamedTuple):
    """The objects that the sides of one task share."""

    config: Config
    sources: TaskTopics
    identity: Identity
    header_reader: HeaderReader
    marks: MarksLog
    completeness: Completeness
    ahead: Ahead
    unread: UnreadRecords
    shedder: LoadShedder
    count_routes: Callable[[Sequence[PackedHeader | None]], None]
    """Called with the packed headers of new shadow records, to count them by input partition."""
    order: KeyOrder | None = None


class SideIntake:
    """The intake of one side of one task. Other stages read `position`; only this one moves it."""

    def __init__(self, side: Side, parts: IntakeParts) -> None:
        self._side, self._parts = side, parts
        self._kernel = library.state(parts.config.schemas.native).kernel
        self._dedupe = DedupeWindow(parts.config.identity.dedupe_span, kernel=self._kernel)
        self._redelivery = Redelivery(parts.config.inputs)
        self._is_copied = side in parts.sources.copied
        self._undated: list[tuple[PendingColumns, Sequence[Hashable]]] = []
        self.position = SidePosition()

    def admit(self, batch: Batch, now_ms: int) -> AdmittedBatch:
        """Admit a batch by the steps of the module's docstring."""
        side, parts, position = self._side, self._parts, self.position
        if batch.offsets[0] < position.read_to:
            raise ShadowstreamBug(f"{batch.place}: offset {batch.offsets[0]} read again at {position.read_to}")
        removed = position.gaps(batch.offsets) if side in parts.sources.compacted else 0
        packed = self._packed(batch)
        unknown = parts.marks.unnamed({one.revision for one in packed if one is not None})
        if unknown:
            return AdmittedBatch(unknown_revisions=unknown)
        end, redelivered = batch.offsets[-1] + 1, 0
        if parts.sources.incarnation and any(packed):
            batch, packed, redelivered = self._without_redelivered(batch, packed)
        if not len(batch):
            self._redelivery.accept()
            self._reach(end)
            return AdmittedBatch(redelivered=redelivered)
        time_ms = None
        if batch.lost is not None:
            # Its event times are unknown, so they must not move the watermark.
            time_ms = self._time_of_undated()
            batch = replace(batch, times_ms=[now_ms if time_ms is None else time_ms] * len(batch))
        batch, header_fields = parts.header_reader.headed(side, batch)
        coordinates = parts.identity.coordinates(side, batch, packed)
        ids = parts.identity.ids(side, batch, coordinates)
        if batch.lost is not None:
            ids = [RecordError(batch.lost, reason="bounds") for _ in batch.offsets]
        # From here on the batch is consumed: nothing below raises.
        position.read_to = end
        parts.unread.add(side, removed)
        self._redelivery.accept()
        reread = 0 if batch.offsets[0] >= position.accounted_to else self._reread(batch)
        self._take_times(batch, now_ms, reread)
        position.records_read += len(batch) - reread
        if side is Side.SHADOW:
            parts.count_routes(packed[reread:])
        rows = self._columns(batch, coordinates, header_fields, packed)
        rows.hashed, rows.measured = texts = self._laid(ids, batch.values)
        repeats = outcomes_of_repeats(parts.identity, self._dedupe, side, batch, ids, coordinates, texts)
        if parts.order is not None:
            to_reread = position.to_reread
            before = {offset for offset in batch.offsets[:reread] if offset not in to_reread}
            parts.order.read(side, batch.offsets, batch.keys, ids, repeats, before)
        ended: list[EndedRecord] = []
        has_ids = rows.hashed is not None or not (parts.config.identity.path or batch.lost is not None or None in ids)
        if reread or repeats or parts.shedder.level > 0 or not has_ids:
            ids, mask, ended = self._separated(ids, rows, reread, repeats)
            rows = rows.where(mask)
            rows.hashed, rows.measured = self._laid(ids, rows.values or ())
        self._reach(end)
        if ids and batch.lost is not None and time_ms is None:
            self._undated.append((rows, ids))
            ids = ()
        return AdmittedBatch(rows if ids else None, ids, ended, reread > 0, redelivered)

    def _laid(self, ids: Sequence[Hashable], values: Sequence[bytes | None]) -> LaidBatch:
        if self._kernel is None or not self._parts.identity.has_unique_texts:
            return NOT_LAID
        return LaidBatch(Hashed.of(ids, self._kernel), measured(values, self._kernel))

    def _time_of_undated(self) -> int | None:
        """Return the event time for unreadable records: the one that this side had reached before them."""
        completeness, before_ms = self._parts.completeness, self.position.restored_watermark_ms
        unknown = completeness.watermarks[self._side] is None and before_ms is not None
        return before_ms if unknown else completeness.time_of_undated(self._side)

    def take_dated(self, now_ms: int | None = None) -> list[tuple[PendingColumns, Sequence[Hashable]]]:
        """Return rows and ids that waited for an event time, once it is known, or in any case with `now_ms`."""
        if not self._undated:
            return []
        time_ms = self._time_of_undated()
        if (time_ms := now_ms if time_ms is None else time_ms) is None:
            return []
        dated, self._undated = self._undated, []
        return [(PendingColumns(rows.offsets, [time_ms] * len(rows), *rows.columns[2:]), ids) for rows, ids in dated]

    def offsets(self) -> Iterator[int]:
        """Return the pending offsets that cannot be matched yet: without an event time, or not read again."""
        return chain(self.position.to_reread, *(rows.offsets for rows, _ in self._undated))

    def count(self) -> int:
        reread = len(self.position.to_reread)
        return reread + sum(len(ids) for _, ids in self._undated) if self._undated else reread

    def _packed(self, batch: Batch) -> Sequence[PackedHeader | None]:
        """Return the packed header of each record; nothing if no record has headers."""
        if self._side is not Side.SHADOW:
            return ()
        if not any(batch.headers):  # an external candidate writes none
            return ()
        return [self._parts.identity.packed(headers) for headers in batch.headers]

    def _reread(self, batch: Batch) -> int:
        return sum(offset < self.position.accounted_to for offset in batch.offsets)

    def _without_redelivered(
        self, batch: Batch, packed: Sequence[PackedHeader | None]
    ) -> tuple[Batch, Sequence[PackedHeader | None], int]:
        """Leave out the outputs that a crash of the runner has repeated; return also the number of new ones."""
        repeats = self._redelivery.find(packed, self._reread(batch))
        if not repeats:
            return batch, packed, 0
        kept = [i for i in range(len(batch)) if i not in repeats]
        columns: list[Sequence[Any]] = [batch.offsets, batch.times_ms, batch.keys, batch.values, batch.headers, packed]
        offsets, times_ms, keys, values, headers, kept_packed = ([column[i] for i in kept] for column in columns)
        new = sum(batch.offsets[i] >= self.position.accounted_to for i in repeats)
        return Batch(batch.place, offsets, times_ms, keys, values, headers), kept_packed, new

    def _take_times(self, batch: Batch, now_ms: int, reread: int) -> None:
        """Move the watermark by the event times of a batch; its first `reread` records have been counted before."""
        parts, position = self._parts, self.position
        parts.completeness.last_read_ms = now_ms
        latest_ms = max(batch.times_ms)
        newest_ms: int | None = latest_ms
        if latest_ms > parts.ahead.limit_ms(now_ms):
            newest_ms = parts.ahead.newest(batch.times_ms, now_ms)
            parts.ahead.note(self._side, batch.offsets, batch.times_ms, reread)
        if newest_ms is not None and not self._is_copied and batch.lost is None:
            parts.completeness.advance_watermark(self._side, newest_ms)
        if position.retention_gap_until_ms == UNREAD_MS and batch.lost is None:
            position.retention_gap_until_ms = min(batch.times_ms[0], parts.ahead.limit_ms(now_ms))

    def _columns(
        self,
        batch: Batch,
        coordinates: Sequence[InputCoordinate | None] | None,
        header_fields: Sequence[HeaderFields] | None,
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
    ) -> tuple[list[Hashable], list[bool], list[EndedRecord]]:
        """Separate the records that end here from others; of the `reread` first ones only pending ones take part."""
        parts, side, to_reread = self._parts, self._side, self.position.to_reread
        sheds = parts.shedder.sheds if parts.shedder.level > 0 else None
        kept: list[Hashable] = []
        mask: list[bool] = []
        ended: list[EndedRecord] = []
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
                        kept.append(UnreadableId(side, offset, reason))
                    else:
                        ended.append(EndedRecord(rows.row(i), id_, Result(undecodable(side), reason)))
                elif id_ is None:
                    reason = no_id(parts.config, side)
                    ended.append(EndedRecord(rows.row(i), id_, Result(unpairable(side), reason)))
                elif sheds is not None and sheds(id_):
                    ended.append(EndedRecord(rows.row(i), id_, None, not is_new))
                elif is_new and i in repeats:  # a pending record is pending again after a restart
                    ended.append(EndedRecord(rows.row(i), id_, repeats[i]))
                else:
                    matched = True
                    kept.append(id_)
            mask.append(matched)
        return kept, mask, ended

    def end(self, offset: int, now_ms: int) -> None:
        """Note that the side has been read to its present end, control records included."""
        self.position.end_seen = offset
        self._reach(max(offset, self.position.read_to))
        self._parts.completeness.last_read_ms = self._parts.completeness.last_read_ms or now_ms

    def _reach(self, offset: int) -> None:
        position, completeness = self.position, self._parts.completeness
        position.read_to = offset
        completeness.positions[self._side] = offset
        if offset >= position.accounted_to:
            position.accounted_to = offset
            if position.restored_watermark_ms is not None:  # valid again, now that all records are re-read
                completeness.advance_watermark(self._side, position.restored_watermark_ms)
                position.restored_watermark_ms = None

    @property
    def has_deleted(self) -> bool:
        """Whether retention deleted pending records before they could be read again."""
        return bool(self.position.to_reread) and self.position.is_reread

    def take_deleted(self, limit: int) -> list[EndedRecord]:
        """Remove and return pending records that retention has deleted, at most `limit`."""
        position, time_ms = self.position, self._parts.completeness.watermarks[self._side] or 0
        if not self.has_deleted:
            return []
        if position.retention_gap_until_ms is None:  # deleted in the middle, by compaction
            position.retention_gap_until_ms = time_ms
        offsets = sorted(position.to_reread)[:limit]
        position.to_reread.difference_update(offsets)
        return [EndedRecord(PendingRecord(offset, time_ms, None, None), None, DELETED) for offset in offsets]

    def begin(self, start: int, accounted_to: int | None = None, pending: Collection[int] = ()) -> None:
        """Begin at offset `start`, with the content of the last commit; `accounted_to` is None without a commit."""
        self.position.begin(start, accounted_to, pending)
        self._parts.completeness.positions[self._side] = start

    def snapshot(self) -> dict[str, int]:
        counts = self.position.snapshot(self._side.word, self._parts.completeness.watermarks[self._side])
        counts.update(self._redelivery.snapshot())
        return counts

    def restore(self, counts: Mapping[str, int]) -> None:
        """Take the counts of the state record; `begin` must have been called before."""
        self.position.restore(self._side.word, counts)
        if self.position.restored_watermark_ms is not None:
            self._parts.ahead.reached(self.position.restored_watermark_ms)
        if self._side is Side.SHADOW:
            self._redelivery.restore(counts)


def _origin(topic: str, headers: Headers) -> tuple[Partition, int] | None:
    """Return the partition and offset of a copy's original in its own topic; None if the record is no copy."""
    raw = header(headers, ORIGIN_HEADER)
    if raw is None:
        return None
    try:
        partition, offset = unpack_origin(raw)
    except RecordError:  # not written by the copier
        return None
    return Partition(topic, partition), offset
