"""Representation of a difference: its path, both values as bounded JSON, and their numeric distance."""

import datetime
import json
import math
import re
from collections.abc import Sequence
from decimal import Decimal
from itertools import repeat
from json.encoder import encode_basestring
from operator import sub
from typing import Any

import numpy as np
import orjson

from shadowstream.codecs.numbers import NUMBERS, ExactFloat
from shadowstream.codecs.typed import Typed
from shadowstream.compare.result import TEXT_CHARS_MAX, Difference, PlainText
from shadowstream.compare.tolerances import DECIMALS, exact
from shadowstream.paths import ABSENT, join_path
from shadowstream.protocol.size_limits import HASH_CHARS, hash_of

_CUT = "…"
PLAIN_MAX = 1_000
"""Elements of a list that are examined for texts; a longer list counts as one that holds texts."""
_ALIKE_FROM, _ALIKE_TO = 1e-4, 1e16
"""Sizes of fractions that orjson writes as Python does: without an exponent."""
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?")
_PLAIN = {bool, float, int, type(None), Decimal, ExactFloat}
_PLAIN |= {datetime.datetime, datetime.date, datetime.time, datetime.timedelta}
__all__ = ["ABSENT", "difference", "one_sided", "or_absent"]


def difference(path: tuple[str, ...], kind: str, production: Any, shadow: Any) -> Difference:
    if kind == "length":
        delta: float | None = float(len(shadow) - len(production))
    else:
        delta = _delta(production, shadow)
    are_plain = is_plain(production), is_plain(shadow)
    if kind == "type":  # name each value's type, as Avro's JSON encoding does
        production, shadow = (
            {value.kind.name: value.value} if isinstance(value, Typed) else value for value in (production, shadow)
        )
    production_text, shadow_text = _text(production), _text(shadow)
    if production_text == shadow_text and production_text is not None and production_text.endswith(_CUT):
        # The values differ beyond the cut. Showing the same text twice would look like equality.
        production_text, shadow_text = _with_hash(production, production_text), _with_hash(shadow, shadow_text)
    production_text, shadow_text = _marked(production_text, are_plain[0]), _marked(shadow_text, are_plain[1])
    return Difference(join_path(path), kind, production_text, shadow_text, delta)


def texts_of(production: Sequence[Any], shadow: Sequence[Any]) -> tuple[list[bytes], list[bytes]]:
    """Return the values of two columns as the texts of `difference`, in UTF-8. All values are of one type: text, float,
    int of 64 bits, bool; or null.

    >>> texts_of([0.1, None], [1e-5, 2.0])
    ([b'0.1', b'null'], [b'1e-05', b'2.0'])
    """
    found = _texts(production), _texts(shadow)
    end = _CUT.encode()
    for n, (text, shadow_text) in enumerate(zip(*found, strict=True)):
        if text == shadow_text and text.endswith(end):
            whole = difference((), "value", production[n], shadow[n])
            found[0][n], found[1][n] = (whole.production or "").encode(), (whole.shadow or "").encode()
    return found


def _texts(values: Sequence[Any]) -> list[bytes]:
    types = {*map(type, values)}
    if str in types:
        return [(_text(value) or "").encode() for value in values]
    texts = orjson.dumps(values)[1:-1].split(b",")
    if float in types:
        sizes = np.abs(np.array(values, np.float64))
        alike = ((sizes >= _ALIKE_FROM) & (sizes < _ALIKE_TO)) | (sizes == 0)
        for n in np.flatnonzero(~alike).tolist():
            texts[n] = (_text(values[n]) or "").encode()
    return texts


def deltas_of(production: Sequence[Any], shadow: Sequence[Any]) -> Sequence[float | None]:
    """Return the distances of `difference` for two columns of one type."""
    types = {*map(type, production), *map(type, shadow)}
    if types == {float} or types == {int}:
        deltas = list(map(float, map(sub, shadow, production)))
        return deltas if all(map(math.isfinite, deltas)) else [one if math.isfinite(one) else None for one in deltas]
    return list(map(_delta, production, shadow)) if types & {float, int} else list(repeat(None, len(production)))


def _marked(text: str | None, plain: bool) -> str | None:
    return PlainText(text) if plain and text is not None else text


def is_plain(value: Any) -> bool:
    """Whether a value holds numbers, booleans, null and times only; a text is a time if ISO 8601 with a time of day.

    >>> is_plain([1, None, 2.5]), is_plain("2026-01-31T00:00:00Z"), is_plain("4711"), is_plain({"a": 1})
    (True, True, False, False)
    """
    if type(value) in _PLAIN:
        return True
    if isinstance(value, list | tuple):
        return len(value) <= PLAIN_MAX and all(type(one) in _PLAIN for one in value)
    if isinstance(value, Typed):
        return is_plain(value.value)
    return isinstance(value, str) and len(value) < 40 and _TIME.fullmatch(value) is not None


def one_sided(production: Any, shadow: Any) -> tuple[str, Any, Any]:
    """Kind and values of a difference in which one side is absent."""
    return ("missing" if shadow is ABSENT else "extra"), production, shadow


def or_absent(value: Any) -> Any:
    """`ABSENT` for a tombstone, which has no JSON form; any other value itself."""
    return ABSENT if value is None else value


def _delta(production: Any, shadow: Any) -> float | None:
    """Shadow minus production, if both are numbers and the result is finite."""
    types = {type(production), type(shadow)}
    try:
        if types <= NUMBERS:
            if ExactFloat in types:
                production, shadow = exact(production), exact(shadow)
                delta = float(DECIMALS.subtract(shadow, production))
            else:
                delta = float(shadow - production)
        elif types == {Decimal}:
            delta = float(DECIMALS.subtract(shadow, production))
        else:
            return None
    except (OverflowError, ValueError):
        return None
    return delta if math.isfinite(delta) else None


def _text(value: Any) -> str | None:
    """JSON of at most `TEXT_CHARS_MAX` characters; bytes as hex, other types as text; None if absent."""
    if value is ABSENT:
        return None
    kind = type(value)
    if kind is str:
        # Cut first: a value may be a megabyte long.
        value = value[: TEXT_CHARS_MAX + 1]
    try:
        if kind is str:
            text = encode_basestring(value)
        elif kind is ExactFloat:
            text = str(value.exact)
        elif kind is float and math.isfinite(value):
            text = float.__repr__(value)  # as JSON writes it; most differences are of numbers
        else:
            text = _beginning(value) if isinstance(value, dict | list | tuple) else _JSON.encode(value)
    except (TypeError, ValueError, RecursionError):  # keys that are no JSON names, ints too long to print
        text = json.dumps(f"<{type(value).__name__}>")
    return text if len(text) <= TEXT_CHARS_MAX else text[: TEXT_CHARS_MAX - 1] + _CUT


def _with_hash(value: Any, text: str | None) -> str:
    """The beginning of a long value, and digits of the hash of the whole value."""
    try:
        whole = value if isinstance(value, str | bytes) else _JSON.encode(value)
    except (TypeError, ValueError, RecursionError):  # the part beyond the cut may have no JSON form
        whole = repr(value)
    return f"{(text or '')[: TEXT_CHARS_MAX - 1 - HASH_CHARS]}{_CUT}{hash_of(whole)}"


def _beginning(value: Any) -> str:
    text = ""
    for piece in _JSON.iterencode(value):
        text += piece
        if len(text) > TEXT_CHARS_MAX:
            break
    return text


def _json_default(value: Any) -> Any:
    if isinstance(value, Typed):
        return value.value
    if isinstance(value, bytes | bytearray):
        return "0x" + value[:TEXT_CHARS_MAX].hex()
    return str(value)


_JSON = json.JSONEncoder(ensure_ascii=False, check_circular=False, default=_json_default)
