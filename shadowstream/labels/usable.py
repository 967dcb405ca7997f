"""Values of answers and labels as numbers."""

import math
from typing import Any

from shadowstream.codecs.json_values import read
from shadowstream.errors import RecordError

NO_VALUE = object()


class UnusableLabel(Exception):
    """The label is of no kind that the loss can use."""


def value_of(text: str | None) -> Any:
    """Return a value from its JSON; `NO_VALUE` for a text that shadowstream did not write."""
    if text is None:
        return None
    try:
        return read(text.encode(), "last")
    except RecordError:
        return NO_VALUE


def number_of(value: Any, *, logical: bool = False) -> float:
    """Return a finite number as a double; NaN for anything else. `logical`: true and false are 1 and 0."""
    if not isinstance(value, int | float) or (isinstance(value, bool) and not logical):
        return math.nan
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan
