"""The partition of a record by its identity, where production's partitioner is not known; pure.

Production's copy and the candidate's output get the same one: for ``coordinate`` their input's partition, else the
murmur2 hash of the id. A record without an id keeps its partition number and ends there as unpairable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from shadowstream.config import Config
from shadowstream.protocol.headers import header
from shadowstream.protocol.join_id import Identity
from shadowstream.records import Batch, Headers, Place, Side
from shadowstream.runner.partitioner import partition_for

DecodeMany = Callable[[Sequence["bytes | None"]], Sequence[Any]]
"""Values to decoded values; an undecodable one is a `RecordError` in its place."""


class Homes:
    """Partitions by identity under a config."""

    def __init__(self, config: Config, decode: DecodeMany) -> None:
        self._identity = Identity(config, lambda _side, values: decode(values))
        self._kind, self._header = config.identity.kind, config.identity.header
        self._decode = decode
        self._by_value = config.identity.kind == "id" and config.identity.header is None

    def of_copies(self, side: Side, batch: Batch, partitions: int) -> list[int]:
        """Partition of each record of a side's own topic."""
        own = batch.place.partition % partitions
        packed = [self._identity.packed(headers) for headers in batch.headers]
        coordinates = self._identity.coordinates(side, batch, packed)
        if self._kind == "coordinate":
            return [own if at is None else at.partition % partitions for at in coordinates or ()]
        return [self._of(one, own, partitions) for one in self._identity.ids(side, batch, coordinates)]

    def of_output(
        self, key: bytes | None, value: bytes | None, headers: Headers, input_partition: int, partitions: int
    ) -> int:
        """Partition of an output of the candidate."""
        own = input_partition % partitions
        if self._kind == "coordinate":
            return own
        if self._kind != "id":
            return self._of(key, own, partitions)
        if not self._by_value:
            return self._of(header(headers, self._header or ""), own, partitions)
        # Read as the joiner will read it, so that both see the same id.
        (found,) = self._identity.ids(Side.SHADOW, _alone(value), None)
        return self._of(found, own, partitions)

    def _of(self, one: object, own: int, partitions: int) -> int:
        return partition_for("murmur2", one, own, partitions) if isinstance(one, bytes) else own


def _alone(value: bytes | None) -> Batch:
    return Batch(Place("", 0), [0], [0], [None], [value])
