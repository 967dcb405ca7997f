"""Join ids: one hashable id a record. Two records of different sides with the same id are a pair.

``key``: the record's key, declared unique. ``coordinate``: the input of the record, from the packed header or from a
header of production's own. ``id``: a correlation id in a header or at a field path. ``occurrence``: the key; event time
distinguishes records of one key. A record without an id is unpairable: it is counted and never guessed.

Another value decides whether a record repeats an earlier one of its own side:

===========  =======================  ==========================  ==================================
identity     outputs: one             outputs: many, shadow       outputs: many, production
===========  =======================  ==========================  ==================================
key, id      the id                   the packed coordinate       none: several are expected
coordinate   the whole coordinate     the whole coordinate        the coordinate, if it names k
occurrence   shadow: the packed coordinate; production: none, a repeat looks like another record
===========  =======================  ==========================  ==================================
"""

import json
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from shadowstream.codecs.bounds import VALUES_MAX
from shadowstream.codecs.json_values import check_claims
from shadowstream.codecs.numbers import ExactFloat
from shadowstream.config import Config
from shadowstream.errors import RecordError
from shadowstream.paths import ABSENT, ROOT, parse_one, value_at
from shadowstream.protocol.headers import NO_K, PackedHeader, header, packed_of, text_coordinate
from shadowstream.records import Batch, Headers, InputCoordinate, Side

_OF_JSON = (dict, list, tuple, bool, int, float)
Decode = Callable[[Side, Sequence["bytes | None"]], Sequence[Any]]
"""Decoder of values of a side; it returns a `RecordError` in place of an undecodable value."""


def text_id(value: Any, path: Sequence[str]) -> bytes | None:
    """Return the id at a path (`paths.parse_one`) of a decoded value, as bytes; None if there is none.

    A text and a number of the same digits are one id, as are a UUID and its text. Names of objects are sorted.

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
    """Return the id in a text that is not JSON only because of NaN or infinity; None for any other text.

    >>> found_in_broken(b'{"id": 17, "score": NaN}', ["id"]), found_in_broken(b'{"id": 17, "score":', ["id"])
    (b'17', None)
    """
    try:
        check_claims(value or b"", VALUES_MAX)
        return text_id(json.loads(value or b""), path)
    except (RecordError, ValueError, RecursionError):
        return None


class Identity:
    """The identity of a config, applied to batches. It calls `decode` only if values hold the id."""

    def __init__(self, config: Config, decode: Decode | None = None) -> None:
        self._config = config
        self._kind, self._header = config.identity.kind, config.identity.header
        self._path = parse_one(config.identity.path or ROOT)
        self._many = config.identity.outputs == "many"
        self._inputs, self._decode = config.inputs, decode
        self._holds_answer = config.production.answer is not None
        self.is_coordinate = self._kind == "coordinate"
        self.has_unique_texts = self._kind in ("key", "id") and not self._many
        """Whether each id is a text (`bytes`), and one record of a side has it."""
        self.tombstones_are_outputs = self.has_unique_texts
        """Whether a tombstone after a value with its id is another output; otherwise its input identifies it."""
        self.has_meanings = self.tombstones_are_outputs and config.identity.equal_ids == "meaning"
        """Whether ids of different bytes may mean the same (`intake.equal_ids`)."""

    def needs_headers(self, side: Side) -> bool:
        """Return whether headers of a side are needed: the shadow's always, production's only if they hold the id."""
        if self._holds_answer and side is Side.PRODUCTION:
            return False
        return side is Side.SHADOW or self._kind == "coordinate" or (self._kind == "id" and self._header is not None)

    def packed(self, headers: Headers) -> PackedHeader | None:
        """Return the packed header; None if it is absent or malformed, or names an input that the config lacks."""
        packed = packed_of(headers)
        return packed if packed and packed.coordinate.topic < len(self._inputs) else None

    def coordinates(
        self, side: Side, batch: Batch, packed: Sequence[PackedHeader | None]
    ) -> Sequence[InputCoordinate | None] | None:
        """Return the input of each record, as far as headers name it; None if none does or no stage needs it.

        `packed` has one entry a record, or none.
        """
        if self._holds_answer and side is Side.PRODUCTION:
            topic, partition = self._inputs.index(batch.place.topic), batch.place.partition
            return [InputCoordinate(topic, partition, offset, 0) for offset in batch.offsets]
        if not self.is_coordinate:
            return [p.coordinate if p else None for p in packed] if side is Side.SHADOW and any(packed) else None
        if side is Side.SHADOW and not (self._config.candidate.topic and self._header):
            return [p.coordinate if p else None for p in packed or [None] * len(batch)]
        return [self._own(h) for h in batch.headers]

    def ids(self, side: Side, batch: Batch, coordinates: Sequence[InputCoordinate | None] | None) -> Sequence[Hashable]:
        """Return one id a record: None if it has none, a `RecordError` if the value that holds it is undecodable."""
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
        """Convert a coordinate to an id: that of the output, or under outputs: many that of the input."""
        if self._many:
            return at[:3]
        return at if at.k >= 0 else at._replace(k=0)

    def repeats_by(
        self, side: Side, ids: Sequence[Hashable], coordinates: Sequence[InputCoordinate | None] | None
    ) -> Sequence[Hashable] | None:
        """Return the values by which records repeat earlier ones of their side (table above); None if none can."""
        if self._config.identity.dedupe_span == 0:
            return None
        if self._many and self.is_coordinate:
            return [None if at is None or at.k == NO_K else at for at in coordinates or ()]
        if self._many or self._kind == "occurrence":
            return coordinates if side is Side.SHADOW else None
        return ids

    @property
    def why_repeated(self) -> str:
        """The reason of a repeat that is no re-delivery, without content of the record."""
        if self._kind == "coordinate" or self._many or self._kind == "occurrence":
            return "this output of its input came before with another value"
        return f"its {self._kind} came before with another value or input"

    def repeats(self, side: Side) -> bool:
        """Return whether records of this side can be repeats, so that a restart must read the dedupe span again."""
        can_repeat = side is Side.SHADOW or self.is_coordinate or not (self._many or self._kind == "occurrence")
        return can_repeat and self._config.identity.dedupe_span > 0

    def _own(self, headers: Headers) -> InputCoordinate | None:
        if self._header:
            return text_coordinate(header(headers, self._header), self._inputs)
        packed = self.packed(headers)
        return packed.coordinate if packed else None


def no_id(config: Config, side: Side) -> str:
    """Return the cause of a missing id, as part of a sentence; diff shows it as the reason."""
    identity = config.identity
    if identity.kind in ("key", "occurrence"):
        return "null key"
    if identity.path:
        return f"no field {identity.path!r}"
    name = identity.header if side is not Side.SHADOW or identity.kind == "id" else None
    return f"no usable header {name or 's'!r}"
