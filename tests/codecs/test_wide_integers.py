"""Integers of more bits than their type has: a column never holds another number than a row does."""

import io
from typing import Any

import fastavro
import pytest

from shadowstream.codecs.avro_parts import varint
from shadowstream.codecs.columns import column_reader

BODIES_MAX = 1 << 20
WIDE = (2**32 - 2, 2**32 - 1, 2**32, 2**32 + 1, 2**35 - 1, 2**64 - 2, 2**64 - 1)  # zigzag: the first two are of an int
SURROUNDING: dict[str, tuple[bytes, bytes]] = {
    "plain": (b"", b""), "optional": (b"\2", b""), "array": (b"\2", b"\0"), "map": (b"\2\2k", b"\0")
}  # fmt: skip


def typed(shape: str, of: str) -> Any:
    return {
        "plain": of,
        "optional": ["null", of],
        "array": {"type": "array", "items": of},
        "map": {"type": "map", "values": of},
    }[shape]


@pytest.mark.parametrize("of", ["int", "long"])
@pytest.mark.parametrize("shape", SURROUNDING)
def test_a_column_holds_the_number_of_the_row_or_none(shape: str, of: str) -> None:
    schema = fastavro.parse_schema({"type": "record", "name": "R", "fields": [{"name": "a", "type": typed(shape, of)}]})
    before, after = SURROUNDING[shape]
    reader = column_reader(schema)
    assert reader is not None
    read = 0
    for zigzag in WIDE:
        body = before + varint(zigzag) + after
        row = fastavro.schemaless_reader(io.BytesIO(body), schema, None)
        if (found := reader.read([body], BODIES_MAX)) is None:
            continue
        read += 1
        ((value,),) = (one.values() for one in found[0].to_pylist())
        assert (dict(value) if shape == "map" else value) == row["a"], zigzag
    assert read == (2 if of == "int" else len(WIDE))
