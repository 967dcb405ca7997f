"""A sample of the rows of diff in which a rare kind of difference is not lost among many of another kind.

Rows of differing pairs are of one kind if they differ at the same paths. Each kind gets the same room; what a rare kind
leaves is shared by the others. Within a kind the pairs with the smallest hashes are taken, so that the sample is the
same on another run, and a uniform sample of all differing pairs is in it (`SampledRow.drawn`).
"""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple, Self

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.kafka.reading.last_rows import LastRows
from shadowstream.kafka.reading.topic_reader import stream_topic
from shadowstream.kafka.refused_records import usable
from shadowstream.paths import join_path, parse_path
from shadowstream.protocol.outcomes import AGREES, Outcome
from shadowstream.records import REVISION_BYTES

READ_TIMEOUT_S = 30.0
KINDS_MAX = 300
"""Kinds with room of their own; further ones share one."""
SINGLES_MAX = 500
"""Records of each side without a partner, the newest: only neighbours in time may be partners."""
Row = dict[str, Any]


class SampledRow(NamedTuple):
    """A row of a differing pair. `weight`: the rows that it stands for; `drawn`: part of a uniform sample of all."""

    row: Row
    weight: float
    drawn: bool


class RowSample:
    """The rows of one revision of a trial. Close it: the last row of each pair is in a temporary file."""

    def __init__(self, last: LastRows) -> None:
        self._last = last
        self.outcomes = Counter[str]()
        self._kinds = Counter[tuple[str, ...]]()
        for row in self._rows():
            self.outcomes[row["outcome"]] += 1
            if row["outcome"] == Outcome.MISMATCH:
                self._kinds[self._kind_of(row)] += 1
        self.kinds = len(self._kinds)

    @classmethod
    def of(cls, config: Config, revision: str) -> Self:
        """Read the topic diff. Raises `TopicMissing`, `BrokerError`, `StoreError`."""
        last, topic = LastRows(), config.plan.of("diff")
        for one in usable(stream_topic(config.kafka, topic, READ_TIMEOUT_S), topic, "diff"):
            row = one.record
            if row["revision"][: 2 * REVISION_BYTES] == revision[: 2 * REVISION_BYTES]:
                last.put(row["pair_id"], row["time_ms"], own.encode("diff", row))
            else:
                last.drop(row["pair_id"])
        return cls(last)

    def close(self) -> None:
        self._last.close()

    def _rows(self) -> Iterator[Row]:
        for raw in self._last.newest(0):
            yield own.read("diff", raw)

    def _kind_of(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        kind = tuple(sorted({_general(one["path"]) for one in row["differences"]}))
        return kind if kind in self._kinds or len(self._kinds) < KINDS_MAX else ("…",)

    def differing(self, pairs_max: int) -> list[SampledRow]:
        """Return rows of differing pairs, at most so many."""
        room = shares(self._kinds, pairs_max)
        kept: dict[tuple[str, ...], list[tuple[int, str, Row]]] = {kind: [] for kind in room}
        for row in self._rows():
            if row["outcome"] != Outcome.MISMATCH:
                continue
            kind = self._kind_of(row)
            heap, item = kept[kind], (-_hash(row["pair_id"]), row["pair_id"], row)
            if len(heap) < room[kind]:
                heapq.heappush(heap, item)
            elif heap and item[0] > heap[0][0]:
                heapq.heapreplace(heap, item)
        # Below the smallest bound of all kinds that are not complete, every row is in the sample.
        bounds = [-heap[0][0] for kind, heap in kept.items() if heap and len(heap) < self._kinds[kind]]
        bound = min(bounds, default=2**64)
        sampled = [
            SampledRow(row, self._kinds[kind] / len(heap), -negative <= bound)
            for kind, heap in kept.items()
            for negative, _, row in heap
        ]
        return sorted(sampled, key=lambda one: _hash(one.row["pair_id"]))

    def singles(self) -> tuple[list[Row], list[Row]]:
        """Return the newest rows of production's and the candidate's records without a partner."""
        found: dict[str, list[Row]] = {Outcome.MISSING: [], Outcome.EXTRA: []}
        for row in self._rows():
            rows = found.get(row["outcome"])
            if rows is not None:
                rows.append(row)
                del rows[:-SINGLES_MAX]
        return found[Outcome.MISSING], found[Outcome.EXTRA]

    def agrees(self, pair_id: str) -> bool:
        """Whether no row says that a pair, which has been compared, differs."""
        raw = self._last.row(pair_id)
        return raw is None or own.read("diff", raw)["outcome"] in AGREES


def shares(kinds: Mapping[Any, int], room: int) -> dict[Any, int]:
    """Return the room of each kind: equal shares, and what a small kind leaves goes to the others.

    >>> shares({"a": 1_000, "b": 3, "c": 500}, 103)
    {'b': 3, 'c': 50, 'a': 50}
    """
    found: dict[Any, int] = {}
    left = room
    for n, (kind, rows) in enumerate(sorted(kinds.items(), key=lambda one: one[1])):
        found[kind] = min(rows, left // (len(kinds) - n))
        left -= found[kind]
    return found


def _general(path: str) -> str:
    """Return a path with a star in place of each index, number and hash of a name."""
    names = ["*" if name is None else name for name in parse_path(path)]
    return join_path(None if name.isdecimal() or name.startswith("redacted:") else name for name in names)


def _hash(pair_id: str) -> int:
    return int.from_bytes(blake2b(pair_id.encode("utf-8", "backslashreplace"), digest_size=8).digest(), "big")
