"""Partitioner by identity, for an unknown partitioner of production. Pure.

Production's copy and the candidate's output get the same partition: for ``coordinate`` the input's partition, else
the murmur2 hash of the id. A record without an id keeps its partition number and gets the outcome unpairable there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from shadowstream.config import Config
from shadowstream.protocol.headers import header
from shadowstream.protocol.join_id import Identity
from shadowstream.records import Batch, Headers, Partition, Side
from shadowstream.runner.partitioner import partition_for

DecodeMany = Callable[[Sequence["bytes | None"]], Sequence[Any]]
"""Decodes values; an undecodable value gives its `RecordError`."""


class IdentityPartitioner:
    """Partitions by identity under a config."""

    def __init__(self, config: Config, decode: DecodeMany) -> None:
        self._identity = Identity(config, lambda _side, values: decode(values))
        self._kind, self._header = config.identity.kind, config.identity.header
        self._decode = decode
        self._by_value = config.identity.kind == "id" and config.identity.header is None

    def of_copies(self, side: Side, batch: Batch, partitions: int) -> list[int]:
        """The partition of each record of a side's own topic."""
        own = batch.place.partition % partitions
        packed = [self._identity.packed(headers) for headers in batch.headers]
        coordinates = self._identity.coordinates(side, batch, packed)
        if self._kind == "coordinate":
            return [
                own if coordinate is None else coordinate.partition % partitions for coordinate in coordinates or ()
            ]
        return [self._of(id_, own, partitions) for id_ in self._identity.ids(side, batch, coordinates)]

    def of_output(
        self, key: bytes | None, value: bytes | None, headers: Headers, input_partition: int, partitions: int
    ) -> int:
        """The partition of an output of the candidate."""
        own = input_partition % partitions
        if self._kind == "coordinate":
            return own
        if self._kind != "id":
            return self._of(key, own, partitions)
        if not self._by_value:
            return self._of(header(headers, self._header or ""), own, partitions)
        # Decode like the joiner, so that both see the same id.
        (id_,) = self._identity.ids(Side.SHADOW, _single_record(value), None)
        return self._of(id_, own, partitions)

    def _of(self, id_: object, own: int, partitions: int) -> int:
        return partition_for("murmur2", id_, own, partitions) if isinstance(id_, bytes) else own


def _single_record(value: bytes | None) -> Batch:
    return Batch(Partition("", 0), [0], [0], [None], [value])
