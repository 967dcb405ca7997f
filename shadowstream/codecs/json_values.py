"""Strict JSON values: a value without a JSON form is an error, never silently another value.

Before parsing, the reader searches the bytes for content that the fast parser would lose. The exact parser reads
such texts:

=====================  ===============================================================================================
in the text            result
=====================  ===============================================================================================
an integer             an int, of any size that Python reads (4,300 digits)
a fraction, 1e0        the decimal number of its text: a float, or an `ExactFloat` if no float is that number
1e400                  an `ExactFloat`, too: a number beyond all doubles is a number
NaN, Infinity          an error: they are not JSON
a duplicate name in    an error: JSON leaves the choice of the value to the reader (RFC 8259, section 4). With
one object             `names` "last", the last value counts, as for most readers
=====================  ===============================================================================================
"""

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

from shadowstream.codecs.bounds import DEPTH_MAX, VALUES_MAX, too_deep, too_many
from shadowstream.codecs.numbers import ExactFloat, fraction
from shadowstream.errors import CandidateError, RecordError

DuplicateNames = Literal["error", "last", "plain"]
"""The treatment of a duplicate name in an object. With "plain", the last value counts and all fractions are floats, as
in Python's own reader. Candidates get this: the same code then writes the same value as in production."""
# Digits and points become 0, an exponent's letter e, its sign -. A search then finds digits that no double can hold.
_CLASSES = bytes(
    48 if chr(byte) in "0123456789." else 101 if chr(byte) in "eE" else 45 if chr(byte) in "+-" else 32
    for byte in range(256)
)
_LONG, _LONG_INTEGER = b"0" * 16, 19
_EXPONENT, _SIGNED_EXPONENT = b"0e000", b"0e-000"
_NUMBER = re.compile(rb"[\d.]+(?:[eE][-+]?\d+)?")
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_LISTS, _OTHERS = bytes.maketrans(b"{}", b"[]"), bytes(set(range(256)) - set(b"[]{},"))
_BEFORE = b" \t\n\r:,[-"


def read(value: bytes, names: DuplicateNames = "error", values_max: int = VALUES_MAX) -> Any:
    """Parse a JSON text; raise `RecordError` (``decode``, or ``bounds`` if nested too deep or of too many values).

    >>> read(b'{"id": 123456789012345678901234567890}')
    {'id': 123456789012345678901234567890}
    """
    check_claims(value, values_max)
    try:
        parse = float if names == "plain" else fraction
        decoded = _exactly(value, parse) if _has_long_numbers(value) else orjson.loads(value)
        if names == "error" and _may_repeat_names(value, decoded):
            json.loads(value, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"not JSON: {error}", reason="decode") from error
    return decoded


def check_claims(value: bytes, values_max: int) -> None:
    """Raise `RecordError` (``bounds``) for a text that is nested too deep or claims too many values, before any of them
    is made.

    >>> check_claims(b"[[],[],[]]", 3)
    Traceback (most recent call last):
    ...
    shadowstream.errors.RecordError: holds more than 3 values (limits.decoded_values_max)
    """
    # Each value but the first comes after a comma or is the first of a list or object.
    opened = value.count(b"[") + value.count(b"{")
    if opened <= DEPTH_MAX and len(value) <= 2 * values_max:
        return
    if opened + value.count(b",") >= values_max or opened > DEPTH_MAX:
        # Each value has one name at most. Quotes are counted first, for texts are cut out one by one.
        if value.count(b'"') - value.count(b'\\"') > 4 * values_max:
            raise too_many(values_max)
        # The same without texts. A text without end is no JSON, and is left to the parser.
        plain = _TEXT.sub(b"", value).translate(_LISTS, _OTHERS)
        if plain.count(b"[") + plain.count(b",") >= values_max:
            raise too_many(values_max)
        brackets = plain.translate(None, b",")
        for _ in range(DEPTH_MAX):
            if not brackets:
                return
            brackets = brackets.replace(b"[]", b"")
        if b"[]" in brackets or brackets.count(b"[") > DEPTH_MAX:
            raise too_deep()


def _has_long_numbers(value: bytes) -> bool:
    """Whether the fast parser would round a number: it makes a double of each fraction and of ints beyond 64 bits."""
    classes = value.translate(_CLASSES)
    if _EXPONENT in classes or _SIGNED_EXPONENT in classes:
        return True
    start = classes.find(_LONG)
    while start >= 0:
        number = _NUMBER.match(value, start)
        text = number[0] if number else b""
        # After a quote they are digits of a text.
        if (start == 0 or value[start - 1] in _BEFORE) and _is_long(text):
            return True
        start = classes.find(_LONG, start + max(len(text), 1))
    return False


def _is_long(text: bytes) -> bool:
    if text.isdigit():
        return len(text) >= _LONG_INTEGER
    try:
        return type(fraction(text.decode())) is ExactFloat
    except ValueError:  # the parser reports the error
        return True


def _exactly(value: bytes, parse: Callable[[str], float]) -> Any:
    decoded = json.loads(value.decode(), parse_float=parse, parse_constant=_no_constant)
    if b"\\u" in value:
        # Half of a surrogate pair is no text. The fast parser rejects it; this one does not.
        json.dumps(decoded, ensure_ascii=False).encode()
    return decoded


def _may_repeat_names(value: bytes, decoded: Any) -> bool:
    """Whether the text has more colons than the parsed value has when written again. Also true for escaped colons."""
    if b"\\u003" in value:
        return True
    try:
        return value.count(b":") != orjson.dumps(decoded, default=_number).count(b":")
    except TypeError:  # an int beyond 64 bits
        return True


def repeats_names(value: bytes) -> bool:
    """Whether an object in a text has a duplicate name; False if the text is no JSON.

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
    """An object has a duplicate name."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        seen = Counter(name for name, _ in pairs)
        twice = next(name for name, times in seen.items() if times > 1)
        raise _Repeated(
            f"the name {twice[:40]!r} occurs more than once in one object; "
            "set compare.duplicate_names: last to take the last value"
        )
    return unique


def write(value: Any) -> bytes:
    """Write a JSON text; raise `CandidateError` for a value without a JSON form, including NaN and infinity.

    Integers of any size and decimals keep all their digits.

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
        # orjson writes NaN and infinity as null: the output would look like an absent value.
        for path, odd in _not_finite(value, ""):
            raise CandidateError(f"{path or 'output'}: {odd} has no JSON form; return None or a finite number")
    return text


def dumps(value: Any, default: Callable[[Any], Any] | None = None, option: int = 0) -> bytes:
    """Write a JSON text with orjson, without a bound on integers. `default` converts values that orjson does not
    support.

    Raises `CandidateError` with the path of a value without a JSON form, or `TypeError`, `ValueError`,
    `RecursionError`.
    """
    own, option = default or _number, option | orjson.OPT_SERIALIZE_NUMPY
    try:
        return orjson.dumps(value, default=own, option=option)
    except TypeError:
        return orjson.dumps(_with_texts(value, "", own), default=own, option=option)


def _number(value: Any) -> Any:
    """The digits of a number that no double holds and orjson does not support."""
    if isinstance(value, ExactFloat):
        return orjson.Fragment(str(value.exact))
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    raise TypeError(f"type {type(value).__name__}")


def _with_texts(value: Any, path: str, default: Callable[[Any], Any]) -> Any:
    """The value, with the JSON text in place of each part that orjson cannot write by itself."""
    if isinstance(value, dict):
        odd = next((name for name in value if not isinstance(name, str)), None)
        if odd is not None:
            raise CandidateError(f"{path or 'output'}: the field name {odd!r} is no text; JSON names must be texts")
        return {name: _with_texts(inner, f"{path}.{name}" if path else name, default) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_texts(inner, f"{path}.{n}" if path else str(n), default) for n, inner in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value) if not field.name.startswith("_")]
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
    """A text that may contain halves of surrogate pairs, which need an escape."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _not_finite(value: Any, path: str) -> Iterable[tuple[str, Any]]:
    # Depth is bounded: orjson has written the value, and orjson rejects more than 254 levels.
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
