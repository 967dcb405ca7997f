"""Functions that the config names: loaded once, before anything is compared, and fenced by their name.

What one raises is a difference with a reason, never a crash of the joiner: a rule that fails on one value in a
million must not stop the other pairs, and must not pass as an agreement either.
"""

from __future__ import annotations

import functools
import inspect
import math
import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from shadowstream.codecs.far_times import FarTime, instant, instant_ns
from shadowstream.codecs.json_values import read
from shadowstream.codecs.numbers import number
from shadowstream.entry_points import load_entry_point
from shadowstream.errors import ConfigError

Hook = Callable[..., Any]
Load = Callable[[str, str, int], Hook]
"""As `load`: the function of an entry point that a key names, which is called with so many arguments."""
NOT_AWAITED = "it is called, and nobody awaits it; write def, not async def"
_FINER = re.compile(r"[.,]\d{7}")
# The time to its microseconds, the finer digits, the offset.
_FINE = re.compile(r"([^.,]*[.,]\d{6})(\d+)((?:[^\d.,][^.,]*)?)", re.DOTALL)
NOT_A_LIST = "it would return a generator; return a list, not yield"


class HookError(Exception):
    """A hook has raised; the message names it."""


class Unanswered(HookError):
    """A hook has not answered: it took too long, ended its process, or is not asked for a while. Nobody has compared
    the pair, so it is no difference of the candidate."""


def refusal(function: Any, arguments: int) -> str | None:
    """Why calling a function with so many arguments cannot work, as the end of a sentence; None where it may.

    >>> refusal(lambda value: value, 1)
    >>> refusal(lambda value, other: value, 1)
    "cannot be called with 1 argument: missing a required argument: 'other'"
    """
    called = function.func if isinstance(function, functools.partial) else function
    for one in (called, getattr(called, "__call__", None)):  # noqa: B004 - an object's, to be looked at
        if inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(one):
            return f"is a coroutine function: {NOT_AWAITED}"
        if inspect.isgeneratorfunction(one):
            return f"is a generator function: {NOT_A_LIST}"
    try:
        inspect.signature(function).bind(*[None] * arguments)
    except TypeError as error:
        plural = "" if arguments == 1 else "s"
        return f"cannot be called with {arguments} argument{plural}: {error}"
    except ValueError:  # one of C says nothing of its arguments
        return None
    return None


def load(entry: str, key: str = "compare.rules", arguments: int = 2) -> Hook:
    """The function of an entry point ``package.module:callable``, called with so many; raises `ConfigError`."""
    function = load_entry_point(entry, key)
    if (refused := refusal(function, arguments)) is not None:
        raise ConfigError(f"{key}: {entry!r} {refused}")
    return function


def fenced(entry: str, function: Hook) -> Hook:
    """The function with whatever it raises as a `HookError` that names it."""

    def call(*values: Any) -> Any:
        try:
            return function(*values)
        except (KeyboardInterrupt, HookError):
            raise
        except BaseException as error:
            raise HookError(f"{entry}: {type(error).__name__}: {error}"[:200]) from error

    return call


def answers_of(column_call: Hook, production: list[Any], shadow: list[Any]) -> list[bool]:
    """What a (fenced) function of two columns says of each pair; raises `HookError` for another number of answers."""
    answers = column_call(production, shadow)
    if not hasattr(answers, "__len__") or len(answers) != len(production):
        raise HookError(f"{len(production)} pairs, and the function of columns returned {type(answers).__name__}")
    return [bool(answer) for answer in answers]


def _trim(value: Any) -> Any:
    return " ".join(value.split()) if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def _nfc(value: Any) -> Any:
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


def _number(value: Any) -> Any:
    """An int, a decimal, a float or a text that is a number as a float, exact where no float is that number."""
    if isinstance(value, bool | float | FarTime) or not isinstance(value, int | str | Decimal):
        return value
    try:
        # Of texts those that Python takes for a float: `Decimal` takes others too.
        nearest = 0.0 if isinstance(value, int) else float(value)
        return number(Decimal(value)) if math.isfinite(nearest) or Decimal(value).is_finite() else nearest
    except (ValueError, InvalidOperation):
        return value


def _json(value: Any) -> Any:
    return read(value.encode()) if isinstance(value, str) else value


def _utc(value: Any) -> Any:
    """A timestamp, or an ISO text that is one, as a timestamp in UTC; one without an offset is taken as UTC.

    What is finer than a microsecond is kept: it becomes a `FarTime`.
    """
    finer = Fraction(0)
    try:
        if isinstance(value, str):
            text = value
            if _FINER.search(text):
                found = _FINE.fullmatch(text)
                if found is None:
                    return value
                finer = Fraction(int(found[2]), 10 ** len(found[2]))
                text = found[1] + found[3]
            value = datetime.fromisoformat(text)
        if isinstance(value, FarTime):
            return instant(value.ns)
        if not isinstance(value, datetime):
            return value
        value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):
        return value
    return instant((instant_ns(value) or 0) + finer * 1_000) if finer else value


_OWN: dict[str, Hook] = {"trim": _trim, "lower": _lower, "nfc": _nfc, "number": _number, "json": _json, "utc": _utc}


def normaliser(names: Iterable[str], loads: Load = load) -> Hook | None:
    """One function of these, in their order; None for none.

    >>> normaliser(["trim", "lower"])(" A  b ")
    'a b'
    """
    steps = [fenced(name, _OWN[name] if name in _OWN else loads(name, "compare.rules", 1)) for name in names]
    if not steps:
        return None

    def all_of_them(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return all_of_them
