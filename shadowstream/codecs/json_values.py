"""JSON values, strictly: what has no JSON form is an error, never silently another value.

What the fast parser would lose is looked for in the bytes first, and read by the exact one:

=====================  ===============================================================================================
in the text            is
=====================  ===============================================================================================
an integer             an int, of any size that Python reads (4,300 digits)
a fraction, 1e0        the decimal number of its text: a float, or an `ExactFloat` where no float is that number
1e400                  an `ExactFloat`, too: a number beyond all doubles is a number
NaN, Infinity          an error: they are not JSON
a name that an object  an error: which of its values counts, JSON leaves to the reader (RFC 8259, section 4). With
holds twice            `names` "last" the last one does, as for most readers
=====================  ===============================================================================================
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, NoReturn

import orjson

from shadowstream.codecs.bounds import DEPTH_MAX, check_depth
from shadowstream.codecs.numbers import ExactFloat, fraction
from shadowstream.errors import CandidateError, RecordError

DuplicateNames = Literal["error", "last", "plain"]
"""How to read a name that an object holds twice. "plain": the last value counts, and all fractions are floats, as
Python's own reader has it. That is for candidates: the same code then writes the same value as in production."""
# Digits and points as 0, an exponent's letter as e, its sign as -: digits that a double cannot hold stand out.
_CLASSES = bytes(
    48 if chr(one) in "0123456789." else 101 if chr(one) in "eE" else 45 if chr(one) in "+-" else 32
    for one in range(256)
)
_LONG, _LONG_INTEGER = b"0" * 16, 19
_EXPONENT, _SIGNED_EXPONENT = b"0e000", b"0e-000"
_NUMBER = re.compile(rb"[\d.]+(?:[eE][-+]?\d+)?")
_BEFORE = b" \t\n\r:,[-"


def read(value: bytes, names: DuplicateNames = "error") -> Any:
    """The value of a JSON text; raises `RecordError` (``decode``, or ``bounds`` if nested too deep).

    >>> read(b'{"id": 123456789012345678901234567890}')
    {'id': 123456789012345678901234567890}
    """
    try:
        parse = float if names == "plain" else fraction
        decoded = _exactly(value, parse) if _has_long_numbers(value) else orjson.loads(value)
        if value.count(b"{") + value.count(b"[") > DEPTH_MAX:
            check_depth(decoded)
        if names == "error" and _may_repeat_names(value, decoded):
            json.loads(value, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"not JSON: {error}", reason="decode") from error
    return decoded


def _has_long_numbers(value: bytes) -> bool:
    """Whether the fast parser would round a number: it makes a double of each fraction and of ints beyond 64 bits."""
    classes = value.translate(_CLASSES)
    if _EXPONENT in classes or _SIGNED_EXPONENT in classes:
        return True
    at = classes.find(_LONG)
    while at >= 0:
        found = _NUMBER.match(value, at)
        text = found[0] if found else b""
        # Behind a quote they are digits of a text.
        if (at == 0 or value[at - 1] in _BEFORE) and _is_long(text):
            return True
        at = classes.find(_LONG, at + max(len(text), 1))
    return False


def _is_long(text: bytes) -> bool:
    if text.isdigit():
        return len(text) >= _LONG_INTEGER
    try:
        return type(fraction(text.decode())) is ExactFloat
    except ValueError:  # what is wrong with it, the parser says
        return True


def _exactly(value: bytes, parse: Callable[[str], float]) -> Any:
    decoded = json.loads(value.decode(), parse_float=parse, parse_constant=_no_constant)
    if b"\\u" in value:
        # Half of a surrogate pair is no text: the fast parser refuses it, and this one does not.
        json.dumps(decoded, ensure_ascii=False).encode()
    return decoded


def _may_repeat_names(value: bytes, decoded: Any) -> bool:
    """Whether the text has more colons than the value has when written again. Escaped ones are looked at as well."""
    if b"\\u003" in value:
        return True
    try:
        return value.count(b":") != orjson.dumps(decoded, default=_number).count(b":")
    except TypeError:  # an int beyond 64 bits
        return True


def repeats_names(value: bytes) -> bool:
    """Whether an object in a text holds a name twice; False where the text is no JSON.

    >>> repeats_names(b'{"a": 1, "a": 1}'), repeats_names(b'{"a": ":"}')
    (True, False)
    """
    try:
        read(value, "last")
        read(value)
    except RecordError as error:
        return isinstance(error.__cause__, _Repeated)
    return False


class _Repeated(ValueError):
    """A name stands twice in one object."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen = Counter(name for name, _ in pairs)
        twice = next(name for name, times in seen.items() if times > 1)
        raise _Repeated(
            f"the name {twice[:40]!r} stands more than once in one object; "
            "compare.duplicate_names: last takes the last value"
        )
    return found


def write(value: Any) -> bytes:
    """A JSON text; raises `CandidateError` for what JSON cannot say, among it NaN and infinity.

    Integers of any size and decimals are written digit by digit, as they are read.

    >>> write({"score": 0.5, "id": 101767182266078306730})
    b'{"score":0.5,"id":101767182266078306730}'
    >>> write({"score": float("nan")})
    Traceback (most recent call last):
    ...
    shadowstream.errors.CandidateError: score: nan has no JSON form; return None or a finite number
    """
    try:
        text = dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise CandidateError(f"output of type {type(value).__name__} has no JSON form: {error}") from error
    if b"null" in text:
        # orjson writes NaN and infinity as null: the candidate would seem to have said nothing.
        for path, odd in _not_finite(value, ""):
            raise CandidateError(f"{path or 'output'}: {odd} has no JSON form; return None or a finite number")
    return text


def dumps(value: Any, default: Callable[[Any], Any] | None = None, option: int = 0) -> bytes:
    """A JSON text as orjson writes it, without a bound on integers. `default` is asked for what it has no form for.

    Raises `CandidateError` with the path of what has no form, or `TypeError`, `ValueError`, `RecursionError`.
    """
    own, option = default or _number, option | orjson.OPT_SERIALIZE_NUMPY
    try:
        return orjson.dumps(value, default=own, option=option)
    except TypeError:
        return orjson.dumps(_with_texts(value, "", own), default=own, option=option)


def _number(value: Any) -> Any:
    """What orjson has no form for: numbers that no double holds, as their digits."""
    if isinstance(value, ExactFloat):
        return orjson.Fragment(str(value.exact))
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    raise TypeError(f"type {type(value).__name__}")


def _with_texts(value: Any, path: str, default: Callable[[Any], Any]) -> Any:
    """The value with the JSON text of whatever orjson cannot write by itself."""
    if isinstance(value, dict):
        odd = next((name for name in value if not isinstance(name, str)), None)
        if odd is not None:
            raise CandidateError(f"{path or 'output'}: a field is called {odd!r}, and JSON has only texts as names")
        return {name: _with_texts(inner, f"{path}.{name}" if path else name, default) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_texts(inner, f"{path}.{n}" if path else str(n), default) for n, inner in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [one.name for one in dataclasses.fields(value) if not one.name.startswith("_")]
        return _with_texts({name: getattr(value, name) for name in fields}, path, default)
    if isinstance(value, Enum):
        return _with_texts(value.value, path, default)
    try:
        if isinstance(value, int) and not -(2**63) <= value < 2**64:
            return orjson.Fragment(int.__repr__(value))
        if isinstance(value, str) and not value.isascii():
            return orjson.Fragment(_text(value))
        return orjson.Fragment(orjson.dumps(value, default=default, option=orjson.OPT_SERIALIZE_NUMPY))
    except (TypeError, ValueError) as error:
        if isinstance(value, Decimal):
            why = f"{value} has no JSON form; return None or a finite number"
        else:
            why = f"{type(value).__name__} has no JSON form: {error}"
        raise CandidateError(f"{path or 'output'}: {why}") from error


def _text(value: str) -> str:
    """A text that may hold halves of surrogate pairs, which only an escape can write."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _not_finite(value: Any, path: str) -> Iterable[tuple[str, Any]]:
    # Depth is bounded: orjson has written the value, and it refuses more than 254 levels.
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _not_finite(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _not_finite(inner, f"{path}.{index}" if path else str(index))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _not_finite(getattr(value, field.name), f"{path}.{field.name}" if path else field.name)
    elif hasattr(value, "tolist"):
        yield from _not_finite(value.tolist(), path)
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, value
