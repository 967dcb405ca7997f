"""Pairs among the records of both topics that have one id.

``order``: the n-th record of an id in one topic belongs to the n-th in the other, so two topics are equal exactly if
the sequences of each id are; where reading began at a time, the first ones are found by their values and times.
``time``: records of one id belong together whose event times are close; each record has at most one partner, and no
other choice gives more pairs. ``newest``: of each id only the last record counts, as in a compacted topic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from itertools import islice, pairwise, takewhile
from operator import attrgetter
from typing import NamedTuple

from shadowstream.topic_pairs.stored_record import StoredRecord

Records = Sequence[StoredRecord]


class Fate(StrEnum):
    """The end of a record that has no partner."""

    UNMATCHED = "unmatched"
    """The other topic has no record of its id, or none within the time."""
    REPEATED = "repeated"
    """The other topic has fewer records of its id."""
    SUPERSEDED = "superseded"
    """A later record of its id is in the same topic, and only the last one counts."""
    BEFORE = "before"
    """Its partner lies before what was read."""
    DELETED = "deleted"
    """A tombstone that is the last record of its id, in a comparison of last records."""


class Paired(NamedTuple):
    """The pairs of one id, and its other records with their fates."""

    pairs: list[tuple[StoredRecord, StoredRecord]]
    single: list[tuple[StoredRecord, Fate]]


Pairing = Callable[[Records, Records], Paired]
SHIFT_MAX = 256
"""The most records of an id that are passed over at the begin of a range."""
SHIFT_PAIRS = 8
"""Pairs of an id by which its first pair is chosen."""
_OFFSET, _PLACED = attrgetter("offset"), attrgetter("time_ms", "partition", "offset")


def by_id(records: Iterable[StoredRecord]) -> dict[bytes, tuple[list[StoredRecord], list[StoredRecord]]]:
    """Group records by their id: those of the first and those of the second topic."""
    groups: dict[bytes, tuple[list[StoredRecord], list[StoredRecord]]] = {}
    for record in records:
        group = groups.get(record.id)
        if group is None:
            group = groups[record.id] = ([], [])
        group[record.side].append(record)
    return groups


def in_order(first: Records, second: Records) -> Paired:
    """Pair the n-th record of one topic with the n-th of the other."""
    return _in_turn(_ordered(first), _ordered(second))


def in_order_from(begin_ms: int | None) -> Pairing:
    """Pair the n-th record with the n-th where reading began in the middle of both topics, before `begin_ms`.

    The partner of a record before `begin_ms` may not have been read, and every later pair of its id would be shifted.
    So the first records of one topic are passed over, if they are before `begin_ms`, where the values of the pairs
    that follow are then equal more often, or, if as often, closer in time.
    """
    if begin_ms is None:
        return in_order

    def pair(first: Records, second: Records) -> Paired:
        first, second = _ordered(first), _ordered(second)
        shift = _shift(first, second, begin_ms)
        of_first, of_second = max(0, shift), max(0, -shift)
        pairs, single = _in_turn(first[of_first:], second[of_second:])
        return Paired(pairs, [*((one, Fate.BEFORE) for one in (*first[:of_first], *second[:of_second])), *single])

    return pair


def _shift(first: Records, second: Records, begin_ms: int) -> int:
    """Return how many records of `first` to pass over; negative: of `second`."""
    early = [
        min(SHIFT_MAX, len(side) - 1, sum(1 for _ in takewhile(lambda one: one.time_ms < begin_ms, side)))
        for side in (first, second)
    ]
    if max(early, default=0) <= 0 or not first or not second:
        return 0

    def cost(shift: int) -> tuple[int, float, int]:
        pairs = list(islice(zip(first[max(0, shift) :], second[max(0, -shift) :], strict=False), SHIFT_PAIRS))
        equal = sum(one.value == other.value for one, other in pairs)  # not their share: few pairs may be so by chance
        apart_ms = sum(abs(one.time_ms - other.time_ms) for one, other in pairs)
        return -equal, apart_ms / len(pairs), abs(shift)

    return min(range(-early[1], early[0] + 1), key=cost)


def _in_turn(first: Records, second: Records) -> Paired:
    n = min(len(first), len(second))
    left = [*first[n:], *second[n:]]
    fate = Fate.REPEATED if n else Fate.UNMATCHED
    return Paired(list(zip(first[:n], second[:n], strict=True)), [(one, fate) for one in left])


def by_time(tolerance_ms: int) -> Pairing:
    """Pair records whose event times differ by at most so much.

    Taking the earliest possible partner of each record in time order gives the greatest number of pairs.
    """

    def pair(first: Records, second: Records) -> Paired:
        first, second = sorted(first, key=_PLACED), sorted(second, key=_PLACED)
        pairs: list[tuple[StoredRecord, StoredRecord]] = []
        single: list[StoredRecord] = []
        i = j = 0
        while i < len(first) and j < len(second):
            ahead_ms = first[i].time_ms - second[j].time_ms
            if abs(ahead_ms) <= tolerance_ms:
                pairs.append((first[i], second[j]))
                i, j = i + 1, j + 1
            elif ahead_ms > 0:
                single.append(second[j])
                j += 1
            else:
                single.append(first[i])
                i += 1
        return Paired(pairs, [(one, Fate.UNMATCHED) for one in (*single, *first[i:], *second[j:])])

    return pair


def newest(first: Records, second: Records) -> Paired:
    """Pair the last records of both topics; a tombstone there means that the topic has no record of the id."""
    single: list[tuple[StoredRecord, Fate]] = []
    last: list[StoredRecord] = []
    for records in (_ordered(first), _ordered(second)):
        single += [(one, Fate.SUPERSEDED) for one in records[:-1]]
        if records and records[-1].value is None:
            single.append((records[-1], Fate.DELETED))
        elif records:
            last.append(records[-1])
    if len(last) == 1:
        return Paired([], [*single, (last[0], Fate.UNMATCHED)])
    return Paired([(last[0], last[1])] if last else [], single)


def _ordered(records: Records) -> Records:
    """Return records in the order of their partition; where an id has several partitions, in the order of time."""
    if len(records) < 2:
        return records
    one_partition = all(one.partition == records[0].partition for one in records)
    return sorted(records, key=_OFFSET if one_partition else _PLACED)


class OrderBreaks(NamedTuple):
    """Pairs of one key, counted: those whose partners come in another order, or in another partition."""

    pairs: int
    broken: int


def order_breaks(places: Iterable[tuple[int, int, int, int]]) -> OrderBreaks:
    """Count where the second topic has the pairs of one key in another order than the first.

    `places` are (partition, offset) in the first topic, then in the second. Only neighbours in one partition of the
    first topic have an order there.

    >>> order_breaks([(0, 1, 0, 5), (0, 2, 0, 4), (1, 0, 0, 9)])
    OrderBreaks(pairs=3, broken=1)
    """
    ordered = sorted(places)
    broken = 0
    for before, after in pairwise(ordered):
        if before[0] == after[0]:
            broken += before[2] != after[2] or before[3] > after[3]
    return OrderBreaks(len(ordered), broken)
