"""Partition of a key, as production's client computes it.

Java's default is murmur2, librdkafka's is CRC32. A candidate's output must be in the same partition as production's,
so the runner computes the partition and writes to it explicitly.
"""

from __future__ import annotations

import zlib

_MASK = 0xFFFFFFFF
_M = 0x5BD1E995


def murmur2(key: bytes) -> int:
    """Kafka's 32-bit murmur2 hash (org.apache.kafka.common.utils.Utils.murmur2), unsigned.

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
    """The output partition under `kind` (input, murmur2, crc32); a null key stays in its input's partition.

    >>> partition_for("input", b"a", 5, 4)
    1
    """
    if kind == "input" or key is None:
        return input_partition % partitions
    if kind == "murmur2":
        return (murmur2(key) & 0x7FFFFFFF) % partitions
    return zlib.crc32(key) % partitions
