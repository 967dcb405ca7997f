"""Values on their way back from the candidate's process, as MessagePack.

Reading pickled data runs code that its writer chooses, and the writer is not trusted here. MessagePack holds data only.
All types that a decoder makes come back as they were; subclasses of `str`, `int`, `float`, `list` and `dict` become
these, and results of NumPy become plain values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any
from uuid import UUID

import msgpack

from shadowstream.codecs.numbers import DECIMAL_BYTES_MAX, ExactFloat
from shadowstream.errors import CandidateError
from shadowstream.runner.outputs import Output, are_headers

DIGITS_MAX = 2 * DECIMAL_BYTES_MAX
"""Maximum digits and exponent of a decimal, and bytes of an integer: larger ones take the runner's time and memory."""
_FLAT_BYTES_MAX = 2 * DIGITS_MAX
"""Maximum bytes of a value that holds no others. It is checked first, because the digits of a long text take memory."""
NESTING_MAX = 64
"""Maximum levels of tuples in tuples: each is read within the other, and takes 40 kB of the runner's stack."""
CONTAINERS_MAX = 1_000_000
"""Maximum containers in all answers to one request."""
_FAR_TIME, _LATE = "FarTime", b"t"
_MICROSECOND = timedelta(microseconds=1)


def _bounded(value: Decimal) -> Decimal:
    if value.is_finite() and (len(value.as_tuple().digits) > DIGITS_MAX or abs(value.adjusted()) > DIGITS_MAX):
        raise ValueError(f"a decimal has at most {DIGITS_MAX} digits before or behind the point")
    return value


def _int_bytes(value: int) -> bytes:
    if value.bit_length() > 8 * DIGITS_MAX:
        raise ValueError(f"an integer has at most {DIGITS_MAX} bytes")
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _int(data: bytes) -> int:
    if len(data) > DIGITS_MAX + 1:
        raise ValueError(f"an integer has at most {DIGITS_MAX} bytes")
    return int.from_bytes(data, "big", signed=True)


def _far_time(parts: Any) -> Any:
    from shadowstream.codecs.far_times import FarTime  # loads fastavro, which a candidate rarely needs

    number, above, below = map(_int, parts)
    return FarTime(number, above if below == 1 else Fraction(above, below))


def _far_time_parts(value: Any) -> list[bytes]:
    unit = Fraction(value.unit_ns)
    return [_int_bytes(part) for part in (int(value), unit.numerator, unit.denominator)]


def _output(parts: Any) -> Output:
    value, key, drop_key, topic, headers = parts
    if not isinstance(key, bytes | None) or not isinstance(topic, str | None) or not are_headers(headers):
        raise ValueError("an output's key is bytes, its topic a text, its headers texts with bytes")
    return Output(value, key, bool(drop_key), topic, headers)


def _failure(data: bytes) -> CandidateError:
    absence = "timeout" if data[:1] == _LATE else "error"
    return CandidateError(data[1:].decode("utf-8", "replace")[:600], absence=absence)


def _failure_bytes(failure: CandidateError) -> bytes:
    return (_LATE if failure.absence == "timeout" else b"e") + str(failure).encode("utf-8", "replace")


_Kind = tuple[int, type, Callable[[Any], bytes], Callable[[bytes], Any]]
_KINDS: tuple[_Kind, ...] = (
    (2, int, _int_bytes, _int),
    (3, Decimal, lambda value: str(_bounded(value)).encode(), lambda data: _bounded(Decimal(data.decode()))),
    (4, datetime, lambda value: value.isoformat().encode(), lambda data: datetime.fromisoformat(data.decode())),
    (5, date, lambda value: value.isoformat().encode(), lambda data: date.fromisoformat(data.decode())),
    (6, time, lambda value: value.isoformat().encode(), lambda data: time.fromisoformat(data.decode())),
    (7, UUID, lambda value: value.bytes, lambda data: UUID(bytes=data)),
    (8, timedelta, lambda value: _int_bytes(value // _MICROSECOND), lambda data: _int(data) * _MICROSECOND),
    (9, ExactFloat, lambda v: str(_bounded(v.exact)).encode(), lambda d: ExactFloat(_bounded(Decimal(d.decode())))),
    (12, CandidateError, _failure_bytes, _failure),
)
_FAR_TIME_CODE = 10
_NESTED_KINDS: tuple[tuple[int, type, Callable[[Any], list[Any]], Callable[[Any], Any]], ...] = (
    (1, tuple, list, tuple),
    (_FAR_TIME_CODE, type(None), _far_time_parts, _far_time),
    (11, Output, lambda one: [one.value, one.key, one.drop_key, one.topic, one.headers], _output),
)
"""Kinds that are a list of values within the value."""
_BY_TYPE = {kind: (code, write) for code, kind, write, _ in _KINDS}
_READ = {code: read for code, _, _, read in _KINDS}
_NESTED_BY_TYPE = {kind: (code, parts) for code, kind, parts, _ in _NESTED_KINDS}
_NESTED_READ = {code: read for code, _, _, read in _NESTED_KINDS}
_PLAIN: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (str, str.__str__),
    (bool, bool),
    (int, int.__int__),
    (float, float.__float__),
    (bytes, bytes),
    (dict, dict),
    (list, list),
    (tuple, list),
)


def _extended(value: Any, levels: int) -> Any:
    """Return a value that MessagePack has no type for in a form that it can write. Raises TypeError, ValueError."""
    kind = type(value)
    if kind in _BY_TYPE:
        code, write = _BY_TYPE[kind]
        return msgpack.ExtType(code, write(value))
    nested = _NESTED_BY_TYPE.get(kind)
    if nested is None and kind.__name__ == _FAR_TIME and hasattr(value, "unit_ns"):
        nested = _FAR_TIME_CODE, _far_time_parts
    if nested is not None:
        return msgpack.ExtType(nested[0], packed(nested[1](value), _below(levels)))
    for plain, convert in _PLAIN:
        if isinstance(value, plain):
            return convert(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{kind.__name__} is no plain value")


class Room:
    """The lists, objects and values of a kind of their own that an answer may still hold. Each takes up to 60 times its
    bytes in the runner, so that a few megabytes of empty lists would take gigabytes."""

    def __init__(self, containers: int = CONTAINERS_MAX) -> None:
        self._left = containers

    def take(self, container: Any = None) -> Any:
        """Count a container and return it; raise ValueError if there are too many."""
        self._left -= 1
        if self._left < 0:
            raise ValueError("it holds more lists and objects than are read")
        return container


def _restored(levels: int, room: Room, code: int, data: bytes) -> Any:
    room.take()
    if code in _NESTED_READ:
        return _NESTED_READ[code](unpacked(data, room, _below(levels)))
    if code not in _READ or len(data) > _FLAT_BYTES_MAX:
        raise ValueError(f"no value has the code {code} and {len(data)} bytes")
    return _READ[code](data)


def _below(levels: int) -> int:
    if not levels:
        raise ValueError(f"its tuples are nested more than {NESTING_MAX} levels deep")
    return levels - 1


def packed(value: Any, levels: int = NESTING_MAX) -> bytes:
    """Convert a value to bytes. Raises TypeError, ValueError or RecursionError for one that is no plain value.

    >>> unpacked(packed([{"a": Decimal("1.50")}, (1, 2), 2**70, float("inf"), UUID(int=7)]))
    [{'a': Decimal('1.50')}, (1, 2), 1180591620717411303424, inf, UUID('00000000-0000-0000-0000-000000000007')]
    """
    extended = partial(_extended, levels=levels)
    data: bytes = msgpack.packb(value, default=extended, strict_types=True, unicode_errors="surrogatepass")
    return data


def unpacked(data: bytes, room: Room | None = None, levels: int = NESTING_MAX) -> Any:
    """Convert bytes to a value. Raises ValueError, TypeError or another error of that kind if they are no value, or if
    there is no `room` for their containers."""
    room = room or Room()
    # A list is made with as many places as it claims, at each of its levels. Skipping finds false claims first.
    claims = msgpack.Unpacker(max_buffer_size=max(1, len(data)))
    claims.feed(data)
    try:
        claims.skip()
    except msgpack.OutOfData as error:
        raise ValueError("it is cut off") from error
    return msgpack.unpackb(
        data,
        ext_hook=partial(_restored, levels, room),
        list_hook=room.take,
        object_hook=room.take,
        strict_map_key=False,
        unicode_errors="surrogatepass",
    )


def packed_result(result: Any, bytes_max: int) -> bytes:
    """Convert the result of one input; one that cannot be converted, or is too large, becomes a failure."""
    try:
        data = packed(result)
    except Exception as error:  # noqa: BLE001 - a value of the candidate's may raise anything
        return packed(CandidateError(f"output refused: {type(error).__name__}: {error}"[:500]))
    if len(data) > bytes_max:
        return packed(CandidateError(f"output refused: {len(data)} bytes; at most {bytes_max} can be sent"))
    return data


def joined(parts: Sequence[bytes]) -> bytes:
    """Return the list of values that are packed already."""
    head: bytes = msgpack.Packer().pack_array_header(len(parts))
    return head + b"".join(parts)
