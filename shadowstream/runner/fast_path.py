"""Batches of which every input has just one output, which most candidates give: written as columns.

Whatever is not so (no output or several, an error, keys of their own, headers carried on, a repartition topic) is ended
input by input, in `step`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

from shadowstream.protocol.headers import PACKED_HEADER, pack_many
from shadowstream.records import Batch, Write
from shadowstream.runner.outputs import BARE
from shadowstream.runner.partitioner import partition_for

_write = partial(tuple.__new__, Write)  # a third of the cost of calling the class


class Route(NamedTuple):
    """Where the outputs go: our topic, how its partitions are chosen, and how many there are."""

    topic: str
    kind: str
    partitions: int


def is_whole(results: Sequence[Any]) -> bool:
    """Whether each result is the value of one output with its input's key."""
    return BARE.issuperset(map(type, results))


def partitions_of(route: Route, batch: Batch) -> list[int]:
    """The partition of each output."""
    if route.kind == "input":
        return [batch.place.partition % route.partitions] * len(batch)
    return [partition_for(route.kind, key, batch.place.partition, route.partitions) for key in batch.keys]


def sizes_fit(batch: Batch, values: Sequence[bytes], most: int) -> bool:
    """Whether surely no output, its key included, has more than `most` bytes."""
    keys = max((len(key) for key in batch.keys if key is not None), default=0)
    return max(map(len, values)) + keys <= most


def writes_of(
    batch: Batch, values: Sequence[bytes], route: Route, partitions: Sequence[int], header: tuple[str, int, int]
) -> list[Write]:
    """The outputs of a batch, each stamped with its input's time, so that both sides of a pair fall into the same
    event-time window. `header`: the revision, the input topic's index and the time of emission, ms."""
    revision, index, now_ms = header
    packed = pack_many(revision, (index, batch.place.partition), batch.offsets, batch.times_ms, now_ms)
    headers = [[(PACKED_HEADER, one)] for one in packed]
    columns = zip(repeat(route.topic), partitions, batch.keys, values, batch.times_ms, headers)
    return list(map(_write, columns))
