"""One task: an output partition of production and the same of the candidate, from reading to outcome.

Pure: batches, marks, observations and time come in; writes and offsets go out. `prepare` gives everything of one
transaction, `committed` says that it holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import ShadowstreamBug
from shadowstream.joiner import checkpoint, ledgers
from shadowstream.joiner.book import Book, WarmUp
from shadowstream.joiner.clocks import Clocks
from shadowstream.joiner.identity import Identity
from shadowstream.joiner.pairing import Pair, Row, Waiting
from shadowstream.joiner.progress import Done, Passed, Progress
from shadowstream.joiner.side import SideState
from shadowstream.records import Batch, Commit, Packed, Place, Side, Write
from shadowstream.runner.marks import Counters

COMPARE_AT = 4_096
Compare = Callable[[Sequence["bytes | None"], Sequence["bytes | None"]], Sequence[Any]]
"""Values of production and shadow to one result a pair: `.outcome`, `.differences`, `.reason`."""


class Task:
    """See the head of this file. `own_inputs` are the input partitions whose inputs this task counts."""

    def __init__(
        self,
        config: Config,
        revision: str,
        places: tuple[Place, Place],
        progress: Progress,
        compare: Compare,
        own_inputs: frozenset[Place],
    ) -> None:
        self.config, self.revision, self.places = config, revision, places
        self.progress, self.compare, self.own_inputs = progress, compare, own_inputs
        self.identity = Identity(config)
        self.waiting = Waiting(config.judge.window_ms)
        self.book = Book(config, revision, places)
        self.passed = Passed(places[Side.SHADOW])
        self.clocks = Clocks(config, progress, self.passed, *places)
        self.routes = ledgers.Routes(config.inputs, places[Side.PRODUCTION])
        self.sides = (SideState(), SideState())
        self.sequence = 0
        self.inputs_counted: dict[Place, int] = {}
        self.input_floors: dict[Place, int | None] = {}
        self.inputs_read: Counter[str] = Counter()
        self.input_lines: dict[Place, list[dict[str, Any]]] = {}
        self.complete = False
        self.last_read_ms = 0
        self.clamped = 0
        self._pairs: list[Pair] = []
        self.closed = False
        self._said: Any = None
        self._next: Any = None

    # ---------------------------------------------------------------- recovery

    def restore(self, side: Side, point: checkpoint.Checkpoint | None, start: int) -> None:
        """Begin a side at offset `start`, with what its commit announced (None: nothing committed yet)."""
        state = self.sides[side]
        state.high = state.committed_high = start if point is None else point.high
        state.announced = set() if point is None else set(point.pending)
        state.read_to = self.clocks.positions[side] = start
        self.sequence = max(self.sequence, 0 if point is None else point.sequence)

    def restore_counts(self, record: dict[str, Any]) -> None:
        """The state record of the commit's sequence number (schemas/state.avsc)."""
        counts: dict[str, int] = record["counts"]
        for side in Side:
            self.sides[side].read = counts.get(f"read:{side.word}", 0)
            self.book.ended[side] = counts.get(f"ended:{side.word}", 0)
            self.sides[side].watermark_ms = counts.get(f"watermark_ms:{side.word}")
            text = record["overflow"].get(side.word)
            if text is not None:
                self.sides[side].announced = set(checkpoint.pending_of(text))
        self.routes.restore(counts)
        for name, value in counts.items():
            if name.startswith("inputs:"):
                self.inputs_read[name.removeprefix("inputs:")] = value
        for text, offset in record["inputs_counted"].items():
            topic, _, partition = text.rpartition("/")
            self.inputs_counted[Place(topic, int(partition))] = offset

    # ---------------------------------------------------------------- reading

    def read(self, side: Side, batch: Batch, now_ms: int) -> None:
        """Take a batch of one side. Records below the committed high are recovered, not counted again."""
        state = self.sides[side]
        if batch.offsets[0] < state.read_to:
            raise ShadowstreamBug(f"{batch.place}: offset {batch.offsets[0]} read again at {state.read_to}")
        state.read_to = batch.offsets[-1] + 1
        self.last_read_ms = now_ms
        packed: Sequence[Packed | None] = ()
        if side is Side.SHADOW:
            packed = [self.identity.packed(headers) for headers in batch.headers]
        times = self._times(batch.times_ms, now_ms)
        self._advance_watermark(side, times)
        new = len(batch)
        if batch.offsets[0] < state.high:
            batch, times, packed, new = self._recover(state, batch, times, packed)
        state.read += new
        if side is Side.SHADOW and new:
            self.routes.count(packed[len(packed) - new :])
        if len(batch):
            self._match(side, batch, times, packed)
        self._reached(side, state.read_to)

    def _match(self, side: Side, batch: Batch, times: Sequence[int], packed: Sequence[Packed | None]) -> None:
        ids = self.identity.ids(side, batch, packed)
        plain = zip(batch.offsets, times, batch.values, batch.keys, strict=True)
        rows: Sequence[Row]
        if side is Side.SHADOW:
            rows = [Row(*c, p.coordinate, p.revision) if p else Row(*c) for c, p in zip(plain, packed, strict=True)]
        elif self.identity.is_coordinate:
            rows = [Row(*columns, at) for columns, at in zip(plain, ids, strict=True)]  # type: ignore[arg-type]  # ids are coordinates here
        else:
            rows = [Row(*columns) for columns in plain]
        if None in ids:
            for id_, row in zip(ids, rows, strict=True):
                if id_ is None:
                    self.book.single(side, row, f"unpairable_{side.word}", self._no_id(side))
            kept = [(id_, row) for id_, row in zip(ids, rows, strict=True) if id_ is not None]
            ids, rows = [id_ for id_, _ in kept], [row for _, row in kept]
        pairs, duplicates = self.waiting.match(side, ids, rows)
        for row in duplicates:
            self.book.single(side, row, f"duplicate_{side.word}")
        self._pairs += pairs
        if len(self._pairs) >= COMPARE_AT:
            self.compare_pairs()

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
            if state.announced:
                self._lost(side, state)
            if state.watermark_ms is not None:  # said before a restart, true again now that all is read again
                self._advance_watermark(side, (state.watermark_ms,))
                state.watermark_ms = None

    def _lost(self, side: Side, state: SideState) -> None:
        """Announced pending records that were deleted (retention) before they could be read again."""
        time_ms = self.clocks.watermarks[side] or 0
        for offset in sorted(state.announced):
            self.book.single(side, Row(offset, time_ms, None, None), "evicted", "deleted from the source topic")
        state.announced.clear()

    def _recover(
        self, state: SideState, batch: Batch, times: Sequence[int], packed: Sequence[Packed | None]
    ) -> tuple[Batch, Sequence[int], Sequence[Packed | None], int]:
        """Of a batch below `high`, keep what was announced as pending and what is new; returns how many are new."""
        keep = [i for i, offset in enumerate(batch.offsets) if offset >= state.high or offset in state.announced]
        new = sum(batch.offsets[i] >= state.high for i in keep)
        state.announced.difference_update(batch.offsets)
        picked = Batch(
            batch.place,
            [batch.offsets[i] for i in keep],
            [batch.times_ms[i] for i in keep],
            [batch.keys[i] for i in keep],
            [batch.values[i] for i in keep],
            [batch.headers[i] for i in keep] if batch.headers else (),
        )
        return picked, [times[i] for i in keep], [packed[i] for i in keep] if packed else (), new

    def _times(self, times: Sequence[int], now_ms: int) -> Sequence[int]:
        """Event times, those too far ahead clamped: one poison timestamp would close everything."""
        limit = now_ms + self.config.future_ms_max
        if max(times) <= limit:
            return times
        self.clamped += sum(time > limit for time in times)
        return [min(time, limit) for time in times]

    def _advance_watermark(self, side: Side, times: Sequence[int]) -> None:
        before, most = self.clocks.watermarks[side], max(times)
        self.clocks.watermarks[side] = most if before is None else max(before, most)

    def _no_id(self, side: Side) -> str:
        if self.config.identity.kind == "key":
            return "null key"
        name = self.config.identity.header if side is Side.PRODUCTION else None
        return f"no usable header {name or 's'!r}"

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
                self.book.inputs(window["start_ms"], record["revision"], window["read"], window["failed"])
                self.inputs_read[str(place)] += window["read"]
            self.inputs_counted[place] = record["to_offset"]
        elif record["to_offset"] < self.inputs_counted[place]:
            return  # counted before a restart; the newest such mark still gives the ledger its line
        self.input_floors[place] = record["floor_ms"]
        self.input_lines[place] = ledgers.inputs_lines(str(place), counters, self.inputs_read[str(place)])

    # ---------------------------------------------------------------- deciding

    def compare_pairs(self) -> None:
        """Compare the pairs gathered so far and enter their outcomes."""
        counted: list[Pair] = []
        warm: list[Pair] = []
        for pair in self._pairs:
            at = pair.shadow.at
            (warm if at is not None and self.clocks.input_is_warm_up(at) else counted).append(pair)
        # Compared before anything is entered: a schema that cannot be had now raises, and the pairs must not be lost.
        results = self.compare([p.production.value for p in counted], [p.shadow.value for p in counted])
        self._pairs = []
        for pair in warm:
            self.book.pair(pair, WarmUp())
        for pair, result in zip(counted, results, strict=True):
            self.book.pair(pair, result)

    def settle(self) -> None:
        """Decide what can no longer find a partner."""
        for done in self.passed.advance(self.clocks.positions[Side.SHADOW]):
            self.routes.check(done)
        self.clocks.advance()
        finished = self.clocks.finished() and not any(state.announced for state in self.sides)
        for row in self.waiting.take_while(Side.PRODUCTION, lambda row: self._production_ended(row, finished)):
            outcome, reason = self._alone(row)
            self.book.single(Side.PRODUCTION, row, outcome, reason)
        for row in self.waiting.take_while(Side.SHADOW, lambda r: finished or self.clocks.production_is_done_with(r)):
            warm = row.at is not None and self.clocks.input_is_warm_up(row.at)
            self.book.single(Side.SHADOW, row, "warm_up" if warm else "extra")
        bounds = self.progress.start.bounds if self.progress.start else {}
        self.complete = (
            finished
            and not len(self.waiting)
            and all(self._counted_to(place) >= bounds.get(place, 0) for place in self.own_inputs)
        )

    def _counted_to(self, place: Place) -> int:
        """Inputs of `place` below this offset have been counted, or lie before the trial's beginning."""
        start = self.progress.start
        begin = start.committed.get(place, 0) if start else 0
        return max(begin, self.inputs_counted.get(place, 0))

    def _production_ended(self, row: Row, finished: bool) -> bool:
        if self.clocks.is_warm_up(row) is None:
            return False
        return finished or self.clocks.shadow_is_done_with(row)

    def _alone(self, row: Row) -> tuple[str, str | None]:
        """The outcome of a production record that no shadow record will meet."""
        if self.clocks.is_warm_up(row):
            return "warm_up", None
        if row.at is not None:
            reason = self.progress.absence_of_input(row.at.topic, row.at.partition, row.at.offset)
        else:
            reason = self.progress.absence_of_key(row.key) if row.key is not None else None
        if reason is None:
            return "missing", None
        return (reason if reason in ("filtered", "sampled_out") else "candidate_error"), reason

    # ---------------------------------------------------------------- committing

    def watermark(self) -> int | None:
        """Event time below which this task has ended everything; None while nobody can tell."""
        mark = self.clocks.watermark()
        if mark is None or any(state.announced for state in self.sides):
            return None
        floors = [mark, self.waiting.floor_ms()]
        for place in self.own_inputs:
            # Inputs are counted from marks, on a path of their own; a window must not close before its inputs are in.
            end = self.clocks.input_ends.get(place)
            if end is None or self._counted_to(place) < end:
                floor = self.input_floors.get(place)
                if floor is None:
                    return None
                floors.append(floor)
        return min(floor for floor in floors if floor is not None)

    def idle(self, now_ms: int) -> bool:
        """At the end of both sides, with nothing waiting, for `idle_ms`."""
        at_end = all(state.ended_at is not None and state.ended_at >= state.read_to for state in self.sides)
        return at_end and not len(self.waiting) and now_ms - self.last_read_ms >= self.config.idle_ms

    def prepare(self, now_ms: int) -> tuple[list[Write], list[Commit]]:
        """Everything of one transaction; empty where there is nothing new to say."""
        self.compare_pairs()
        self.settle()
        said = self._statement(now_ms)
        moved = any(state.high != state.committed_high for state in self.sides)
        if not moved and not self.book.cells and said == self._said:
            return [], []
        self._next = said
        sequence = self.sequence + 1
        commits, overflow = self._commits(sequence)
        writes = [*self.book.writes, self._stats(sequence, said), self._state(sequence, overflow)]
        return writes, commits

    def committed(self) -> None:
        """The transaction of the last `prepare` has been committed."""
        self.sequence += 1
        self._said = self._next
        self.closed = bool(self._next["complete"])
        for state in self.sides:
            state.committed_high = state.high
        self.book.clear()

    def pending(self, side: Side) -> set[int]:
        """Offsets that wait, announced ones that have not been read again included."""
        return set(self.waiting.offsets(side)) | self.sides[side].announced

    def _statement(self, now_ms: int) -> dict[str, Any]:
        """What a stats record says beside its deltas."""
        pending = [len(self.waiting.rows[side]) + len(self.sides[side].announced) for side in Side]
        lines = [
            *(one for place in sorted(self.input_lines) for one in self.input_lines[place]),
            *ledgers.routes_lines(self.routes, self.places[Side.SHADOW]),
            *ledgers.records_lines(self.places, [state.read for state in self.sides], self.book.ended, pending),
        ]
        return {
            "ledgers": lines,
            "pending": sum(pending),
            "watermark_ms": self.watermark(),
            "idle": self.idle(now_ms),
            "complete": self.complete,
        }

    def _stats(self, sequence: int, said: dict[str, Any]) -> Write:
        place = self.places[Side.PRODUCTION]
        record = {
            "task": str(place),
            "seq": sequence,
            "revision": self.revision,
            "sources": [
                {"topic": p.topic, "partition": p.partition, "from_offset": s.committed_high, "to_offset": s.high}
                for p, s in zip(self.places, self.sides, strict=True)
            ],
            "windows": self.book.windows(),
            **said,
        }
        topic = self.config.plan.of("stats")
        return Write(topic, place.partition, f"{place}:{sequence}".encode(), own.encode("stats", record))

    def _state(self, sequence: int, overflow: dict[str, str]) -> Write:
        place = self.places[Side.PRODUCTION]
        counts = self.routes.snapshot()
        counts |= {f"inputs:{name}": n for name, n in self.inputs_read.items()}
        for side in Side:
            counts[f"read:{side.word}"] = self.sides[side].read
            counts[f"ended:{side.word}"] = self.book.ended[side]
            watermarks = [t for t in (self.clocks.watermarks[side], self.sides[side].watermark_ms) if t is not None]
            if watermarks:
                counts[f"watermark_ms:{side.word}"] = max(watermarks)
        record = {
            "task": str(place),
            "seq": sequence,
            "counts": counts,
            "inputs_counted": {str(p): offset for p, offset in sorted(self.inputs_counted.items())},
            "overflow": overflow,
        }
        return Write(self.config.plan.of("state"), place.partition, str(place).encode(), own.encode("state", record))

    def _commits(self, sequence: int) -> tuple[list[Commit], dict[str, str]]:
        commits, overflow = [], {}
        for side in Side:
            state, pending = self.sides[side], self.pending(side)
            state.low = min(pending, default=state.high)
            text = checkpoint.encode(checkpoint.Checkpoint(sequence, state.high, frozenset(pending)))
            if checkpoint.overflows(text):
                overflow[side.word] = checkpoint.pending_text(pending)
            commits.append(Commit(self.places[side], state.low, text))
        return commits, overflow
