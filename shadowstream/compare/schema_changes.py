"""Pairs of two writer schemas made comparable (`codecs.evolution`), and what changed between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from shadowstream.codecs.blame import record_error
from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.evolution import NONE, Evolution, Step, evolution
from shadowstream.codecs.framing import SchemaId
from shadowstream.codecs.messages import between
from shadowstream.codecs.schemas import ProtobufSchema, is_avro, named
from shadowstream.codecs.typed import Message
from shadowstream.errors import RecordError

_Values = Sequence[bytes | None]
_MESSAGES = Evolution({}, None, None, typed=True)
"""Of two Protobuf schemas: what lies between two messages depends on which of the schema's they are."""


class Met(NamedTuple):
    """Two schemas that met for the first time, and the paths of what changed, by kind."""

    production: SchemaId
    shadow: SchemaId
    changes: dict[str, list[str]]


class Evolutions:
    """What lies between the schemas of two sides, each pair of schemas looked at once.

    `changes` says of the latest batch which places were compared across a change, and its kinds; `met` tells of pairs
    of schemas that are new, for whoever shows them, and to be emptied by it.
    """

    def __init__(self) -> None:
        self.changes: dict[int, tuple[str, ...]] = {}
        self.met: list[Met] = []
        self._known: dict[tuple[Any, Any], Evolution] = {}

    def begin(self) -> None:
        """Another batch of pairs, or the same again where a schema could not be had."""
        self.changes = {}

    def apart(self) -> Evolutions:
        """The same knowledge, for pairs that are not counted: one that is explained later."""
        found = Evolutions()
        found._known = dict(self._known)
        return found

    def of(self, decoders: tuple[Decoder, Decoder], production: bytes, shadow: bytes) -> Evolution:
        """What lies between the schemas of two values; `NONE` where they have none, or schemas of two formats."""
        ours, theirs = decoders[0].schema_id(production), decoders[1].schema_id(shadow)
        if ours is None or theirs is None:
            return NONE
        found = self._known.get((ours, theirs))
        if found is None:
            found = self._known[ours, theirs] = _between(decoders, ours, theirs)
            if found.changes:
                self.met.append(Met(ours, theirs, found.changes))
        return found

    def note(self, found: Evolution, places: Sequence[int]) -> None:
        """Note at each place all kinds of change that there are between the two schemas."""
        self.changes.update(dict.fromkeys(places, tuple(found.changes)))

    def decoded(
        self, decoders: tuple[Decoder, Decoder], raw: tuple[_Values, _Values], places: Sequence[int]
    ) -> tuple[list[Any], list[Any]]:
        """Values of both sides, comparable; of the values `raw`, whose places among all pairs are `places`."""
        lain = [
            NONE if one is None or other is None else self.of(decoders, one, other)
            for one, other in zip(*raw, strict=True)
        ]
        if all(found is NONE for found in lain):
            return decoders[0].decode_many(raw[0]), decoders[1].decode_many(raw[1])
        typed = [index for index, found in enumerate(lain) if found.typed]
        ours, theirs = (_decoded(decoder, column, typed) for decoder, column in zip(decoders, raw, strict=True))
        for index, (found, one, other) in enumerate(zip(lain, ours, theirs, strict=True)):
            if isinstance(one, RecordError) or isinstance(other, RecordError):
                continue
            if isinstance(one, Message) and isinstance(other, Message):
                found = self._of_messages(one, other)
                one, other = one.value, other.value
            if found.changes:
                self.note(found, places[index : index + 1])
            ours[index], theirs[index] = _stepped(found.production, one), _stepped(found.shadow, other)
        return ours, theirs

    def _of_messages(self, ours: Message, theirs: Message) -> Evolution:
        pair = ours.descriptor, theirs.descriptor
        found = self._known.get(pair)
        if found is None:
            found = self._known[pair] = between(*pair)
        return found


def _between(decoders: tuple[Decoder, Decoder], ours: SchemaId, theirs: SchemaId) -> Evolution:
    one, other = decoders[0].schema(ours), decoders[1].schema(theirs)
    if one is None or other is None:
        return NONE
    if isinstance(one, ProtobufSchema) and isinstance(other, ProtobufSchema):
        return _MESSAGES
    if not (is_avro(one) and is_avro(other)):
        return NONE
    try:
        return evolution(one, other)
    except Exception as error:  # noqa: BLE001 - a schema is written by others; `record_error` raises on what is not its
        return _refused(record_error(error, f"{named(ours)} beside {named(theirs)}", "schema"))


def _refused(error: RecordError) -> Evolution:
    """Of two schemas that cannot be held against each other: their values cannot be compared."""

    def refuse(_: Any) -> Any:
        raise RecordError(str(error), reason=error.reason)

    return Evolution({}, Step(refuse), Step(refuse))


def _decoded(decoder: Decoder, values: _Values, typed: Sequence[int]) -> list[Any]:
    """The values, those at some places with their types."""
    if not typed:
        return decoder.decode_many(values)
    if len(typed) == len(values):
        return decoder.typed.decode_many(values)
    found: list[Any] = [None] * len(values)
    plain = sorted({*range(len(values))} - {*typed})
    for one, places in ((decoder.typed, typed), (decoder, plain)):
        for place, value in zip(places, one.decode_many([values[place] for place in places]), strict=True):
            found[place] = value
    return found


def _stepped(step: Step | None, value: Any) -> Any:
    try:
        return value if step is None else step.of(value)
    except Exception as error:  # noqa: BLE001 - a value that its logical type has no place for; others are raised
        return record_error(error, "the value")
