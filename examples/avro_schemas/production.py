"""Production of the example: 3,000 orders in 30 hours as Avro with schema ids, a quote for each."""

import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path

import fastavro

TOPICS = ["avro-orders", "avro-quotes"]
GROUPS = {"avro-quoting": ["avro-orders"]}
TAX = {"SE": 0.25, "NO": 0.25, "DK": 0.25, "FI": 0.24}
SCHEMAS = {
    int(path.name.partition(".")[0]): fastavro.parse_schema(json.loads(path.read_text()))
    for path in Path("schemas").glob("*.avsc")
}


def framed(schema_id: int, value: dict) -> bytes:
    out = io.BytesIO()
    out.write(struct.pack(">bI", 0, schema_id))
    fastavro.schemaless_writer(out, SCHEMAS[schema_id], value)
    return out.getvalue()


def quote(order: dict) -> dict:
    goods = sum(line["price"] * line["count"] for line in order["lines"])
    return {"country": order["country"], "cost": {"goods": goods, "tax": goods * TAX[order["country"]]}}


def records() -> Iterator[tuple[str, bytes, bytes, int]]:
    for n in range(3_000):
        lines = [{"price": 1.0 + n * k % 97, "count": k} for k in range(1, 4)]
        order = {"country": list(TAX)[n % 4], "lines": lines}
        key, time_ms = b"order-%d" % n, 1_767_225_600_000 + n * 36_000
        yield "avro-orders", key, framed(1, order), time_ms
        yield "avro-quotes", key, framed(2, quote(order)), time_ms + 20
