"""Comparison of two topics: read both into buckets, pair the records of each bucket, compare the pairs, count."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

from shadowstream.codecs.framing import headed
from shadowstream.compare.comparer import Comparing
from shadowstream.compare.record_parts import NO_PARTS, PartColumns
from shadowstream.compare.redact import Redactor
from shadowstream.compare.result import Difference
from shadowstream.errors import RecordError
from shadowstream.kafka.reading.bounded import Span, Spans
from shadowstream.kafka.topic_pairs.buckets import Buckets
from shadowstream.kafka.topic_pairs.read_topic import Range, Topic, batches, spans_of
from shadowstream.paths import parse_one
from shadowstream.protocol.headers import header
from shadowstream.protocol.join_id import found_in_broken, text_id
from shadowstream.records import Batch, Partition, Side
from shadowstream.topic_pairs.pairing import Fate, OrderBreaks, Pairing, by_id, order_breaks
from shadowstream.topic_pairs.stored_record import PairPlaces, StoredRecord, unpack, unpack_places
from shadowstream.topic_pairs.tally import EQUAL, UNEQUAL_FATES, Example, Tally

COMPARE_AT = 4_096
Pair = tuple[StoredRecord, StoredRecord]


@dataclass(frozen=True, slots=True)
class Options:
    """How to pair and what to compare beside the values.

    The id is the record's key, or the header or the path of a field that is given. The comparer knows whether keys and
    headers are compared. `order`: check that the pairs of one key come in the same order. `in_turn`: the pairing takes
    the records of an id one after the other, so that it can go on with later ones.
    """

    pairing: Pairing
    within: Range = field(default_factory=Range)
    id_header: str | None = None
    id_path: str | None = None
    order: bool = False
    spill_dir: str | None = None
    disk_bytes: int = 20_000_000_000
    in_turn: bool = False


class Comparison:
    """One comparison of two topics; `run` makes it. `progress` is called with the number of records read so far."""

    def __init__(
        self,
        topics: tuple[Topic, Topic],
        comparer: Comparing,
        redactor: Redactor,
        options: Options,
        tally: Tally,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.topics, self.options = topics, options
        self._comparer, self._redactor, self._parts = comparer, redactor, comparer.parts
        self._path = None if options.id_path is None else parse_one(options.id_path)
        self.tally, self._progress = tally, progress
        self.spans: tuple[dict[Partition, Span], dict[Partition, Span]] = ({}, {})
        """The offsets of each topic that have been read."""

    def run(self) -> Tally:
        """Read, pair and compare everything. Raises `ConfigError`, `BrokerError`, `StoreError`, `RegistryError`."""
        options = self.options
        with (
            contextlib.closing(Buckets(options.spill_dir, options.disk_bytes, unpack)) as buckets,
            contextlib.closing(Buckets(options.spill_dir, options.disk_bytes, unpack_places)) as by_key,
        ):
            ends = [spans_of(topic, options.within) for topic in self.topics]  # before either is read: both may grow
            for side, spans in enumerate(ends):
                for record in self.read(side, spans):
                    buckets.add(record)
            waiting: list[Pair] = []
            for bucket in buckets.take():
                for pair in self._pairs(bucket):
                    waiting.append(pair)
                    if options.order and pair[0].key is not None:
                        by_key.add(PairPlaces(pair[0].key, *_place(pair[0]), *_place(pair[1])))
                    if len(waiting) >= COMPARE_AT:
                        self.compare(waiting)
                        waiting = []
            self.compare(waiting)
            if options.order:
                self.tally.order = _breaks(by_key)
        return self.tally

    def read(self, side: int, spans: Spans) -> Iterator[StoredRecord]:
        """Read the spans of one topic; yield its records that have an id, and count all."""
        topic, options, counts = self.topics[side], self.options, self.tally.sides[side]
        for partition, (begin, end) in spans.items():
            self.spans[side][partition] = self.spans[side].get(partition, (begin, end))[0], end
        with_headers = bool(options.id_header or self._parts or topic.format.header)
        for batch in batches(topic, spans, with_headers=with_headers):
            values = batch.values
            if topic.format.header:
                pairs = zip(values, batch.headers, strict=True)
                values = [headed(value, headers, topic.format)[0] for value, headers in pairs]
            ids = self._ids(Side(side), batch, values)
            for i, id_ in enumerate(ids):
                time_ms = batch.times_ms[i]
                if not options.within.reaches(time_ms):
                    continue
                counts.read += 1
                if id_ is None or isinstance(id_, RecordError):
                    counts.without_id += 1
                    counts.undecodable_ids += isinstance(id_, RecordError)
                    continue
                found = self._parts.kept(batch.headers[i]) if self._parts else ()
                place, offset = batch.place.partition, batch.offsets[i]
                yield StoredRecord(side, place, offset, time_ms, id_, batch.keys[i], values[i], found)
            self._progress(sum(one.read for one in self.tally.sides))

    def _ids(self, side: Side, batch: Batch, values: Sequence[bytes | None]) -> Sequence[bytes | RecordError | None]:
        """Return the id of each record: None if it has none, an error if the value that holds it is undecodable."""
        if self.options.id_header is not None:
            return [header(headers, self.options.id_header) for headers in batch.headers]
        if self._path is None:
            return batch.keys
        decoded = self._comparer.decode(side, values)
        path = self._path
        return [
            (found_in_broken(raw, path) or value) if isinstance(value, RecordError) else text_id(value, path)
            for value, raw in zip(decoded, values, strict=True)
        ]

    def _pairs(self, bucket: Iterable[StoredRecord]) -> Iterator[Pair]:
        """Yield the pairs of a bucket that count; count its other records."""
        for first, second in by_id(bucket).values():
            pairs, single = self.options.pairing(first, second)
            self.tally.hidden += self._is_hidden(pairs, single)
            for record, fate in single:
                self.single(record, fate)
            yield from self.counted(pairs)

    def _is_hidden(self, pairs: Iterable[Pair], single: Iterable[tuple[StoredRecord, Fate]]) -> bool:
        """Whether an id has records in the range and none counts, since later ones follow within the margin."""
        holds = self.options.within.holds
        if not any(fate is Fate.SUPERSEDED and holds(record.time_ms) for record, fate in single):
            return False
        last = [record for record, fate in single if fate is not Fate.SUPERSEDED]
        return not any(holds(record.time_ms) for record in (*last, *(one for pair in pairs for one in pair)))

    def single(self, record: StoredRecord, fate: Fate) -> None:
        """Count a record that has no partner."""
        tally = self.tally
        if not self.options.within.holds(record.time_ms):
            tally.sides[record.side].outside += 1
            return
        tally.single(record, fate)
        if fate in UNEQUAL_FATES and tally.wants(name := f"{fate} {record.side}"):
            tally.show(name, self._example(f"{fate} in {self.topics[record.side].name}", [record], (), None))

    def counted(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Yield the pairs that are in the range; count the others as outside."""
        within = self.options.within
        for pair in pairs:
            if any(within.holds(record.time_ms) for record in pair):
                yield pair
            else:
                for side in self.tally.sides:
                    side.outside += 1

    def compare(self, pairs: Sequence[Pair]) -> None:
        """Compare pairs and count them."""
        if not pairs:
            return
        first, second = zip(*pairs, strict=True)
        times_ms = [one.time_ms for one in first]
        sides = [PartColumns([one.key for one in side], [one.headers for one in side]) for side in (first, second)]
        parts = self._parts.differing(*sides) if self._parts else NO_PARTS
        results = self._comparer([one.value for one in first], [one.value for one in second], times_ms, parts)
        outcomes = results.outcomes
        self.tally.pairs(outcomes)
        for i, outcome in enumerate(outcomes):
            if outcome in EQUAL or not self.tally.explains:
                continue
            shown = self._redactor.differences(results[i].differences)
            reason = self._redactor.reason(results[i].reason)
            if (name := self.tally.explain(outcome, shown, reason)) is not None:
                self.tally.show(name, self._example(str(outcome), pairs[i], shown, reason))

    def _example(
        self, what: str, records: Sequence[StoredRecord], differences: Sequence[Difference], reason: str | None
    ) -> Example:
        places = (f"{self.topics[one.side].name}/{one.partition}@{one.offset}" for one in records)
        key = _text(self._redactor.key(records[0].key))
        return Example(what, key, tuple(places), records[0].time_ms, tuple(differences), reason)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "backslashreplace")[:256]


def _place(record: StoredRecord) -> tuple[int, int]:
    return record.partition, record.offset


def _breaks(by_key: Buckets[PairPlaces]) -> OrderBreaks:
    pairs = broken = 0
    for bucket in by_key.take():
        for places in groupby(sorted(bucket), attrgetter("id")):
            found = order_breaks(one[1:] for one in places[1])
            pairs, broken = pairs + found.pairs, broken + found.broken
    return OrderBreaks(pairs, broken)
