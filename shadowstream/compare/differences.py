"""How a difference is said: its path, both values as bounded JSON, and by how much they differ."""

from __future__ import annotations

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


def difference(at: tuple[str, ...], kind: str, production: Any, shadow: Any) -> Difference:
    """The difference of two values at a path."""
    if kind == "length":
        delta: float | None = float(len(shadow) - len(production))
    else:
        delta = _delta(production, shadow)
    if kind == "type":  # each by its type's name, as Avro's JSON encoding writes it
        production, shadow = (
            {one.kind.name: one.value} if isinstance(one, Typed) else one for one in (production, shadow)
        )
    one, other = _text(production), _text(shadow)
    if one == other and one is not None and one.endswith(_CUT):
        # What differs lies beyond the cut: a row that shows the same twice would say that nothing does.
        one, other = _known_by_hash(production, one), _known_by_hash(shadow, other)
    return Difference(join_path(at), kind, one, other, delta)


def one_sided(production: Any, shadow: Any) -> tuple[str, Any, Any]:
    """Kind and values of a difference of which one side has nothing."""
    return ("missing" if shadow is ABSENT else "extra"), production, shadow


def or_absent(value: Any) -> Any:
    """A tombstone has no JSON form."""
    return ABSENT if value is None else value


def _delta(production: Any, shadow: Any) -> float | None:
    """Shadow minus production where both are numbers and it is finite."""
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
        # Cut first: a value may have a megabyte.
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
    except (TypeError, ValueError, RecursionError):  # keys that JSON has not, ints beyond what Python prints
        text = json.dumps(f"<{type(value).__name__}>")
    return text if len(text) <= TEXT_CHARS_MAX else text[: TEXT_CHARS_MAX - 1] + _CUT


def _known_by_hash(value: Any, text: str | None) -> str:
    """The beginning of a long value, and digits of the hash of all of it."""
    try:
        whole = value if isinstance(value, str | bytes) else _JSON.encode(value)
    except (TypeError, ValueError, RecursionError):  # beyond the cut there may be what JSON has not
        whole = repr(value)
    return f"{(text or '')[: TEXT_CHARS_MAX - 1 - HASH_CHARS]}{_CUT}{hash_of(whole)}"


def _beginning(value: Any) -> str:
    text = ""
    for piece in _JSON.iterencode(value):
        text += piece
        if len(text) > TEXT_CHARS_MAX:
            break
    return text


def _other_type(value: Any) -> Any:
    if isinstance(value, Typed):
        return value.value
    if isinstance(value, bytes | bytearray):
        return "0x" + value[:TEXT_CHARS_MAX].hex()
    return str(value)


_JSON = json.JSONEncoder(ensure_ascii=False, check_circular=False, default=_other_type)
