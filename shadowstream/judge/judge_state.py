"""Format of the judge's stored state, which the judge restores and `status` reads."""

import json
from collections.abc import Mapping
from typing import Any

from shadowstream.protocol.metadata_codec import pack, unpack

VERSION = 9
_BYTES_MAX = 100_000_000
"""Maximum bytes of a state; a message of a broker holds a tenth of that at most."""


def packed(body: Mapping[str, Any]) -> str:
    # A year of open hours is a megabyte of JSON, more than a broker accepts; deflated it is a tenth of that.
    return pack(json.dumps(body, separators=(",", ":")).encode())


def unpacked(text: str) -> Any:
    return json.loads(unpack(text, _BYTES_MAX))
