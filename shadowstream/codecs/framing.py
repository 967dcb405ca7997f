"""Which schema wrote a value: said per record, by a header, by a prefix, or by nothing (JSON).

=============================  ======================================================================
what a value has               is read as
=============================  ======================================================================
header ``__value_schema_id``   ``00`` and a 4-byte id, or ``01`` and a 16-byte GUID; the value is bare
first byte ``00``              Confluent framing: a 4-byte big-endian id follows, then the Avro bytes
the start of a JSON text       JSON
anything else, or no byte      an error of reason ``framing``
=============================  ======================================================================
"""

from __future__ import annotations

import struct
from typing import NamedTuple
from uuid import UUID

from shadowstream.errors import RecordError
from shadowstream.records import Headers

SCHEMA_HEADER = "__value_schema_id"
HEAD_BYTES = 5
"""What `frame` looks at without a header: values with the same first five bytes have the same frame."""

SchemaId = int | UUID

_HEAD = struct.Struct(">BI")
_MAGIC_ID, _MAGIC_GUID = 0, 1
_GUID_BYTES = 17
_JSON_STARTS = frozenset(b'{["-0123456789tfn \t\r\n')


class Frame(NamedTuple):
    """The writer schema's id, None for JSON, and the index of the first byte of the value itself."""

    schema_id: SchemaId | None
    start: int


_JSON = Frame(None, 0)


def frame(value: bytes, headers: Headers = None) -> Frame:
    """How `value` is framed; raises `RecordError` (reason ``framing``) where nothing fits.

    >>> frame(bytes.fromhex("0000000007") + b"avro")
    Frame(schema_id=7, start=5)
    >>> frame(b'{"score": 1}')
    Frame(schema_id=None, start=0)
    >>> frame(b"avro", [("__value_schema_id", bytes.fromhex("0000000007"))])
    Frame(schema_id=7, start=0)
    """
    named = schema_header(headers)
    if named is not None:
        return Frame(_header_id(named), 0)
    if not value:
        raise RecordError("empty value: neither framed Avro nor JSON", reason="framing")
    if value[0] == _MAGIC_ID:
        if len(value) < HEAD_BYTES:
            raise RecordError(
                f"{value.hex()}: begins like Confluent framing and ends before its schema id", reason="framing"
            )
        return Frame(_HEAD.unpack_from(value)[1], HEAD_BYTES)
    if value[0] in _JSON_STARTS:
        return _JSON
    raise RecordError(
        f"begins with {value[:HEAD_BYTES].hex()}: neither Confluent framing (00 and a 4-byte schema id) nor JSON",
        reason="framing",
    )


def schema_header(headers: Headers) -> bytes | None:
    """The last header that names the value's schema, as Kafka clients read it."""
    for name, content in reversed(headers or ()):
        if name == SCHEMA_HEADER:
            return content
    return None


def _header_id(content: bytes) -> SchemaId:
    if len(content) == HEAD_BYTES and content[0] == _MAGIC_ID:
        return int(_HEAD.unpack(content)[1])
    if len(content) == _GUID_BYTES and content[0] == _MAGIC_GUID:
        return UUID(bytes=content[1:])
    raise RecordError(
        f"header {SCHEMA_HEADER} is {content[:_GUID_BYTES].hex() or 'empty'}; "
        "expected 00 and a 4-byte schema id, or 01 and a 16-byte GUID",
        reason="framing",
    )


def framed(schema_id: int) -> bytes:
    """The five bytes that stand before a value of that schema.

    >>> framed(7).hex()
    '0000000007'
    """
    return _HEAD.pack(_MAGIC_ID, schema_id)
