"""Pairs as they are written: texts of JSON, and bodies of Avro under two writer schemas; one by one and in batches."""

import io
import json
from typing import Any

import fastavro

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.framing import SchemaId, framed
from shadowstream.codecs.schemas import NoSchemas, parse
from shadowstream.compare import RuleSet, compare_pairs
from shadowstream.config import Rule

DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}
NANOS = {"type": "long", "logicalType": "timestamp-nanos"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
Found = tuple[str, list[tuple[str, str]]]
"""An outcome, and path and kind of each difference."""


class Registry(NoSchemas):
    """These schemas, by ids from 1; those of Avro are parsed."""

    def __init__(self, *schemas: Any) -> None:
        self.schemas: list[Any] = [one if isinstance(one, tuple) else parse(json.dumps(one)) for one in schemas]

    def by_id(self, schema_id: SchemaId) -> Any:
        return self.schemas[int(schema_id) - 1] if isinstance(schema_id, int) else super().by_id(schema_id)


def record(kind: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": [{"name": "v", "type": kind}]}


def body(schema: Any, value: Any) -> bytes:
    """The bare body, written by fastavro itself."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


def found(source: NoSchemas, one: bytes | None, other: bytes | None, *rules: Rule, **more: Any) -> Found:
    """Outcome and differences of a pair, the same alone and among many; `more`: `names`, or `added` fields."""
    every = [
        (result.outcome, [(difference.path, difference.kind) for difference in result.differences])
        for times in (1, 40)
        for result in compare_pairs(
            *([one] * times, [other] * times),
            *(Decoder(source, names=more.get("names", "error")) for _ in range(2)),
            RuleSet(list(rules), more.get("added", "mismatch")),
        )
    ]
    assert every == every[:1] * 41
    return every[0]


def of_json(one: str, other: str, *rules: Rule, names: Any = "error") -> str:
    """The outcome of a field `v` of two texts."""
    texts = [f'{{"v":{text}}}'.encode() for text in (one, other)]
    return found(NoSchemas(), *texts, *rules, names=names)[0]


def of_avro(kinds: tuple[Any, Any], one: Any, other: Any, *rules: Rule) -> str:
    """The outcome of a field `v` of two types; a value in bytes is a body as it is."""
    values = (value if isinstance(value, bytes) else body(record(of), {"v": value})
              for of, value in zip(kinds, (one, other), strict=True))  # fmt: skip
    bodies = [framed(number) + raw for number, raw in enumerate(values, start=1)]
    return found(Registry(*map(record, kinds)), *bodies, *rules)[0]


def unscaled(number: int) -> bytes:
    """The body of a decimal in bytes, whatever its schema claims."""
    digits = number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)
    assert len(digits) < 64
    return bytes([len(digits) << 1]) + digits
