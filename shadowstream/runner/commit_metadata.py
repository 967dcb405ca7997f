"""Commit metadata of the runner: its counters, and a note on the candidate's state.

The envelope is `protocol.metadata_codec`; the body is JSON. Form ``2`` has no counters: they did not fit. They are in
the runner-state record of the same transaction with the commit's partition, offset and revision; without transactions,
in the range mark that decides.
"""

import json
from typing import Any, NamedTuple

from shadowstream.codecs import own
from shadowstream.errors import ConfigError, ShadowstreamBug
from shadowstream.protocol.marks import Counters
from shadowstream.protocol.metadata_codec import OVERFLOW, WHOLE, opened, overflows, pack
from shadowstream.records import METADATA_CHARS_MAX, Partition, Write


class StateNote(NamedTuple):
    """Note of a commit on the candidate's state: offset of its snapshot or None, and the remaining warm-up."""

    snapshot_at: int | None
    warm_up: list[int]
    revision: str = ""


def to_metadata(revision: str, counters: Counters, note: StateNote | None = None) -> str:
    """Encode the counters and the state note as commit metadata; form ``2`` (overflow) if the counters do not fit."""
    body: dict[str, Any] = {"revision": revision}
    if note is not None:
        body["kept"] = note[:2]
    text = WHOLE + _packed(body | counters.record())
    return text if len(text) <= METADATA_CHARS_MAX else OVERFLOW + _packed(body)


def _packed(body: dict[str, Any]) -> str:
    return pack(json.dumps(body, separators=(",", ":")).encode())


class CounterOverflow(NamedTuple):
    """Name of the record of counters that did not fit: the offset of the commit, and the revision that made it."""

    offset: int
    revision: str

    def write(self, topic: Partition, counters: Counters, place: Partition) -> Write:
        """Return the record of the counters of an input `place`, for a partition of runner-state."""
        record = {"input": str(place), "offset": self.offset, "revision": self.revision, "snapshot": b""}
        # No topic has a space in its name, so no snapshot has such a key.
        key = f"counters {place}".encode()
        return Write(*topic, key, own.encode("runner_state", record | {"counters": counters.record()}))


def overflow_of(metadata: str, offset: int) -> CounterOverflow | None:
    """Return the name of the record with the counters of a commit; None if its metadata holds them.

    >>> overflow_of(to_metadata("00", Counters(read=3)), 7)
    """
    return CounterOverflow(offset, opened(metadata, json.loads)["revision"]) if overflows(metadata) else None


def of_metadata(metadata: str) -> Counters:
    """Return the counters of a commit that names no record; raise `ConfigError` for an unknown form.

    >>> of_metadata(to_metadata("00", Counters(read=3))).read
    3
    """
    body = opened(metadata, json.loads)
    if overflows(metadata):
        raise ShadowstreamBug("the counters of this commit are not in its metadata but in the record that it names")
    try:
        return Counters.of(body)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"commit metadata {metadata[:20]!r} cannot be read ({error})") from error


def kept_of(metadata: str) -> StateNote | None:
    """Return the state note of a commit; None if its candidate had no state.

    >>> kept_of(to_metadata("00", Counters(), StateNote(7, [0])))
    StateNote(snapshot_at=7, warm_up=[0], revision='00')
    """
    body = opened(metadata, json.loads)
    if "kept" not in body:
        return None
    snapshot_at, warm_up = body["kept"]
    return StateNote(snapshot_at, warm_up, body["revision"])
