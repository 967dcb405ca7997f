"""Pairs as they are written: texts of JSON, and bodies of Avro under two writer schemas; one by one and in batches."""

import io
import json
from typing import Any

import fastavro

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.framing import SchemaId, framed
from shadowstream.codecs.schemas import NoSchemas, ParsedSchema, parse
from shadowstream.compare import RuleSet, compare_pairs
from shadowstream.config import Rule

DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}
NANOS = {"type": "long", "logicalType": "timestamp-nanos"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}


class Two(NoSchemas):
    """Production's schema has the id 1, the candidate's 2."""

    def __init__(self, *kinds: Any) -> None:
        self.schemas = [parse(json.dumps(record(kind))) for kind in kinds]

    def by_id(self, schema_id: SchemaId) -> ParsedSchema:
        return self.schemas[int(schema_id) - 1] if isinstance(schema_id, int) else super().by_id(schema_id)


def record(kind: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": [{"name": "v", "type": kind}]}


def outcome(source: NoSchemas, one: bytes, other: bytes, *rules: Rule, names: Any = "error") -> str:
    """The outcome of a pair: the same alone, among many, and the other way round where no rule has a direction."""
    found = {
        outcome
        for times in (1, 40)
        for outcome in compare_pairs(
            [one] * times,
            [other] * times,
            Decoder(source, names=names),
            Decoder(source, names=names),
            RuleSet(list(rules)),
        ).outcomes
    }
    assert len(found) == 1, found
    return found.pop()


def of_json(one: str, other: str, *rules: Rule, names: Any = "error") -> str:
    """The outcome of a field `v` of two texts."""
    texts = [f'{{"v":{text}}}'.encode() for text in (one, other)]
    return outcome(NoSchemas(), *texts, *rules, names=names)


def of_avro(kinds: tuple[Any, Any], one: Any, other: Any, *rules: Rule) -> str:
    """The outcome of a field `v` of two types; a value in bytes is a body as it is."""
    bodies = []
    for number, (kind, value) in enumerate(zip(kinds, (one, other), strict=True), start=1):
        out = io.BytesIO()
        if isinstance(value, bytes):
            out.write(value)
        else:
            fastavro.schemaless_writer(out, fastavro.parse_schema(record(kind)), {"v": value})
        bodies.append(framed(number) + out.getvalue())
    return outcome(Two(*kinds), *bodies, *rules)


def unscaled(number: int) -> bytes:
    """The body of a decimal in bytes, whatever its schema claims."""
    digits = number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)
    assert len(digits) < 64
    return bytes([len(digits) << 1]) + digits
