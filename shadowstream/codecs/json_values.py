"""JSON values, strictly: what has no JSON form is an error, never silently another value."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterable
from typing import Any, NoReturn

import orjson

from shadowstream.codecs.bounds import DEPTH_MAX, check_depth
from shadowstream.errors import CandidateError, RecordError

# orjson reads an integer beyond 64 bits as a float: two ids that differ in their last digits would be equal.
_LONG_INTEGER = re.compile(rb"(?<![\d.])\d{19}")


def read(value: bytes) -> Any:
    """The value of a JSON text; raises `RecordError` (``decode``, or ``bounds`` if nested too deep).

    >>> read(b'{"id": 123456789012345678901234567890}')
    {'id': 123456789012345678901234567890}
    """
    try:
        decoded = orjson.loads(value)
        if _LONG_INTEGER.search(value):
            decoded = json.loads(value, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"not JSON: {error}", reason="decode") from error
    if value.count(b"{") + value.count(b"[") > DEPTH_MAX:
        check_depth(decoded)
    return decoded


def write(value: Any) -> bytes:
    """A JSON text; raises `CandidateError` for what JSON cannot say, among it NaN and infinity.

    >>> write({"score": 0.5})
    b'{"score":0.5}'
    >>> write({"score": float("nan")})
    Traceback (most recent call last):
    ...
    shadowstream.errors.CandidateError: score: nan has no JSON form; return None or a finite number
    """
    try:
        text = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    except (TypeError, ValueError, RecursionError) as error:
        raise CandidateError(f"output of type {type(value).__name__} has no JSON form: {error}") from error
    if b"null" in text:
        # orjson writes NaN and infinity as null: the candidate would seem to have said nothing.
        for path, odd in _not_finite(value, ""):
            raise CandidateError(f"{path or 'output'}: {odd} has no JSON form; return None or a finite number")
    return text


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
