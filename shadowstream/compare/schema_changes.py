"""Conversion of pairs with two writer schemas to comparable values (`codecs.evolution`), and the record of schema
changes."""

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
"""The evolution of two Protobuf schemas. The actual changes depend on the message types of a pair."""


class SchemaPair(NamedTuple):
    """Two schemas compared for the first time, and the paths of their changes, by kind."""

    production: SchemaId
    shadow: SchemaId
    changes: dict[str, list[str]]


class Evolutions:
    """The changes between the schemas of two sides, computed once for each pair of schemas.

    `changes` holds, for the latest batch, the indexes of pairs compared across a change, and its kinds. `new_pairs`
    collects new pairs of schemas; its reader empties it.
    """

    def __init__(self) -> None:
        self.changes: dict[int, tuple[str, ...]] = {}
        self.new_pairs: list[SchemaPair] = []
        self._known: dict[tuple[Any, Any], Evolution] = {}

    def begin(self) -> None:
        """Start another batch of pairs, or repeat one whose schema was unavailable."""
        self.changes = {}

    def uncounted(self) -> Evolutions:
        """A copy of the known evolutions, for pairs that are not counted: a pair that is explained later."""
        copy = Evolutions()
        copy._known = dict(self._known)
        return copy

    def of(self, decoders: tuple[Decoder, Decoder], production: bytes, shadow: bytes) -> Evolution:
        """The changes between the schemas of two values; `NONE` without schemas, or for schemas of two formats."""
        production_id, shadow_id = decoders[0].schema_id(production), decoders[1].schema_id(shadow)
        if production_id is None or shadow_id is None:
            return NONE
        known = self._known.get((production_id, shadow_id))
        if known is None:
            known = self._known[production_id, shadow_id] = _between(decoders, production_id, shadow_id)
            if known.changes:
                self.new_pairs.append(SchemaPair(production_id, shadow_id, known.changes))
        return known

    def note(self, evolution: Evolution, indexes: Sequence[int]) -> None:
        """Enter at each index all kinds of change between the two schemas."""
        self.changes.update(dict.fromkeys(indexes, tuple(evolution.changes)))

    def decoded(
        self, decoders: tuple[Decoder, Decoder], raw: tuple[_Values, _Values], places: Sequence[int]
    ) -> tuple[list[Any], list[Any]]:
        """Decode `raw` to comparable values of both sides; `places` are the indexes of the pairs in the batch."""
        of_pairs = [
            NONE if production is None or shadow is None else self.of(decoders, production, shadow)
            for production, shadow in zip(*raw, strict=True)
        ]
        if all(between_pair is NONE for between_pair in of_pairs):
            return decoders[0].decode_many(raw[0]), decoders[1].decode_many(raw[1])
        typed = [index for index, between_pair in enumerate(of_pairs) if between_pair.typed]
        production_values, shadow_values = (
            _decoded(decoder, column, typed) for decoder, column in zip(decoders, raw, strict=True)
        )
        for index, (between_pair, production, shadow) in enumerate(
            zip(of_pairs, production_values, shadow_values, strict=True)
        ):
            if isinstance(production, RecordError) or isinstance(shadow, RecordError):
                continue
            if isinstance(production, Message) and isinstance(shadow, Message):
                between_pair = self._of_messages(production, shadow)
                production, shadow = production.value, shadow.value
            if between_pair.changes:
                self.note(between_pair, places[index : index + 1])
            production_values[index] = _stepped(between_pair.production, production)
            shadow_values[index] = _stepped(between_pair.shadow, shadow)
        return production_values, shadow_values

    def _of_messages(self, production: Message, shadow: Message) -> Evolution:
        pair = production.descriptor, shadow.descriptor
        known = self._known.get(pair)
        if known is None:
            known = self._known[pair] = between(*pair)
        return known


def _between(decoders: tuple[Decoder, Decoder], production_id: SchemaId, shadow_id: SchemaId) -> Evolution:
    production, shadow = decoders[0].schema(production_id), decoders[1].schema(shadow_id)
    if production is None or shadow is None:
        return NONE
    if isinstance(production, ProtobufSchema) and isinstance(shadow, ProtobufSchema):
        return _MESSAGES
    if not (is_avro(production) and is_avro(shadow)):
        return NONE
    try:
        return evolution(production, shadow)
    except Exception as error:  # noqa: BLE001 - schemas are foreign input; `record_error` re-raises other errors
        return _refused(record_error(error, f"{named(production_id)} beside {named(shadow_id)}", "schema"))


def _refused(error: RecordError) -> Evolution:
    """The evolution of two schemas that cannot be compared: it raises an error for each value."""

    def refuse(_: Any) -> Any:
        raise RecordError(str(error), reason=error.reason)

    return Evolution({}, Step(refuse), Step(refuse))


def _decoded(decoder: Decoder, values: _Values, typed: Sequence[int]) -> list[Any]:
    if not typed:
        return decoder.decode_many(values)
    if len(typed) == len(values):
        return decoder.typed.decode_many(values)
    decoded: list[Any] = [None] * len(values)
    plain = sorted({*range(len(values))} - {*typed})
    for reader, indexes in ((decoder.typed, typed), (decoder, plain)):
        for index, value in zip(indexes, reader.decode_many([values[index] for index in indexes]), strict=True):
            decoded[index] = value
    return decoded


def _stepped(step: Step | None, value: Any) -> Any:
    try:
        return value if step is None else step.of(value)
    except Exception as error:  # noqa: BLE001 - no value of its logical type; `record_error` re-raises others
        return record_error(error, "the value")
