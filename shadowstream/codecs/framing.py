"""Which schema wrote a value: said per record, by a header, by a prefix, or by nothing.

=============================  ======================================================================
what a value has               is read as
=============================  ======================================================================
header ``__value_schema_id``   ``00`` and a 4-byte id, or ``01`` and a 16-byte GUID; the value is bare
first byte ``00``              Confluent framing: a 4-byte big-endian id follows, then the body
first bytes ``C3 01``          Avro single-object encoding: 8 bytes of CRC-64-AVRO follow, then the body
the start of a JSON text       JSON
anything else, or no byte      an error of reason ``framing``, also ``FE``, by which `headed` says: a broken header
=============================  ======================================================================

That is `auto`; a topic's `config.Format` may say what a value without a header or prefix is. A header is looked at
where its topic's format says `header`. Such a value is from there on handled as `headed` gives it: what stood in the
header stands before it, as in the prefix form, so that a value says its schema by itself wherever it goes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from operator import itemgetter
from typing import NamedTuple
from uuid import UUID

from shadowstream.config import Format
from shadowstream.errors import RecordError
from shadowstream.records import Headers

SCHEMA_HEADER = "__value_schema_id"
HEAD_BYTES = 5
"""What `frame` looks at in Confluent framing: values with the same first five bytes have the same frame."""

SchemaId = int | UUID | bytes
"""The id or GUID of a registry, or the 8 bytes of an Avro fingerprint."""

_HEAD = struct.Struct(">BI")
_MAGIC_ID, _MAGIC_GUID, _BROKEN = 0, 1, 0xFE
_GUID_BYTES = 17
_SENTINEL = bytes((_BROKEN,))
_NO_HEADER = bytes((_BROKEN, 0xFF))
"""Stands before a value that had no header and begins with our own sentinel: no header is cut to that length."""
SINGLE_OBJECT = b"\xc3\x01"
SINGLE_OBJECT_BYTES = 10
_JSON_STARTS = frozenset(b'{["-0123456789tfn \t\r\n')
_CUT = _GUID_BYTES


class Frame(NamedTuple):
    """The writer schema's id, None where there is none, and the index of the first byte of the value itself."""

    schema_id: SchemaId | None
    start: int


_PLAIN = Frame(None, 0)
Framing = Callable[[bytes], Frame]


def frame(value: bytes, headed_too: bool = False) -> Frame:
    """How `value` is framed; raises `RecordError` (reason ``framing``) where nothing fits.

    `headed_too`: it may come from `headed`.

    >>> frame(bytes.fromhex("0000000007") + b"avro")
    Frame(schema_id=7, start=5)
    >>> frame(b'{"score": 1}')
    Frame(schema_id=None, start=0)
    """
    if not value:
        raise RecordError("empty value: neither framed nor JSON", reason="framing")
    first = value[0]
    if first == _MAGIC_ID:
        if len(value) < HEAD_BYTES:
            raise RecordError(
                f"{value.hex()}: begins like Confluent framing and ends before its schema id", reason="framing"
            )
        return Frame(_HEAD.unpack_from(value)[1], HEAD_BYTES)
    if first in _JSON_STARTS:
        return _PLAIN
    if value.startswith(SINGLE_OBJECT) and len(value) >= SINGLE_OBJECT_BYTES:
        return Frame(value[len(SINGLE_OBJECT) : SINGLE_OBJECT_BYTES], SINGLE_OBJECT_BYTES)
    if headed_too and first == _MAGIC_GUID and len(value) >= _GUID_BYTES:
        return Frame(UUID(bytes=value[1:_GUID_BYTES]), _GUID_BYTES)
    if headed_too and value.startswith(_NO_HEADER):
        # A producer may write our own sentinel: `headed` has put another before it, which only says that.
        return frame(value[len(_NO_HEADER) :])
    if headed_too and first == _BROKEN and len(value) > 1:
        raise RecordError(
            f"header {SCHEMA_HEADER} is {value[2 : 2 + value[1]].hex() or 'empty'}; "
            "expected 00 and a 4-byte schema id, or 01 and a 16-byte GUID",
            reason="framing",
        )
    raise RecordError(
        f"begins with {value[:HEAD_BYTES].hex()}: neither Confluent framing (00 and a 4-byte schema id) nor JSON; "
        "if a header or the config says what it is, say so in schemas.formats",
        reason="framing",
    )


def framing_of(format: Format) -> Framing:
    """How values of a topic of that format are framed, after `headed` where it says `header`."""
    if format.format in ("bytes", "text"):
        return lambda value: _PLAIN
    if format.format in ("avro", "protobuf") and not format.header:
        always = Frame(format.schema_ids[0], 0)
        return lambda value: always
    if format.format == "json":
        return _json_framing(format)
    return (lambda value: frame(value, True)) if format.header else frame


def _json_framing(format: Format) -> Framing:
    bare = Frame(format.schema_ids[0], 0) if format.schema_ids else _PLAIN

    def framing(value: bytes) -> Frame:
        found = frame(value, format.header)
        if isinstance(found.schema_id, bytes):
            raise RecordError(f"begins with {value[:HEAD_BYTES].hex()}: neither framed nor JSON", reason="framing")
        return bare if found.schema_id is None else found

    return framing


def head_of(format: Format) -> Callable[[bytes], bytes]:
    """What tells frames apart: values with equal heads have equal frames, `C3 01` and GUIDs (longer) set apart."""
    bare = format.format in ("bytes", "text") or (format.format in ("avro", "protobuf") and not format.header)
    return itemgetter(slice(0 if bare else HEAD_BYTES))


def schema_header(headers: Headers) -> bytes | None:
    """The last header that names the value's schema, as Kafka clients read it."""
    for name, content in reversed(headers or ()):
        if name == SCHEMA_HEADER:
            return content
    return None


def headed(value: bytes | None, headers: Headers, format: Format) -> tuple[bytes | None, int]:
    """The value with what its header says before it, and how many bytes were put there.

    A tombstone stays one. Of a bare Avro body without a header the configured schema is put there.

    >>> headed(b"avro", [("__value_schema_id", bytes.fromhex("0000000007"))], Format(header=True))
    (b'\\x00\\x00\\x00\\x00\\x07avro', 5)
    """
    if value is None:
        return None, 0
    content = schema_header(headers)
    if content is None:
        if format.format != "avro":
            return (_NO_HEADER + value, len(_NO_HEADER)) if value[:1] == _SENTINEL else (value, 0)
        content = framed(format.schema_ids[0])
    # A registry client writes more than id or GUID there for Protobuf: which message of the schema it is.
    elif not (len(content) >= HEAD_BYTES and content[0] == _MAGIC_ID) and not (
        len(content) >= _GUID_BYTES and content[0] == _MAGIC_GUID
    ):
        content = bytes((_BROKEN, min(len(content), _CUT))) + content[:_CUT]
    return content + value, len(content)


def unheaded(value: bytes, head: int) -> tuple[bytes, bytes | None]:
    """What `headed` was given: the value, and what stood in its header, None where there was none.

    >>> unheaded(bytes.fromhex("0000000007") + b"avro", 5)
    (b'avro', b'\\x00\\x00\\x00\\x00\\x07')
    """
    if value.startswith(_NO_HEADER):
        return value[head:], None
    content = value[2:head] if value[:1] == _SENTINEL else value[:head]
    return value[head:], content


def framed(schema_id: int) -> bytes:
    """The five bytes that stand before a value of that schema.

    >>> framed(7).hex()
    '0000000007'
    """
    return _HEAD.pack(_MAGIC_ID, schema_id)
