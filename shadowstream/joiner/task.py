"""One task: an output partition of production and the same of the candidate, from reading to outcome.

Pure: batches, marks, observations and time come in; writes and offsets go out. `prepare` gives everything of one
transaction, `committed` says that it holds. How a record waits for its partner is the store's business (`pairing`,
`occurrence`, `many`), when it has waited long enough that of the `clocks`.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from shadowstream.compare.comparer import Comparing
from shadowstream.config import Config
from shadowstream.errors import RecordError, ShadowstreamBug
from shadowstream.joiner.accounting import conservation
from shadowstream.joiner.accounting.outcome_counts import Plainly
from shadowstream.joiner.completeness.marks_log import Done, Progress
from shadowstream.joiner.intake.equal_ids import meeting
from shadowstream.joiner.intake.repeat_outcome import ends_of_repeats
from shadowstream.joiner.intake.side_position import UNREAD_MS, SideState
from shadowstream.joiner.intake.unread_records import Unreadable
from shadowstream.joiner.matching.by_unique_id import Waiting
from shadowstream.joiner.matching.matches import Alone
from shadowstream.joiner.matching.spilled_values import Spill
from shadowstream.joiner.outcomes.corrections import Corrected, restored
from shadowstream.joiner.outcomes.resolve import Deciding
from shadowstream.joiner.pending_record import Row, Rows
from shadowstream.joiner.recovery import checkpoint, task_commit
from shadowstream.joiner.task_state import Sources, TaskState
from shadowstream.judge.verdict.identity_fit import no_id
from shadowstream.protocol.join_id import header
from shadowstream.protocol.marks import Counters
from shadowstream.records import ORIGIN_HEADER, Batch, Commit, Headers, Packed, Place, Side, Write, unpack_origin

MARKS_AGAIN_MAX = 10_000
"""So many marks a restart reads again for a task that has nothing to commit: a fraction of a second."""


class Task(TaskState):
    """See the head of this file."""

    def __init__(self, config: Config, revision: str, sources: Sources, progress: Progress, compare: Comparing) -> None:
        super().__init__(config, revision, sources, progress, compare)
        self._deciding = Deciding(self, compare)

    # ---------------------------------------------------------------- recovery

    def restore(self, side: Side, point: checkpoint.Checkpoint | None, start: int) -> None:
        """Begin a side at offset `start`, with what its commit announced (None: nothing committed yet)."""
        state = self.sides[side]
        state.high = state.committed_high = start if point is None else point.high
        state.announced = set() if point is None else set(point.pending)
        state.first = state.read_to = self.clocks.positions[side] = start
        # Deleted before anybody read them: how many records they were nobody knows, so the ledger stays open.
        state.lost = 0 if point is None else max(0, start - point.high)
        state.note_gone()
        self.sequence = max(self.sequence, 0 if point is None else point.sequence)
        if side is Side.PRODUCTION and point is not None and point.said_from:
            self.said_from = point.said_from - 1

    def restore_counts(self, record: dict[str, Any]) -> None:
        """The state record of the commit's sequence number (schemas/state.avsc)."""
        task_commit.restore_counts(self, record)
        self.diff_end = record["counts"].get("diff_from", 0)

    def restore_said(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Diff records of this task from `said_from` on, in topic order."""
        restored(self.said, rows, self.config, self.identity, self.said_from or 0)

    # ---------------------------------------------------------------- reading

    def read(self, side: Side, batch: Batch, now_ms: int) -> set[str]:
        """Take a batch of one side. Records below the committed high are recovered, not counted again.

        Where it holds revisions that no mark has named yet nothing is taken, and these are returned: every count of a
        revision must stand under one name. Nor is it where a `RegistryError` is raised, before anything is taken.
        """
        state = self.sides[side]
        if batch.offsets[0] < state.read_to:
            raise ShadowstreamBug(f"{batch.place}: offset {batch.offsets[0]} read again at {state.read_to}")
        removed = state.gaps(batch.offsets) if side in self.compacted else 0
        packed: Sequence[Packed | None] = ()
        if side is Side.SHADOW:
            packed = [None] * len(batch)
            if any(batch.headers):  # a job of its own writes none
                packed = [self.identity.packed(headers) for headers in batch.headers]
            unnamed = self.progress.unnamed({one.revision for one in packed if one is not None})
            if unnamed:
                return unnamed
        end = batch.offsets[-1] + 1
        if self.incarnation and any(packed):
            batch, packed = self._first_ones(state, batch, packed)
        if not len(batch):  # repeats, all of them
            self.routes.repeats_left_out()
            self._reached(side, end)
            return set()
        if batch.lost is not None:
            # No time of its own, so it moves none.
            batch = replace(batch, times_ms=[self.clocks.watermarks[side] or now_ms] * len(batch))
        batch, asides = self.asides.headed(side, batch)
        coordinates = self.identity.coordinates(side, batch, packed)
        # Before anything is taken: a schema may have to be waited for.
        ids = self.identity.ids(side, batch, coordinates)
        if batch.lost is not None:
            ids = [RecordError(batch.lost, reason="bounds") for _ in batch.offsets]
        state.read_to = end
        self.unread.add(side, removed)
        self.last_read_ms = now_ms
        if side is Side.SHADOW:
            self.routes.repeats_left_out()
        times, newest_ms = batch.times_ms, self.ahead.newest(batch.times_ms, now_ms)
        if newest_ms is not None and side not in self.copied and batch.lost is None:
            self._advance_watermark(side, newest_ms)
        if state.gone_ms == UNREAD_MS and batch.lost is None:
            state.gone_ms = min(times[0], self.ahead.limit_ms(now_ms))
        old = 0 if batch.offsets[0] >= state.high else sum(offset < state.high for offset in batch.offsets)
        state.read += len(batch) - old
        self.ahead.note(side, batch.offsets, times, old)
        if side is Side.SHADOW:
            self.routes.count(packed[old:])
        rows = self._rows(side, batch, times, (coordinates, asides), packed)
        repeats = ends_of_repeats(self.identity, state.seen, side, batch, ids, coordinates)
        shed = self.shedding.level > 0
        if old or repeats or shed or None in ids or self.config.identity.path or batch.lost is not None:
            ids, mask = self._kept(side, ids, rows, old, repeats)
            rows = rows.where(mask)
        if ids and old:
            self._deciding.put_off(self.store.match_columns(side, ids, rows))
        elif ids:
            self._deciding.take(self.store.match_columns(side, ids, rows))
        self._reached(side, state.read_to)
        return set()

    def _first_ones(
        self, state: SideState, batch: Batch, packed: Sequence[Packed | None]
    ) -> tuple[Batch, Sequence[Packed | None]]:
        """Without those outputs that a crash of the runner has repeated."""
        again = self.routes.repeats(packed, sum(offset < state.high for offset in batch.offsets))
        if not again:
            return batch, packed
        self.book.records[Side.SHADOW.word, "repeated"] += sum(batch.offsets[i] >= state.high for i in again)
        kept = [i for i in range(len(batch)) if i not in again]
        first_ones = Batch(
            batch.place,
            [batch.offsets[i] for i in kept],
            [batch.times_ms[i] for i in kept],
            [batch.keys[i] for i in kept],
            [batch.values[i] for i in kept],
            [batch.headers[i] for i in kept],
        )
        return first_ones, [packed[i] for i in kept]

    def _rows(
        self,
        side: Side,
        batch: Batch,
        times: Sequence[int],
        told: tuple[Sequence[Any] | None, Sequence[Any] | None],
        packed: Sequence[Packed | None],
    ) -> Rows:
        """`told`: what headers say, coordinates and asides."""
        revisions = [p.revision if p else None for p in packed] if any(packed) else None
        origins = None
        if side in self.copied:
            topic = self.topic if side is Side.PRODUCTION else self.config.candidate.topic or self.topic
            origins = [_origin(topic, headers) for headers in batch.headers]
        coordinates, asides = told
        return Rows(batch.offsets, times, batch.values, batch.keys, coordinates, revisions, origins, asides)

    def _kept(
        self, side: Side, ids: Sequence[Hashable], rows: Rows, old: int, repeats: Mapping[int, Plainly]
    ) -> tuple[list[Hashable], list[bool]]:
        """Ids of the rows that wait for a partner, and which these are; the others end here. Of those read again, the
        announced ones wait."""
        state, word, shed = self.sides[side], side.word, self.shedding.level > 0
        kept: tuple[list[Hashable], list[bool]] = ([], [])
        for i, (id_, offset) in enumerate(zip(ids, rows.offsets, strict=True)):
            waits = False
            if i >= old or offset in state.announced:
                state.announced.discard(offset)
                if isinstance(id_, RecordError):
                    self.unread.add(side, i >= old)
                    reason = f"{id_.reason}: {id_}"[:500]
                    if side is Side.SHADOW:
                        waits = True
                        kept[0].append(Unreadable(side, offset, reason))
                    else:
                        self.book.alone(side, rows.row(i), Plainly(f"undecodable_{word}", reason))
                elif id_ is None:
                    self.book.alone(side, rows.row(i), Plainly(f"unpairable_{word}", no_id(self.config, side)))
                elif shed and self.shedding.sheds(id_):
                    evict = self._deciding.evict if i >= old else self.backlog.evict
                    evict(Alone(side, rows.row(i), id_))
                elif i >= old and i in repeats:  # what waited before a restart waits again
                    self.book.alone(side, rows.row(i), repeats[i])
                else:
                    waits = True
                    kept[0].append(id_)
            kept[1].append(waits)
        return kept

    def end(self, side: Side, offset: int, now_ms: int) -> None:
        """A side has been read to its present end, control records included."""
        self.sides[side].ended_at = offset
        self._reached(side, max(offset, self.sides[side].read_to))
        self.last_read_ms = self.last_read_ms or now_ms

    def _reached(self, side: Side, position: int) -> None:
        state = self.sides[side]
        state.read_to = position
        self.clocks.positions[side] = position
        if position >= state.high:
            state.high = position
            if state.watermark_ms is not None:  # said before a restart, true again now that all is read again
                self._advance_watermark(side, state.watermark_ms)
                state.watermark_ms = None

    def _lost(self, side: Side, most: int) -> None:
        """Announced pending records that were deleted (retention) before they could be read again."""
        state, time_ms = self.sides[side], self.clocks.watermarks[side] or 0
        if state.read_to < state.high:
            return
        if state.announced and state.gone_ms is None:  # not from the log's beginning on, as compaction does it
            state.gone_ms = time_ms
        for offset in sorted(state.announced)[:most]:
            result = Plainly("evicted", "deleted from the source topic")
            self.book.alone(side, Row(offset, time_ms, None, None), result)
            state.announced.discard(offset)

    def _advance_watermark(self, side: Side, time_ms: int) -> None:
        before = self.clocks.watermarks[side]
        self.clocks.watermarks[side] = time_ms if before is None else max(before, time_ms)

    # ---------------------------------------------------------------- marks

    def mark(self, done: Done) -> None:
        """A done or end mark of the runner."""
        self.passed.add(done)

    def input_range(self, record: dict[str, Any]) -> None:
        """A range mark of one of `own_inputs`: count its inputs once."""
        place = Place(record["input_topic"], record["input_partition"])
        counters = Counters.of(record["counters"])
        if record["to_offset"] > self.inputs_counted.get(place, -1):
            for window in record["windows"]:
                self.book.inputs(window, record["revision"])
                self.inputs_read[str(place)] += window["read"]
            self.inputs_counted[place] = record["to_offset"]
        elif record["to_offset"] < self.inputs_counted[place]:
            return  # counted before a restart; the newest such mark still gives the ledger its line
        self.input_floors[place] = record["floor_ms"]
        ended, by_window = counters.ended(), self.inputs_read[str(place)]
        self.input_lines[place] = conservation.inputs_lines(str(place), counters.read, ended, by_window)

    # ---------------------------------------------------------------- deciding

    def settle(self, most: int = sys.maxsize) -> None:
        """Decide what can no longer find a partner; of all that may end at once about so much at most, the rest is
        left to the next (`behind`)."""
        for done in self.passed.advance(self.clocks.positions[Side.SHADOW]):
            self.routes.check(done)
        for side, copied in self.copied.items():
            if (time_ms := copied.passed(self.clocks.positions[side])) is not None:
                self._advance_watermark(side, time_ms)
        self.clocks.advance()
        for side in self.used_sides:
            self._lost(side, most)
        more_matches = False
        if not any(state.announced for state in self.sides):
            decided, more_matches = self.store.take_decidable(self.clocks, most)
            if self.identity.has_meanings:
                decided = meeting(decided)
            elif self.config.identity.kind == "occurrence":
                decided = self._deciding.untied(decided)
            self._deciding.take(decided)
        self._deciding.go_on(most)
        self._deciding.compare_pairs()
        lost = any(state.announced and state.read_to >= state.high for state in self.sides)
        self.behind = lost or more_matches or self.awaiting.behind or len(self.backlog) > 0
        watermark = self.clocks.watermark()
        if watermark is not None:
            self.said.expire(watermark - self.config.correctable_ms)
        bounds = self.progress.start.bounds if self.progress.start else {}
        self.complete = (
            self.clocks.finished()
            and not any(self.pending_count(side) for side in self.used_sides)
            and all(self.counted_to(place) >= bounds.get(place, 0) for place in self.own_inputs)
        )

    def fetched(self, place: Place, batch: Batch | None, gone: Iterable[int]) -> None:
        """Values wanted for corrections, read again; `gone` are offsets that retention has deleted."""
        if batch is not None:
            for found in self.corrections.fetched(batch, self.asides):
                self.backlog.correct(found)
        deleted = Plainly("evicted", "the corrected record was deleted from its topic")
        for one in self.corrections.gone(place, gone):
            self.backlog.correct(Corrected(one.said, one.pair(None), deleted))

    def shed_more(self) -> int:
        """Shed half of the identities that are left, from now on and of all that waits; how many records that ends.

        The next commit keeps the level, so that with the records it holds or is forgotten.
        """
        return self._deciding.shed() if self.shedding.step() else 0

    def spill(self, to: Spill, down_to: int) -> int:
        """Spill values of what waits until so many bytes are left in memory; how many bytes that were."""
        return self.store.spill(to, down_to) if isinstance(self.store, Waiting) else 0

    # ---------------------------------------------------------------- committing

    def entered(self) -> int:
        """How many records have ended since the last commit, or have met and are to be compared."""
        return self.book.records.total() + self._deciding.gathered()

    def compare_gathered(self) -> None:
        """Compare the pairs gathered so far."""
        self._deciding.compare_pairs()

    def prepare(self, now_ms: int, most: int = sys.maxsize) -> tuple[list[Write], list[Commit]]:
        """Everything of one transaction; empty where there is nothing new to say. `most`: see `settle`."""
        self.settle(most)
        words = task_commit.statement(self, now_ms), self.clocks.replays.snapshot(self.config.inputs)
        moved = any(state.high != state.committed_high for state in self.sides)
        marks = task_commit.marks_from(self)
        # Others go on and an idle task does not: it would have a restart read again all that was said since.
        behind = marks - self._committed_marks >= MARKS_AGAIN_MAX
        if not moved and not behind and not self.book.cells and words == self._committed_words:
            return [], []
        self._next_words, self._next_marks = words, marks
        sequence = self.sequence + 1
        offsets, overflow = task_commit.offsets(self, sequence)
        ending = self._deciding.scoring.end() if self.complete and not self.closed else []
        return [
            *(task_commit.stamped(self, sequence, write) for write in self.book.writes),
            *ending,
            task_commit.stats(self, sequence, words[0]),
            task_commit.state(self, sequence, overflow, offsets),
        ], offsets

    def committed(self) -> None:
        """The transaction of the last `prepare` has been committed."""
        self.sequence += 1
        self._committed_words, self._committed_marks = self._next_words, self._next_marks
        self.closed = bool(self._next_words[0]["complete"])
        for state in self.sides:
            state.committed_high = state.high
        self._deciding.keep_said(self.diff_end)
        if self.ahead.noted:
            for side in self.used_sides:
                self.ahead.keep(side, self.pending(side).tolist())
        self.book.clear()
        self.occurring.clear()


def _origin(topic: str, headers: Headers) -> tuple[Place, int] | None:
    """Where the original of a copy lies in its own topic."""
    raw = header(headers, ORIGIN_HEADER)
    if raw is None:
        return None
    try:
        partition, offset = unpack_origin(raw)
    except RecordError:  # no copy of ours: it stands for itself
        return None
    return Place(topic, partition), offset
