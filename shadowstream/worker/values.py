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
from typing import Any
from uuid import UUID

import msgpack

from shadowstream.codecs.numbers import DECIMAL_BYTES_MAX, ExactFloat
from shadowstream.errors import CandidateError
from shadowstream.runner.outputs import Output

DIGITS_MAX = 2 * DECIMAL_BYTES_MAX
"""Maximum digits and exponent of a decimal, and bytes of an integer: larger ones take the runner's time and memory."""
_FAR_TIME = "FarTime"
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


def _far_time(data: bytes) -> Any:
    from shadowstream.codecs.far_times import FarTime  # loads fastavro, which a candidate rarely needs

    number, above, below = (_int(part) for part in unpacked(data))
    return FarTime(number, above if below == 1 else Fraction(above, below))


def _far_time_bytes(value: Any) -> bytes:
    unit = Fraction(value.unit_ns)
    return packed([_int_bytes(part) for part in (int(value), unit.numerator, unit.denominator)])


def _output(data: bytes) -> Output:
    value, key, drop_key, topic = unpacked(data)
    if not isinstance(key, bytes | None) or not isinstance(topic, str | None):
        raise ValueError("an output's key is bytes, its topic a text")
    return Output(value, key, bool(drop_key), topic)


def _failure(data: bytes) -> CandidateError:
    return CandidateError(data.decode("utf-8", "replace")[:600])


_Kind = tuple[int, type, Callable[[Any], bytes], Callable[[bytes], Any]]
_KINDS: tuple[_Kind, ...] = (
    (1, tuple, lambda value: packed(list(value)), lambda data: tuple(unpacked(data))),
    (2, int, _int_bytes, _int),
    (3, Decimal, lambda value: str(_bounded(value)).encode(), lambda data: _bounded(Decimal(data.decode()))),
    (4, datetime, lambda value: value.isoformat().encode(), lambda data: datetime.fromisoformat(data.decode())),
    (5, date, lambda value: value.isoformat().encode(), lambda data: date.fromisoformat(data.decode())),
    (6, time, lambda value: value.isoformat().encode(), lambda data: time.fromisoformat(data.decode())),
    (7, UUID, lambda value: value.bytes, lambda data: UUID(bytes=data)),
    (8, timedelta, lambda value: _int_bytes(value // _MICROSECOND), lambda data: _int(data) * _MICROSECOND),
    (9, ExactFloat, lambda v: str(_bounded(v.exact)).encode(), lambda d: ExactFloat(_bounded(Decimal(d.decode())))),
    (10, type(None), _far_time_bytes, _far_time),
    (11, Output, lambda v: packed([v.value, v.key, v.drop_key, v.topic]), _output),
    (12, CandidateError, lambda value: str(value).encode("utf-8", "replace"), _failure),
)
_BY_TYPE = {kind: (code, write) for code, kind, write, _ in _KINDS}
_READ = {code: read for code, _, _, read in _KINDS}
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


def _extended(value: Any) -> Any:
    """Return a value that MessagePack has no type for in a form that it can write. Raises TypeError, ValueError."""
    kind = type(value)
    known = _BY_TYPE.get(kind)
    if known is None and kind.__name__ == _FAR_TIME and hasattr(value, "unit_ns"):
        known = 10, _far_time_bytes
    if known is not None:
        return msgpack.ExtType(known[0], known[1](value))
    for plain, convert in _PLAIN:
        if isinstance(value, plain):
            return convert(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{kind.__name__} is no plain value")


def _restored(code: int, data: bytes) -> Any:
    if code not in _READ:
        raise ValueError(f"no value has the code {code}")
    return _READ[code](data)


def packed(value: Any) -> bytes:
    """Convert a value to bytes. Raises TypeError, ValueError or RecursionError for one that is no plain value.

    >>> unpacked(packed([{"a": Decimal("1.50")}, (1, 2), 2**70, float("inf"), UUID(int=7)]))
    [{'a': Decimal('1.50')}, (1, 2), 1180591620717411303424, inf, UUID('00000000-0000-0000-0000-000000000007')]
    """
    data: bytes = msgpack.packb(value, default=_extended, strict_types=True, unicode_errors="surrogatepass")
    return data


def unpacked(data: bytes) -> Any:
    """Convert bytes to a value. Raises ValueError, TypeError or another error of that kind if they are no value."""
    return msgpack.unpackb(data, ext_hook=_restored, strict_map_key=False, unicode_errors="surrogatepass")


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
