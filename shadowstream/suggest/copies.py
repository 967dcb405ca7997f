"""Values that production copies from its input: where the candidate has others, that is a change, not noise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from shadowstream.suggest.evidence import Couple, InputMarks, ReadPair
from shadowstream.suggest.noise import time_ms

LEAVES_MAX = 2_000
PART_CHARS_MIN = 16
"""A text of so many characters inside another one is a copy, not chance."""


def marks_of(value: Any, texts: Iterable[Any], input_ms: int) -> InputMarks | None:
    """Return the marks of an input: of its decoded value and of `texts`, its key and headers; None beyond the limit."""
    found = [*_leaves(value, LEAVES_MAX + 1), *texts]
    if len(found) > LEAVES_MAX:
        return None
    times = (time_ms(one, input_ms) for one in found)
    return InputMarks(
        frozenset(text for one in found if (text := _text(one))),
        frozenset([float(input_ms), *(one for one in times if one is not None)]),
    )


def is_copied(couple: Couple, pair: ReadPair) -> bool | None:
    """Whether production's value is in the input; None where the input is not known."""
    if pair.input is None:
        return None
    value, texts = _text(couple.production), pair.input.texts
    if value in texts or time_ms(couple.production, pair.production_ms) in pair.input.times_ms:
        return True
    return any(len(min(value, text, key=len)) >= PART_CHARS_MIN and (text in value or value in text) for text in texts)


def _leaves(value: Any, limit: int) -> Iterator[Any]:
    """Yield at most `limit` scalars of a value."""
    waiting = [value]
    while waiting and limit:
        one = waiting.pop()
        if isinstance(one, Mapping):
            waiting += one.values()
        elif isinstance(one, list | tuple):
            waiting += one
        elif one is not None and not isinstance(one, bool):
            limit -= 1
            yield one


def _text(value: Any) -> str:
    """Return a scalar as text in lower case, the same for bytes and text."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    return text.casefold()
