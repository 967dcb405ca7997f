"""The envelope of commit metadata: one digit for the form, then the body as zlib and base85.

Form ``1`` is complete. Form ``2`` is cut: a record of the same commit holds the rest. Form ``3`` is cut too: several
records hold the rest, some of them of earlier commits.
"""

import base64
import struct
import zlib
from collections.abc import Callable
from typing import TypeVar

from shadowstream.errors import ConfigError

WHOLE, OVERFLOW, LOGGED = "1", "2", "3"
INFLATED_BYTES_MAX = 10_000_000
"""Maximum bytes of a compressed text: 24 characters can hold a gigabyte."""

SHORT_BYTES_MAX = 64
"""Bytes up to which a body is stored: compressing a few bytes makes them no shorter, and costs most of a commit."""
_STORED = [b"\x78\x01\x01" + struct.pack("<HH", n, n ^ 0xFFFF) for n in range(SHORT_BYTES_MAX + 1)]
"""The beginning of a zlib stream with one stored block, by the bytes of the block (RFC 1950 and 1951)."""

T = TypeVar("T")


def pack(data: bytes, level: int = 6, base85: Callable[[bytes], bytes] = base64.b85encode) -> str:
    """Compress bytes into text; `level` is zlib's, `base85` encodes as `base64.b85encode` does.

    >>> unpack(pack(b"abc"))
    b'abc'
    """
    if len(data) <= SHORT_BYTES_MAX:
        stream = _STORED[len(data)] + data + zlib.adler32(data).to_bytes(4, "big")
    else:
        stream = zlib.compress(data, level)
    return base85(stream).decode()


def unpack(text: str, bytes_max: int = INFLATED_BYTES_MAX) -> bytes:
    """Return the bytes that `pack` compressed; raise ValueError or zlib.error for any other text, or a larger one."""
    return inflated(base64.b85decode(text), bytes_max)


def inflated(data: bytes, bytes_max: int = INFLATED_BYTES_MAX) -> bytes:
    """Return the bytes that zlib compressed; raise ValueError if they are more than `bytes_max`, or zlib.error."""
    stream = zlib.decompressobj()
    whole = stream.decompress(data, bytes_max)
    if not stream.eof:
        raise ValueError(f"it is cut off, or takes more than {bytes_max} bytes when it is decompressed")
    return whole


def overflows(metadata: str) -> bool:
    """Return whether a record of the commit holds the rest."""
    return metadata.startswith(OVERFLOW)


def opened(metadata: str, parse: Callable[[bytes], T]) -> T:
    """Return the body of commit metadata as `parse` reads it; `parse` raises ValueError for an unreadable body.

    Raises `ConfigError` for any metadata that this release did not write.
    """
    shown = f"commit metadata {metadata[:20]!r}"
    if metadata[:1] not in (WHOLE, OVERFLOW, LOGGED):
        raise ConfigError(
            f"{shown} has an unknown form: another program (such as kafka-consumer-groups --reset-offsets) or a newer "
            "release has committed to the trial's group. Run the newer release, or remove the topics and groups of "
            "this trial and start anew"
        )
    try:
        return parse(unpack(metadata[1:]))
    except (ValueError, zlib.error) as error:
        raise ConfigError(f"{shown} cannot be read: {error}; did another program change it?") from error
