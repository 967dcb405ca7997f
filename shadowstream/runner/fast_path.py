"""Column-wise writing of batches in which every input has exactly one output, the common case.

`step` handles all other inputs one by one: no output or several, errors, own keys, carried headers, repartition topics.
"""

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
    """Target of the outputs: a topic of the trial, its kind of partitioner, and its partition count."""

    topic: str
    kind: str
    partitions: int


def is_whole(results: Sequence[Any]) -> bool:
    """Return whether each result is the value of one output with its input's key."""
    return BARE.issuperset(map(type, results))


def partitions_of(route: Route, batch: Batch) -> list[int]:
    if route.kind == "input":
        return [batch.place.partition % route.partitions] * len(batch)
    return [partition_for(route.kind, key, batch.place.partition, route.partitions) for key in batch.keys]


def sizes_fit(batch: Batch, values: Sequence[bytes], bytes_max: int) -> bool:
    """Return whether certainly no output, key included, is larger than `bytes_max`."""
    keys = max((len(key) for key in batch.keys if key is not None), default=0)
    return max(map(len, values)) + keys <= bytes_max


def writes_of(
    batch: Batch, values: Sequence[bytes], route: Route, partitions: Sequence[int], header: tuple[str, int, int]
) -> list[Write]:
    """Return the outputs of a batch, each with its input's time; `header`: revision, index of the topic, time (ms)."""
    revision, index, now_ms = header
    packed = pack_many(revision, (index, batch.place.partition), batch.offsets, batch.times_ms, now_ms)
    headers = [[(PACKED_HEADER, content)] for content in packed]
    columns = zip(repeat(route.topic), partitions, batch.keys, values, batch.times_ms, headers)
    return list(map(_write, columns))
