"""Marks: the runner's reports of its progress, as records of the progress topic (schemas/mark.avsc).

All offsets in marks are high watermarks. A reader may use a mark only after its own read_committed position has passed
the offsets in the mark. Until then an open transaction may still hide outputs.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shadowstream.codecs import own
from shadowstream.records import Partition, Write

_SECRET_BYTES_MAX = 64  # of BLAKE2b


def identity_hash(key: bytes, secret: bytes = b"") -> int:
    """Return the signed 64-bit hash by which an absence names the identity of its input.

    With the `secret` of the trial's hashes no list of guesses finds a key that may not be shown.

    >>> identity_hash(b"a") == identity_hash(b"a") != identity_hash(b"b")
    True
    >>> identity_hash(b"a", b"secret") == identity_hash(b"a")
    False
    """
    secret = secret if len(secret) <= _SECRET_BYTES_MAX else hashlib.blake2b(secret).digest()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8, key=secret).digest(), "big", signed=True)


@dataclass(slots=True)
class Counters:
    """Cumulative counts of one input partition since the trial began. `written`: by output partition."""

    read: int = 0
    with_output: int = 0
    silent: int = 0
    absent: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)

    def ended(self) -> int:
        return self.with_output + self.silent + sum(self.absent.values())

    def record(self) -> dict[str, Any]:
        plain = {"read": self.read, "with_output": self.with_output, "silent": self.silent}
        return {**plain, "absent": dict(sorted(self.absent.items())), "written": dict(sorted(self.written.items()))}

    @classmethod
    def of(cls, record: dict[str, Any]) -> Counters:
        absent, written = Counter(record["absent"]), Counter(record["written"])
        return cls(record["read"], record["with_output"], record["silent"], absent, written)


def mark(kind: str, revision: str, **fields: Any) -> dict[str, Any]:
    """Return the record of a mark, with the schema's defaults."""
    return {
        "kind": kind,
        "revision": revision,
        "input_topic": "",
        "input_partition": -1,
        "from_offset": -1,
        "to_offset": -1,
        "ends": [],
        "begins": [],
        "absences": [],
        "windows": [],
        "counters": None,
        "floor_ms": None,
        "partitioners": [],
        "topics": [],
        "texts": [],
        "tries": 0,
        "recheck": None,
        **fields,
    }


def ends_field(ends: dict[Partition, int]) -> list[dict[str, Any]]:
    return [{"topic": p.topic, "partition": p.partition, "offset": o} for p, o in sorted(ends.items())]


def ends_of(record: dict[str, Any]) -> dict[Partition, int]:
    """Return the offsets of a mark by partition.

    >>> ends_of(mark("done", "00", ends=ends_field({Partition("scores", 0): 7})))
    {Partition(topic='scores', partition=0): 7}
    """
    return {Partition(end["topic"], end["partition"]): end["offset"] for end in record["ends"]}


def partitioners_field(kinds: Mapping[str, str]) -> list[dict[str, str]]:
    """Convert partitioner kinds by production's output topic to the form of the schema."""
    return [{"topic": topic, "kind": kind} for topic, kind in sorted(kinds.items())]


def partitioners_of(record: dict[str, Any]) -> dict[str, str]:
    """Return the partitioner kinds that a start mark has fixed, by production's output topic.

    >>> partitioners_of(mark("start", "00", partitioners=partitioners_field({"scores": "crc32"})))
    {'scores': 'crc32'}
    """
    return {one["topic"]: one["kind"] for one in record["partitioners"]}


def key_of(place: Partition) -> bytes:
    """Return the key of an input partition's marks: ``topic/partition``."""
    return f"{place.topic}/{place.partition}".encode()


def write(topic: str, record: dict[str, Any]) -> Write:
    """Return the write of a mark, keyed by its input partition, or else by its kind."""
    place = Partition(record["input_topic"], record["input_partition"])
    return Write(topic, 0, key_of(place) if place.topic else record["kind"].encode(), own.encode("mark", record))
