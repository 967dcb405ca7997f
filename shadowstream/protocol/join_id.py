"""What makes a production output and a candidate output a pair: one hashable id per record, or none.

``key``: the record's key, declared unique. ``coordinate``: the input that a record came from, from the packed
header or from a header of production's own. ``id``: a correlation id in a header or at a field path. ``occurrence``:
the key again, told apart by event time. A record without an id is unpairable: counted, never guessed.

An id says what pairs; what makes a record a repeat of an earlier one of its own side is another question:

===========  =======================  ==========================  ==================================
identity     outputs: one             outputs: many, shadow       outputs: many, production
===========  =======================  ==========================  ==================================
key, id      the id                   the packed coordinate       nothing: several are expected
coordinate   the whole coordinate     the whole coordinate        the coordinate, where it names k
occurrence   shadow: the packed coordinate; production: nothing, a repeat looks like another one
===========  =======================  ==========================  ==================================
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from shadowstream.codecs.numbers import ExactFloat
from shadowstream.config import Config
from shadowstream.errors import RecordError
from shadowstream.paths import ABSENT, ROOT, parse_one, value_at
from shadowstream.protocol.headers import NO_K, PackedHeader, header, packed_of, text_coordinate
from shadowstream.records import Batch, Headers, InputCoordinate, Side

_OF_JSON = (dict, list, tuple, bool, int, float)
Decode = Callable[[Side, Sequence["bytes | None"]], Sequence[Any]]
"""Values of a side, decoded; an undecodable one is a `RecordError` in its place."""


def text_id(value: Any, path: Sequence[str]) -> bytes | None:
    """The id at a path (`paths.parse_one`) of a decoded value, as bytes; None where there is none.

    A text and a number of the same digits are one id, as are a UUID and its text; objects are by name.

    >>> text_id({"order": {"id": 17}}, ["order", "id"]), text_id({"order": None}, ["order", "id"])
    (b'17', None)
    """
    value = value_at(value, path)
    if value is None or value is ABSENT:
        return None
    if isinstance(value, bytes):
        return value
    if type(value) is ExactFloat:
        return value.digits.encode()
    text = json.dumps(value, sort_keys=True, default=str) if isinstance(value, _OF_JSON) else str(value)
    return text.encode("utf-8", "surrogatepass")


def found_in_broken(value: bytes | None, path: Sequence[str]) -> bytes | None:
    """The id in a text that is no JSON only because of NaN or infinity: the pair is known, though not its outcome.

    >>> found_in_broken(b'{"id": 17, "score": NaN}', ["id"]), found_in_broken(b'{"id": 17, "score":', ["id"])
    (b'17', None)
    """
    try:
        return text_id(json.loads(value or b""), path)
    except (ValueError, RecursionError):
        return None


class Identity:
    """Ids of whole batches under a config. `decode` is asked only where the id stands in the value."""

    def __init__(self, config: Config, decode: Decode | None = None) -> None:
        self._config = config
        self._kind = config.identity.kind
        self._header = config.identity.header
        self._path = parse_one(config.identity.path or ROOT)
        self._many = config.identity.outputs == "many"
        self._inputs = config.inputs
        self._decode = decode

    @property
    def is_coordinate(self) -> bool:
        """Whether ids are input coordinates."""
        return self._kind == "coordinate"

    def needs_headers(self, side: Side) -> bool:
        """The shadow's always (they carry the coordinate); production's only where they hold the id."""
        return side is Side.SHADOW or self._kind == "coordinate" or (self._kind == "id" and self._header is not None)

    def packed(self, headers: Headers) -> PackedHeader | None:
        """The packed header, or None where there is none, it is broken, or it names an input that we do not have."""
        packed = packed_of(headers)
        return packed if packed and packed.coordinate.topic < len(self._inputs) else None

    def coordinates(
        self, side: Side, batch: Batch, packed: Sequence[PackedHeader | None]
    ) -> Sequence[InputCoordinate | None] | None:
        """The input of each record where its headers say so; None where nobody looks."""
        if not self.is_coordinate:
            return [p.coordinate if p else None for p in packed] if side is Side.SHADOW else None
        if side is Side.SHADOW and not (self._config.candidate.topic and self._header):
            return [p.coordinate if p else None for p in packed]
        return [self._own(h) for h in batch.headers]

    def ids(self, side: Side, batch: Batch, coordinates: Sequence[InputCoordinate | None] | None) -> Sequence[Hashable]:
        """One id a record, None where it has none, a `RecordError` where its value cannot be decoded to find it."""
        if self._kind == "coordinate":
            return [None if at is None else self.of_coordinate(at) for at in coordinates or ()]
        if self._kind == "id" and self._header is not None:
            return [header(headers, self._header) for headers in batch.headers]
        if self._kind == "id" and self._decode is not None:
            values = self._decode(side, batch.values)
            return [
                (found_in_broken(raw, self._path) or v) if isinstance(v, RecordError) else text_id(v, self._path)
                for v, raw in zip(values, batch.values, strict=True)
            ]
        return batch.keys

    def of_coordinate(self, at: InputCoordinate) -> Hashable:
        """The id that a coordinate stands for: the output, or under outputs: many the input."""
        if self._many:
            return at[:3]
        return at if at.k >= 0 else at._replace(k=0)

    def repeats_by(
        self, side: Side, ids: Sequence[Hashable], coordinates: Sequence[InputCoordinate | None] | None
    ) -> Sequence[Hashable] | None:
        """What makes a record a repeat of an earlier one of its side, see the table above; None for nothing does."""
        if self._config.identity.dedupe_span == 0:
            return None
        if self._many and self.is_coordinate:
            return [None if at is None or at.k == NO_K else at for at in coordinates or ()]
        if self._many or self._kind == "occurrence":
            return coordinates if side is Side.SHADOW else None
        return ids

    @property
    def tombstones_are_outputs(self) -> bool:
        """Whether a tombstone that follows a value of its id is an output of its own; an input names it otherwise."""
        return self._kind in ("key", "id") and not self._many

    @property
    def has_meanings(self) -> bool:
        """Whether ids may mean the same in other bytes (`meaning`)."""
        by_meaning = self._config.identity.equal_ids == "meaning"
        return by_meaning and self._kind in ("key", "id") and not self._many

    @property
    def why_repeated(self) -> str:
        """Why a record that is no re-delivery repeats one, as a sentence without anything of the record in it."""
        if self._kind == "coordinate" or self._many or self._kind == "occurrence":
            return "this output of its input came before with another value"
        return f"its {self._kind} came before with another value or input"

    def repeats(self, side: Side) -> bool:
        """Whether records of this side can be repeats at all, so that the dedupe span must be read again."""
        if self._config.identity.dedupe_span == 0:
            return False
        return side is Side.SHADOW or self.is_coordinate or not (self._many or self._kind == "occurrence")

    def _own(self, headers: Headers) -> InputCoordinate | None:
        if self._header:
            return text_coordinate(header(headers, self._header), self._inputs)
        packed = self.packed(headers)
        return packed.coordinate if packed else None


def no_id(config: Config, side: Side) -> str:
    """Name the cause of a missing id as a part of a sentence; it is also the reason of the row in diff."""
    identity = config.identity
    if identity.kind in ("key", "occurrence"):
        return "null key"
    if identity.path:
        return f"no field {identity.path!r}"
    name = identity.header if side is not Side.SHADOW or identity.kind == "id" else None
    return f"no usable header {name or 's'!r}"
