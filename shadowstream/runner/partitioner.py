"""Partitioners of Kafka's clients, and the partitioner by identity. Pure.

Java's default is murmur2, librdkafka's is CRC32. A candidate's output must be in the same partition as production's,
so the runner computes the partition and writes to it explicitly.
"""

import zlib
from collections.abc import Callable, Sequence
from typing import Any

from shadowstream.config import Config
from shadowstream.protocol.headers import header
from shadowstream.protocol.join_id import Identity
from shadowstream.records import Batch, Headers, Partition, Side

_MASK = 0xFFFFFFFF
_M = 0x5BD1E995


def murmur2(key: bytes) -> int:
    """Return Kafka's 32-bit murmur2 hash (org.apache.kafka.common.utils.Utils.murmur2), unsigned.

    >>> murmur2(b"21") - 2**32
    -973932308
    """
    length = len(key)
    h = (0x9747B28C ^ length) & _MASK
    body = length & ~3
    for i in range(0, body, 4):
        k = int.from_bytes(key[i : i + 4], "little") * _M & _MASK
        k = (k ^ k >> 24) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    if length & 3:
        h = (h ^ int.from_bytes(key[body:], "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15


def partition_for(kind: str, key: bytes | None, input_partition: int, partitions: int) -> int:
    """Return the output partition under `kind` (input, murmur2, crc32); a null key stays in its input's partition.

    >>> partition_for("input", b"a", 5, 4)
    1
    """
    if kind == "input" or key is None:
        return input_partition % partitions
    if kind == "murmur2":
        return (murmur2(key) & 0x7FFFFFFF) % partitions
    return zlib.crc32(key) % partitions


DecodeMany = Callable[[Sequence["bytes | None"]], Sequence[Any]]
"""A function that decodes values; an undecodable value gives its `RecordError`."""


class IdentityPartitioner:
    """Partitioner by identity, used if production's partitioner is unknown.

    Production's copy and the candidate's output get the same partition: for ``coordinate`` the input's partition, else
    the murmur2 hash of the id. A record without an id keeps its partition number and gets the outcome unpairable there.
    """

    def __init__(self, config: Config, decode: DecodeMany) -> None:
        self._identity = Identity(config, lambda _side, values: decode(values))
        self._kind, self._header = config.identity.kind, config.identity.header
        self._decode = decode
        self._by_value = config.identity.kind == "id" and config.identity.header is None

    def of_copies(self, side: Side, batch: Batch, partitions: int) -> list[int]:
        """Return the partition of each record of a side's own topic."""
        own = batch.place.partition % partitions
        packed = [self._identity.packed(headers) for headers in batch.headers]
        coordinates = self._identity.coordinates(side, batch, packed)
        if self._kind == "coordinate":
            return [own if one is None else one.partition % partitions for one in coordinates or ()]
        return [self._of(id_, own, partitions) for id_ in self._identity.ids(side, batch, coordinates)]

    def of_output(
        self, key: bytes | None, value: bytes | None, headers: Headers, input_partition: int, partitions: int
    ) -> int:
        own = input_partition % partitions
        if self._kind == "coordinate":
            return own
        if self._kind != "id":
            return self._of(key, own, partitions)
        if not self._by_value:
            return self._of(header(headers, self._header or ""), own, partitions)
        # Decoded as the joiner does, so that both find the same id.
        (id_,) = self._identity.ids(Side.SHADOW, Batch(Partition("", 0), [0], [0], [None], [value]), None)
        return self._of(id_, own, partitions)

    def _of(self, id_: object, own: int, partitions: int) -> int:
        return partition_for("murmur2", id_, own, partitions) if isinstance(id_, bytes) else own
