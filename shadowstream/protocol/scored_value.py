"""The values in scored records, which labels are compared with."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import orjson

from shadowstream.codecs.json_values import dumps
from shadowstream.codecs.numbers import ExactFloat
from shadowstream.errors import CandidateError
from shadowstream.paths import ABSENT, value_at


def at_path(value: Any, path: Sequence[str]) -> str | None:
    """Return the value at a path (`paths.parse_one`) as JSON; None if it is absent or has no JSON form.

    >>> at_path({"risk": {"late": True}}, ["risk", "late"]), at_path({"risk": None}, ["risk", "late"])
    ('true', None)
    """
    value = value_at(value, path)
    if value is None or value is ABSENT:
        return None
    try:
        return dumps(value, _plain, orjson.OPT_SORT_KEYS).decode()
    except (TypeError, ValueError, CandidateError):
        return None


def _plain(value: Any) -> Any:
    number = value.exact if isinstance(value, ExactFloat) else value
    if isinstance(number, Decimal) and number.is_finite():
        return orjson.Fragment(str(number))
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
