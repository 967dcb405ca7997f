"""Identification of a value's writer schema: by a header, by a prefix, or by nothing.

=============================  ======================================================================
a value has                    it is read as
=============================  ======================================================================
header ``__value_schema_id``   ``00`` and a 4-byte id, or ``01`` and a 16-byte GUID; the value is bare
first byte ``00``              Confluent framing: a 4-byte big-endian id follows, then the body
first bytes ``C3 01``          Avro single-object encoding: 8 bytes of CRC-64-AVRO follow, then the body
the start of a JSON text       JSON
anything else, or no byte      an error of reason ``framing``; also ``FE``, which `headed` writes for a broken header
=============================  ======================================================================

This is the format `auto`. A topic's `config.Format` may give the format of values without a header or prefix.
Headers are used only if the topic's format has `header`. `headed` then puts the content of the header before the
value, as in the prefix form, so that the value identifies its schema by itself from there on.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from shadowstream.errors import RecordError
from shadowstream.records import Headers

if TYPE_CHECKING:  # the process of functions of `compare` starts in half the time without the config
    from shadowstream.config import Format

SCHEMA_HEADER = "__value_schema_id"
HEAD_BYTES = 5
"""The bytes that `frame` examines in Confluent framing: values with the same first five bytes have the same frame."""

SchemaId = int | UUID | bytes
"""The id or GUID of a registry, or the 8 bytes of an Avro fingerprint."""

_HEAD = struct.Struct(">BI")
_MAGIC_ID, _MAGIC_GUID, _BROKEN = 0, 1, 0xFE
_GUID_BYTES = 17
_SENTINEL = bytes((_BROKEN,))
_NO_HEADER = bytes((_BROKEN, 0xFF))
"""Prefix of a value that had no header and begins with shadowstream's sentinel. No header content is cut to this
length."""
SINGLE_OBJECT = b"\xc3\x01"
SINGLE_OBJECT_BYTES = 10
_JSON_STARTS = frozenset(b'{["-0123456789tfn \t\r\n')
_CUT = _GUID_BYTES


class Frame(NamedTuple):
    """The writer schema's id (None if there is none) and the index of the first byte of the body."""

    schema_id: SchemaId | None
    start: int


_PLAIN = Frame(None, 0)
Framing = Callable[[bytes], Frame]


def frame(value: bytes, headed_too: bool = False) -> Frame:
    """Parse the frame of `value`; raise `RecordError` (reason ``framing``) if none fits.

    `headed_too`: the value may come from `headed`.

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
        # A producer may write the sentinel itself: `headed` has put another one before it as an escape.
        return frame(value[len(_NO_HEADER) :])
    if headed_too and first == _BROKEN and len(value) > 1:
        raise RecordError(
            f"header {SCHEMA_HEADER} is {value[2 : 2 + value[1]].hex() or 'empty'}; "
            "expected 00 and a 4-byte schema id, or 01 and a 16-byte GUID",
            reason="framing",
        )
    raise RecordError(
        f"begins with {value[:HEAD_BYTES].hex()}: neither Confluent framing (00 and a 4-byte schema id) nor JSON; "
        "if it is plain text or bytes, or a header or the config identifies the schema, set schemas.formats for this "
        "topic",
        reason="framing",
    )


def framing_of(format: Format) -> Framing:
    """The parser of frames for values of a topic with this format, after `headed` if the format has `header`."""
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
        framed = frame(value, format.header)
        if isinstance(framed.schema_id, bytes):
            raise RecordError(f"begins with {value[:HEAD_BYTES].hex()}: neither framed nor JSON", reason="framing")
        return bare if framed.schema_id is None else framed

    return framing


def head_of(format: Format) -> Callable[[bytes], bytes]:
    """The function that returns the head of a value. Equal heads mean equal frames, except for `C3 01` and GUIDs, which
    are longer."""
    bare = format.format in ("bytes", "text") or (format.format in ("avro", "protobuf") and not format.header)
    return itemgetter(slice(0 if bare else HEAD_BYTES))


def schema_header(headers: Headers) -> bytes | None:
    """The last header that names the value's schema, as Kafka clients read it."""
    for name, content in reversed(headers or ()):
        if name == SCHEMA_HEADER:
            return content
    return None


def headed(value: bytes | None, headers: Headers, format: Format) -> tuple[bytes | None, int]:
    """Put the content of the schema header before the value; return the value and the number of added bytes.

    A tombstone remains None. A bare Avro body without a header gets the configured schema.

    >>> from shadowstream.config import Format
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
    # For Protobuf, a registry client also writes the index of the message after the id or GUID.
    elif not (len(content) >= HEAD_BYTES and content[0] == _MAGIC_ID) and not (
        len(content) >= _GUID_BYTES and content[0] == _MAGIC_GUID
    ):
        content = bytes((_BROKEN, min(len(content), _CUT))) + content[:_CUT]
    return content + value, len(content)


def unheaded(value: bytes, head: int) -> tuple[bytes, bytes | None]:
    """Undo `headed`: return the value and the content of its header, None if there was none.

    >>> unheaded(bytes.fromhex("0000000007") + b"avro", 5)
    (b'avro', b'\\x00\\x00\\x00\\x00\\x07')
    """
    if value.startswith(_NO_HEADER):
        return value[head:], None
    content = value[2:head] if value[:1] == _SENTINEL else value[:head]
    return value[head:], content


def framed(schema_id: int) -> bytes:
    """The five bytes before a value of this schema.

    >>> framed(7).hex()
    '0000000007'
    """
    return _HEAD.pack(_MAGIC_ID, schema_id)
