"""Comparison of two topics that grow: each round reads the new records, pairs them with those that wait, and reports.

The n-th record of an id in one topic belongs to the n-th in the other, whatever the rounds. A record waits for its
partner in real time, from the round that read it.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from shadowstream.errors import BrokerError
from shadowstream.kafka.reading.bounded import Spans
from shadowstream.kafka.topic_pairs.buckets import Buckets
from shadowstream.kafka.topic_pairs.comparison import COMPARE_AT, Comparison, Pair
from shadowstream.kafka.topic_pairs.read_topic import grown, spans_of
from shadowstream.records import Partition
from shadowstream.topic_pairs.pairing import Fate, by_id
from shadowstream.topic_pairs.stored_record import StoredRecord, unpack
from shadowstream.topic_pairs.tally import Tally

Ends = tuple[dict[Partition, int], dict[Partition, int]]


@dataclass(frozen=True, slots=True)
class Rounds:
    """The course of the rounds.

    `rest`: wait for so many seconds, and return whether to end. `report`: show the tally. `trouble`: show a problem.
    `until_ms`: the time at which the last round begins; None: only `rest` ends it.
    """

    every_s: float
    patience_s: float
    rest: Callable[[float], bool]
    report: Callable[[Tally], None]
    trouble: Callable[[str], None]
    until_ms: float | None = None
    clock: Callable[[], float] = field(default=time.monotonic)

    @property
    def is_last(self) -> bool:
        return self.until_ms is not None and time.time() * 1000 >= self.until_ms


class Following:
    """A comparison by rounds; `run` makes it."""

    def __init__(self, comparison: Comparison, rounds: Rounds) -> None:
        self._comparison, self._rounds = comparison, rounds
        self._tally = comparison.tally
        self._read_at: deque[tuple[float, Ends]] = deque()
        """The ends of both topics by the time of the round that read up to them."""

    def run(self) -> Tally:
        """Go on until `rest` returns True or the end of the range has passed; what still waits is counted as waiting.

        Raises `BrokerError`: a round was not read to its end, or retention deleted unread records. `StoreError`: what
        waits takes more than the disk that it may take.
        """
        topics, within = self._comparison.topics, self._comparison.options.within
        waiting = self._buckets()
        try:
            spans = [spans_of(topic, within) for topic in topics]
            while True:
                is_last = self._rounds.is_last
                for side, of in enumerate(spans):
                    for record in self._comparison.read(side, of):
                        waiting.add(record)
                ends = [{place: end for place, (_, end) in of.items() if end is not None} for of in spans]
                self._read_at.append((self._rounds.clock(), (ends[0], ends[1])))
                waiting = self._round(waiting, is_final=is_last)
                self._rounds.report(self._tally)
                if is_last or self._rounds.rest(self._rounds.every_s):
                    return self._tally
                spans = self._next(spans)
        finally:
            waiting.close()

    def _next(self, spans: list[Spans]) -> list[Spans]:
        """Return what has come since; the same ends again while the brokers do not answer."""
        try:
            return [grown(topic, of) for topic, of in zip(self._comparison.topics, spans, strict=True)]
        except BrokerError as error:
            if not error.retriable:
                raise
            self._rounds.trouble(f"{error}; the next round tries again")
            return [{place: (end or 0, end) for place, (_, end) in of.items()} for of in spans]

    def _buckets(self) -> Buckets[StoredRecord]:
        options = self._comparison.options
        return Buckets(options.spill_dir, options.disk_bytes, unpack)

    def _round(self, waiting: Buckets[StoredRecord], *, is_final: bool) -> Buckets[StoredRecord]:
        """Pair and compare; return the records that go on waiting."""
        due, kept = self._due(), self._buckets()
        for side in self._tally.sides:
            side.waiting = 0
        pairs: list[Pair] = []
        with contextlib.closing(waiting):
            for bucket in waiting.take():
                for pair in self._pairs(bucket, kept, due, is_final=is_final):
                    pairs.append(pair)
                    if len(pairs) >= COMPARE_AT:
                        self._comparison.compare(pairs)
                        pairs = []
        self._comparison.compare(pairs)
        return kept

    def _pairs(
        self, bucket: list[StoredRecord], kept: Buckets[StoredRecord], due: Ends, *, is_final: bool
    ) -> Iterator[Pair]:
        for first, second in by_id(bucket).values():
            pairs, single = self._comparison.options.pairing(first, second)
            for record, fate in single:
                place = Partition(self._comparison.topics[record.side].name, record.partition)
                if fate is Fate.BEFORE:  # kept, it would take the partner of a later record
                    self._comparison.single(record, fate)
                elif is_final or record.offset < due[record.side].get(place, 0):
                    self._comparison.single(record, Fate.UNMATCHED)
                else:
                    kept.add(record)
                    self._tally.sides[record.side].waiting += 1
            yield from self._comparison.counted(pairs)

    def _due(self) -> Ends:
        """Return the ends below which records have waited long enough."""
        latest = self._rounds.clock() - self._rounds.patience_s
        while len(self._read_at) > 1 and self._read_at[1][0] <= latest:
            self._read_at.popleft()
        at, ends = self._read_at[0]
        return ends if at <= latest else ({}, {})
