"""The envelope of commit metadata: a digit that names the form, then the body as zlib and base85.

Form ``1`` is whole. Form ``2`` lacks what did not fit; a record of the same commit holds it.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from typing import TypeVar

from shadowstream.errors import ConfigError

WHOLE, OVERFLOW = "1", "2"
_SHOWN = 20

T = TypeVar("T")


def pack(data: bytes) -> str:
    """Compress bytes into text.

    >>> unpack(pack(b"abc"))
    b'abc'
    """
    return base64.b85encode(zlib.compress(data, 6)).decode()


def unpack(text: str) -> bytes:
    """Return the bytes of `pack`; raises ValueError or zlib.error for any other text."""
    return zlib.decompress(base64.b85decode(text))


def overflows(metadata: str) -> bool:
    """Return whether a record of the commit holds what did not fit."""
    return metadata.startswith(OVERFLOW)


def opened(metadata: str, parse: Callable[[bytes], T]) -> T:
    """Return the parsed body of commit metadata; `parse` raises ValueError for a body that it cannot read.

    Raises `ConfigError` for anything that this release did not write: nothing is guessed.
    """
    shown = f"commit metadata {metadata[:_SHOWN]!r}"
    if metadata[:1] not in (WHOLE, OVERFLOW):
        raise ConfigError(
            f"{shown} is of an unknown form: something else has committed to our group "
            "(kafka-consumer-groups --reset-offsets, say), or a newer release has. Run the newer release, or remove "
            "the topics and groups of this trial and start anew"
        )
    try:
        return parse(unpack(metadata[1:]))
    except (ValueError, zlib.error) as error:
        raise ConfigError(f"{shown} cannot be read: {error}; did something alter it?") from error
