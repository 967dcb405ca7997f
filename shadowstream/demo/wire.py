"""Avro in Confluent framing, as a team without shadowstream would write it: 0x00, a 4-byte schema id, the Avro bytes.

The demo's production process must not depend on shadowstream's own codecs: were both sides read and written by the
same code, an error in it would cancel out.
"""

import io
import json
import struct
from pathlib import Path
from typing import Any

import fastavro

SCHEMAS = Path(__file__).with_name("schemas")


class Wire:
    """Values of one subject to bytes and back. Not safe to share between threads: it reuses one buffer.

    The schema is `schemas/<id>.<subject>.avsc`.

    >>> delays = Wire("flight-delays-value")
    >>> delays.schema_id
    2
    >>> said = {"id": "x", "carrier": "UA", "score": 0.25, "late": False, "model": "m"}
    >>> delays.decode(delays.encode(said)) == said
    True
    """

    def __init__(self, subject: str) -> None:
        (path,) = SCHEMAS.glob(f"*.{subject}.avsc")
        self.schema_id = int(path.name.partition(".")[0])
        self._schema = fastavro.parse_schema(json.loads(path.read_text("utf-8")))
        self._prefix = struct.pack(">bI", 0, self.schema_id)
        self._buffer = io.BytesIO()

    def encode(self, value: dict[str, Any]) -> bytes:
        buffer = self._buffer
        buffer.seek(0)
        buffer.truncate()
        buffer.write(self._prefix)
        fastavro.schemaless_writer(buffer, self._schema, value)
        return buffer.getvalue()

    def decode(self, framed: bytes) -> dict[str, Any]:
        """The value in framed bytes. Raises ValueError where the frame names another schema."""
        if framed[:5] != self._prefix:
            raise ValueError(
                f"expected the frame {self._prefix.hex()} (schema id {self.schema_id}), got {framed[:5].hex()}"
            )
        value = fastavro.schemaless_reader(io.BytesIO(framed[5:]), self._schema, None)
        assert isinstance(value, dict)
        return value
