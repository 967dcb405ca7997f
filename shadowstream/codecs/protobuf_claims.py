"""Number of values that a Protobuf message claims, counted on its bytes without making any of them.

An empty message takes two bytes, and as much memory and as many values as its type has fields. So the bytes are walked
over by the message's type before they are read. Most messages need no walk: their type and length bound the number.
"""

import math
from typing import Any, NamedTuple

from shadowstream.codecs.bounds import DEPTH_MAX, ValuesMax, too_deep

_HIGH_BYTES = bytes(range(128, 256))
_VARINT, _EIGHT, _LENGTH, _GROUP, _END, _FOUR = range(6)
_TEXT_TYPES = frozenset((9, 12))  # string, bytes: a length, and no packed form
_PACKED_BYTES = {1: 8, 6: 8, 16: 8, 2: 4, 7: 4, 15: 4}  # double, fixed64, sfixed64, float, fixed32, sfixed32


class _Field(NamedTuple):
    type: int
    message: Any  # the descriptor of its messages, groups or entries; None for other fields
    is_repeated: bool


class _Kind(NamedTuple):
    """A message type: its fields by number, and the most values of n bytes, `fixed` + n · `per_byte`."""

    fields: dict[int, _Field]
    fixed: float
    per_byte: float

    @property
    def least(self) -> int:
        return 1 + len(self.fields)


class _Broken(Exception):
    """The message cannot be read: the reader reports it."""


class MessageClaims:
    """Claims of messages of one schema."""

    def __init__(self, values_max: int) -> None:
        self._max = values_max
        self._kinds: dict[str, _Kind] = {}
        self._open: set[str] = set()

    def check(self, descriptor: Any, value: bytes, start: int) -> None:
        """Raise `RecordError` (``bounds``) for a message at `start` that claims too much, or is nested too deep."""
        kind = self._kind(descriptor)
        if kind.fixed + kind.per_byte * (len(value) - start) <= self._max:
            return
        left = ValuesMax(self._max)
        left.take(kind.least)
        try:
            self._walk(kind, value, (start, len(value)), left, 1)
        except (IndexError, _Broken):
            return

    def _kind(self, descriptor: Any) -> _Kind:
        name = descriptor.full_name
        if name not in self._kinds:
            fields = {one.number: _Field(one.type, one.message_type, one.is_repeated) for one in descriptor.fields}
            self._open.add(name)
            fixed, per_byte = 1.0 + len(fields), 1.0
            for field in fields.values():
                if field.message is None:
                    continue
                if field.message.full_name in self._open:
                    per_byte = math.inf
                    continue
                inner = self._kind(field.message)
                per_byte = max(per_byte, inner.per_byte + (inner.fixed / 2 if field.is_repeated else 0))
                fixed += 0 if field.is_repeated else inner.fixed
            self._open.discard(name)
            self._kinds[name] = _Kind(fields, fixed, per_byte)
        return self._kinds[name]

    def _walk(self, kind: _Kind, data: bytes, span: tuple[int, int], left: ValuesMax, depth: int) -> int:
        """Walk over the fields in a span of bytes, or to the end of their group; return the index behind them."""
        if depth > DEPTH_MAX:
            raise too_deep()
        at, end = span
        while at < end:
            tag, at = _varint(data, at)
            if (wire := tag & 7) == _END:
                return at
            field = kind.fields.get(tag >> 3)
            if wire == _LENGTH:
                length, at = _varint(data, at)
                if length > end - at:
                    raise _Broken
                self._take_length(field, data, (at, at + length), left, depth)
                at += length
            elif wire == _GROUP:
                inner = _NONE if field is None or field.message is None else self._kind(field.message)
                left.take(inner.least)
                at = self._walk(inner, data, (at, end), left, depth + 1)
            else:
                left.take(1)
                if wire == _VARINT:
                    at = _varint(data, at)[1]
                elif wire in (_EIGHT, _FOUR):
                    at += 8 if wire == _EIGHT else 4
                else:
                    raise _Broken
        return at

    def _take_length(
        self, field: _Field | None, data: bytes, span: tuple[int, int], left: ValuesMax, depth: int
    ) -> None:
        if field is None or field.type in _TEXT_TYPES:
            left.take(1)
        elif field.message is not None:
            inner = self._kind(field.message)
            left.take(inner.least)
            if field.message.GetOptions().map_entry:
                # Its value is made even if the entry does not hold one.
                value = inner.fields[2].message
                left.take(0 if value is None else self._kind(value).least)
            self._walk(inner, data, span, left, depth + 1)
        elif size := _PACKED_BYTES.get(field.type):
            left.take((span[1] - span[0]) // size)
        else:
            left.take(len(data[slice(*span)].translate(None, _HIGH_BYTES)))


_NONE = _Kind({}, 1.0, 1.0)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    raw = byte & 0x7F
    for n in range(1, 10):
        byte = data[at + n]
        raw |= (byte & 0x7F) << (7 * n)
        if byte < 0x80:
            return raw, at + n + 1
    raise _Broken
