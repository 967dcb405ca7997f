"""Marks: what the runner says of how far it is, as records of the progress topic (schemas/mark.avsc).

All offsets in marks are high watermarks. A mark counts for a reader only once its own read_committed position
has passed the offsets that the mark names; until then the outputs may still be hidden by an open transaction.

Commit metadata keeps the same counters: form ``1``, zlib and base85 over JSON. Form ``2`` is the same without counters:
they did not fit and stand in the record of runner-state that the commit names by its place, offset and revision, of the
same transaction; without transactions in the range mark that decides.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from shadowstream.codecs import own
from shadowstream.errors import ConfigError, ShadowstreamBug
from shadowstream.records import METADATA_CHARS_MAX, Place, Write


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


class Kept(NamedTuple):
    """What a commit says of the candidate's state: the input offset of the snapshot that goes with it (None where there
    is none), and what is left of the warm-up (`stateful.WarmUp`)."""

    snapshot_at: int | None
    warm_up: list[int]
    revision: str = ""


def to_metadata(revision: str, counters: Counters, kept: Kept | None = None) -> str:
    """The counters, and what the commit says of the candidate's state, as commit metadata, from which a new owner of
    the partition goes on; form ``2`` (overflow) where the counters do not fit."""
    body: dict[str, Any] = {"revision": revision}
    if kept is not None:
        body["kept"] = kept[:2]
    text = _text("1", body | counters.record())
    return text if len(text) <= METADATA_CHARS_MAX else _text("2", body)


def _text(form: str, body: dict[str, Any]) -> str:
    packed = zlib.compress(json.dumps(body, separators=(",", ":")).encode(), 6)
    return form + base64.b85encode(packed).decode()


class Overflow(NamedTuple):
    """Names the record of counters that did not fit: `offset` is the commit's, `revision` that which has made it."""

    offset: int
    revision: str

    def write(self, topic: Place, counters: Counters, place: Place) -> Write:
        """The record of the commit of an input `place`, into a partition of runner-state."""
        record = {"input": str(place), "offset": self.offset, "revision": self.revision, "snapshot": b""}
        # No topic has a space in its name, so no snapshot has such a key.
        key = f"counters {place}".encode()
        return Write(*topic, key, own.encode("runner_state", record | {"counters": counters.record()}))


def overflow_of(metadata: str, offset: int) -> Overflow | None:
    """The record that a commit of `offset` names; None where its counters stand in the metadata.

    >>> overflow_of(to_metadata("00", Counters(read=3)), 7)
    """
    return Overflow(offset, _body(metadata)["revision"]) if metadata.startswith("2") else None


def of_metadata(metadata: str) -> Counters:
    """The counters of a commit that names no `Overflow`; raises `ConfigError` for a form that we did not write.

    >>> of_metadata(to_metadata("00", Counters(read=3))).read
    3
    """
    body = _body(metadata)
    if metadata.startswith("2"):
        raise ShadowstreamBug("the counters of this commit are not in its metadata but in the record that it names")
    try:
        return Counters.of(body)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"commit metadata {metadata[:20]!r} cannot be read ({error})") from error


def kept_of(metadata: str) -> Kept | None:
    """What a commit says of the candidate's state; None where that candidate had none.

    >>> kept_of(to_metadata("00", Counters(), Kept(7, [0])))
    Kept(snapshot_at=7, warm_up=[0], revision='00')
    """
    body = _body(metadata)
    if "kept" not in body:
        return None
    snapshot_at, warm_up = body["kept"]
    return Kept(snapshot_at, warm_up, body["revision"])


def _body(metadata: str) -> dict[str, Any]:
    if metadata[:1] not in ("1", "2"):
        raise ConfigError(
            f"commit metadata {metadata[:20]!r} is of an unknown form: something else has committed to our group, or a "
            "newer release has. Run the newer release, or remove the topics and groups of this trial and start anew"
        )
    try:
        body: dict[str, Any] = json.loads(zlib.decompress(base64.b85decode(metadata[1:])))
        return body
    except (ValueError, zlib.error) as error:
        raise ConfigError(f"commit metadata {metadata[:20]!r} cannot be read ({error})") from error


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


def ends_field(ends: dict[Place, int]) -> list[dict[str, Any]]:
    """Offsets by place in the form of the schema."""
    return [{"topic": p.topic, "partition": p.partition, "offset": o} for p, o in sorted(ends.items())]


def ends_of(record: dict[str, Any]) -> dict[Place, int]:
    """Offsets by place, as a mark says them.

    >>> ends_of(mark("done", "00", ends=ends_field({Place("scores", 0): 7})))
    {Place(topic='scores', partition=0): 7}
    """
    return {Place(end["topic"], end["partition"]): end["offset"] for end in record["ends"]}


def partitioners_field(kinds: Mapping[str, str]) -> list[dict[str, str]]:
    """Partitioner kinds by production output topic in the form of the schema."""
    return [{"topic": topic, "kind": kind} for topic, kind in sorted(kinds.items())]


def partitioners_of(record: dict[str, Any]) -> dict[str, str]:
    """Partitioner kinds by production output topic, as a start mark has pinned them.

    >>> partitioners_of(mark("start", "00", partitioners=partitioners_field({"scores": "crc32"})))
    {'scores': 'crc32'}
    """
    return {one["topic"]: one["kind"] for one in record["partitioners"]}


def key_of(place: Place) -> bytes:
    """The key of an input partition's marks.

    >>> key_of(Place("orders", 3))
    b'orders/3'
    """
    return f"{place.topic}/{place.partition}".encode()


def write(topic: str, record: dict[str, Any]) -> Write:
    """The mark as a record of a topic of marks, keyed by its input partition, or by its kind where it is of none."""
    place = Place(record["input_topic"], record["input_partition"])
    return Write(topic, 0, key_of(place) if place.topic else record["kind"].encode(), own.encode("mark", record))
