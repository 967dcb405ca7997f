"""Commit metadata of the runner: the counters, and what goes with the candidate's state.

The envelope is `protocol.metadata_codec`; the body is JSON. Form ``2`` has no counters: they did not fit and are in the
record of runner-state that the commit names by its place, offset and revision, of the same transaction; without
transactions in the range mark that decides.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from shadowstream.codecs import own
from shadowstream.errors import ConfigError, ShadowstreamBug
from shadowstream.protocol.marks import Counters
from shadowstream.protocol.metadata_codec import OVERFLOW, WHOLE, opened, overflows, pack
from shadowstream.records import METADATA_CHARS_MAX, Partition, Write


class StateNote(NamedTuple):
    """What a commit says of the candidate's state: the input offset of the snapshot that goes with it (None where there
    is none), and what is left of the warm-up (`stateful.WarmUp`)."""

    snapshot_at: int | None
    warm_up: list[int]
    revision: str = ""


def to_metadata(revision: str, counters: Counters, kept: StateNote | None = None) -> str:
    """The counters, and what the commit says of the candidate's state, as commit metadata, from which a new owner of
    the partition goes on; form ``2`` (overflow) where the counters do not fit."""
    body: dict[str, Any] = {"revision": revision}
    if kept is not None:
        body["kept"] = kept[:2]
    text = WHOLE + _packed(body | counters.record())
    return text if len(text) <= METADATA_CHARS_MAX else OVERFLOW + _packed(body)


def _packed(body: dict[str, Any]) -> str:
    return pack(json.dumps(body, separators=(",", ":")).encode())


class Overflow(NamedTuple):
    """Names the record of counters that did not fit: `offset` is the commit's, `revision` that which has made it."""

    offset: int
    revision: str

    def write(self, topic: Partition, counters: Counters, place: Partition) -> Write:
        """The record of the commit of an input `place`, into a partition of runner-state."""
        record = {"input": str(place), "offset": self.offset, "revision": self.revision, "snapshot": b""}
        # No topic has a space in its name, so no snapshot has such a key.
        key = f"counters {place}".encode()
        return Write(*topic, key, own.encode("runner_state", record | {"counters": counters.record()}))


def overflow_of(metadata: str, offset: int) -> Overflow | None:
    """The record that a commit of `offset` names; None where its counters stand in the metadata.

    >>> overflow_of(to_metadata("00", Counters(read=3)), 7)
    """
    return Overflow(offset, _body(metadata)["revision"]) if overflows(metadata) else None


def of_metadata(metadata: str) -> Counters:
    """The counters of a commit that names no `Overflow`; raises `ConfigError` for a form that we did not write.

    >>> of_metadata(to_metadata("00", Counters(read=3))).read
    3
    """
    body = _body(metadata)
    if overflows(metadata):
        raise ShadowstreamBug("the counters of this commit are not in its metadata but in the record that it names")
    try:
        return Counters.of(body)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"commit metadata {metadata[:20]!r} cannot be read ({error})") from error


def kept_of(metadata: str) -> StateNote | None:
    """What a commit says of the candidate's state; None where that candidate had none.

    >>> kept_of(to_metadata("00", Counters(), Kept(7, [0])))
    Kept(snapshot_at=7, warm_up=[0], revision='00')
    """
    body = _body(metadata)
    if "kept" not in body:
        return None
    snapshot_at, warm_up = body["kept"]
    return StateNote(snapshot_at, warm_up, body["revision"])


def _body(metadata: str) -> dict[str, Any]:
    body: dict[str, Any] = opened(metadata, json.loads)
    return body
