"""Marks: what the runner says of how far it is, as records of the progress topic (schemas/mark.avsc).

All offsets in marks are high watermarks. A mark counts for a reader only once its own read_committed position
has passed the offsets that the mark names; until then the outputs may still be hidden by an open transaction.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shadowstream.codecs import own
from shadowstream.records import Partition, Write


def identity_hash(key: bytes) -> int:
    """64-bit signed hash under which an absence names the identity of its input.

    >>> identity_hash(b"a") == identity_hash(b"a") != identity_hash(b"b")
    True
    """
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big", signed=True)


@dataclass(slots=True)
class Counters:
    """Cumulative counts of one input partition since the trial began."""

    read: int = 0
    with_output: int = 0
    silent: int = 0
    absent: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)

    def ended(self) -> int:
        """Inputs by the class in which they ended, added up."""
        return self.with_output + self.silent + sum(self.absent.values())

    def record(self) -> dict[str, Any]:
        """As in schemas/mark.avsc."""
        return {
            "read": self.read,
            "with_output": self.with_output,
            "silent": self.silent,
            "absent": dict(sorted(self.absent.items())),
            "written": dict(sorted(self.written.items())),
        }

    @classmethod
    def of(cls, record: dict[str, Any]) -> Counters:
        """From a mark's record."""
        return cls(
            record["read"],
            record["with_output"],
            record["silent"],
            Counter(record["absent"]),
            Counter(record["written"]),
        )


def mark(kind: str, revision: str, **fields: Any) -> dict[str, Any]:
    """A mark's record with the schema's defaults."""
    record: dict[str, Any] = {
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
    }
    record.update(fields)
    return record


def ends_field(ends: dict[Partition, int]) -> list[dict[str, Any]]:
    """Offsets by place in the form of the schema."""
    return [{"topic": p.topic, "partition": p.partition, "offset": o} for p, o in sorted(ends.items())]


def ends_of(record: dict[str, Any]) -> dict[Partition, int]:
    """Offsets by place, as a mark says them.

    >>> ends_of(mark("done", "00", ends=ends_field({Place("scores", 0): 7})))
    {Place(topic='scores', partition=0): 7}
    """
    return {Partition(end["topic"], end["partition"]): end["offset"] for end in record["ends"]}


def partitioners_field(kinds: Mapping[str, str]) -> list[dict[str, str]]:
    """Partitioner kinds by production output topic in the form of the schema."""
    return [{"topic": topic, "kind": kind} for topic, kind in sorted(kinds.items())]


def partitioners_of(record: dict[str, Any]) -> dict[str, str]:
    """Partitioner kinds by production output topic, as a start mark has pinned them.

    >>> partitioners_of(mark("start", "00", partitioners=partitioners_field({"scores": "crc32"})))
    {'scores': 'crc32'}
    """
    return {one["topic"]: one["kind"] for one in record["partitioners"]}


def key_of(place: Partition) -> bytes:
    """The key of an input partition's marks.

    >>> key_of(Place("orders", 3))
    b'orders/3'
    """
    return f"{place.topic}/{place.partition}".encode()


def write(topic: str, record: dict[str, Any]) -> Write:
    """The mark as a record of a topic of marks, keyed by its input partition, or by its kind where it is of none."""
    place = Partition(record["input_topic"], record["input_partition"])
    return Write(topic, 0, key_of(place) if place.topic else record["kind"].encode(), own.encode("mark", record))
