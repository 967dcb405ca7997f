"""What makes a production output and a candidate output a pair: one hashable id per record, or none.

``key``: the record's key, declared unique. ``coordinate``: the input that a record came from, from the packed
header or from a header of production's own. A record without an id is unpairable: counted, never guessed.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from shadowstream.config import Config
from shadowstream.errors import RecordError
from shadowstream.records import PACKED_HEADER, Batch, Coordinate, Headers, Packed, Side, unpack

_DIGITS_MAX = 19  # of a 64-bit offset; beyond some thousands of digits Python refuses to read a number at all


def header(headers: Headers, name: str) -> bytes | None:
    """The last header of that name, as Kafka clients read it."""
    for key, value in reversed(headers or ()):
        if key == name:
            return value
    return None


def packed_of(headers: Headers) -> Packed | None:
    """The packed header, or None where there is none or it is broken."""
    raw = header(headers, PACKED_HEADER)
    if raw is None:
        return None
    try:
        return unpack(raw)
    except RecordError:
        return None


def text_coordinate(raw: bytes | None, inputs: Sequence[str]) -> Coordinate | None:
    """Production's own header ``topic/partition/offset`` or ``topic/partition/offset/k``.

    >>> text_coordinate(b"clicks/3/17", ["clicks"])
    Coordinate(topic=0, partition=3, offset=17, k=0)
    >>> text_coordinate(b"other/3/17", ["clicks"]) is None
    True
    """
    parts = (raw or b"").decode("utf-8", "replace").split("/")
    if len(parts) not in (3, 4) or parts[0] not in inputs:
        return None
    if not all(p.isdecimal() and len(p) <= _DIGITS_MAX for p in parts[1:]):
        return None
    numbers = [int(p) for p in parts[1:]]
    return Coordinate(inputs.index(parts[0]), numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else 0)


class Identity:
    """Ids of whole batches under a config."""

    def __init__(self, config: Config) -> None:
        self._kind = config.identity.kind
        self._header = config.identity.header
        self._inputs = config.inputs

    @property
    def is_coordinate(self) -> bool:
        """Whether ids are input coordinates."""
        return self._kind == "coordinate"

    def needs_headers(self, side: Side) -> bool:
        """The shadow's always (they carry the coordinate); production's only where they hold the id."""
        return side is Side.SHADOW or self._kind == "coordinate"

    def packed(self, headers: Headers) -> Packed | None:
        """The packed header, or None where there is none, it is broken, or it names an input that we do not have."""
        packed = packed_of(headers)
        return packed if packed and packed.coordinate.topic < len(self._inputs) else None

    def ids(self, side: Side, batch: Batch, packed: Sequence[Packed | None]) -> Sequence[Hashable]:
        """One id a record, None where it has none. `packed` are the shadow's unpacked headers."""
        if self._kind == "key":
            return batch.keys
        if side is Side.SHADOW:
            return [p.coordinate if p else None for p in packed]
        return [self._production(h) for h in batch.headers]

    def _production(self, headers: Headers) -> Coordinate | None:
        if self._header:
            return text_coordinate(header(headers, self._header), self._inputs)
        packed = self.packed(headers)
        return packed.coordinate if packed else None
