"""Representation of a difference: its path, both values as bounded JSON, and their numeric distance."""

import json
import math
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

from shadowstream.codecs.numbers import NUMBERS, ExactFloat
from shadowstream.codecs.typed import Typed
from shadowstream.compare.result import TEXT_CHARS_MAX, Difference
from shadowstream.compare.tolerances import DECIMALS, exact
from shadowstream.paths import ABSENT, join_path
from shadowstream.protocol.size_limits import HASH_CHARS, hash_of

_CUT = "…"
__all__ = ["ABSENT", "difference", "one_sided", "or_absent"]


def difference(path: tuple[str, ...], kind: str, production: Any, shadow: Any) -> Difference:
    if kind == "length":
        delta: float | None = float(len(shadow) - len(production))
    else:
        delta = _delta(production, shadow)
    if kind == "type":  # name each value's type, as Avro's JSON encoding does
        production, shadow = (
            {value.kind.name: value.value} if isinstance(value, Typed) else value for value in (production, shadow)
        )
    production_text, shadow_text = _text(production), _text(shadow)
    if production_text == shadow_text and production_text is not None and production_text.endswith(_CUT):
        # The values differ beyond the cut. Showing the same text twice would look like equality.
        production_text, shadow_text = _with_hash(production, production_text), _with_hash(shadow, shadow_text)
    return Difference(join_path(path), kind, production_text, shadow_text, delta)


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
