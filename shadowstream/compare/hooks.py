"""Functions named in the config: loaded once, before the first comparison, and wrapped so that errors name them.

An exception in such a function becomes a difference with a reason, never a crash of the joiner. A rule that fails on
one value in a million must not stop the other pairs, and must not pass as an agreement either.
"""

import functools
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
from shadowstream.entry_points import load_entry_point, refusal
from shadowstream.errors import ConfigError, ShadowstreamBug

Hook = Callable[..., Any]
Load = Callable[[str, str, int], Hook]
"""A loader like `load`: from an entry point, the config key that names it, and the number of arguments."""
_FINER = re.compile(r"[.,]\d{7}")
# Three groups: the time to microseconds, the finer digits, the offset.
_FINE = re.compile(r"([^.,]*[.,]\d{6})(\d+)((?:[^\d.,][^.,]*)?)", re.DOTALL)


class HookError(Exception):
    """A hook has raised an exception; the message names the hook."""


class Unanswered(HookError):
    """A hook has not answered: it took too long, ended its process, or is suspended. The pair was not compared, so it
    does not count as a difference of the candidate."""


def load(entry: str, key: str = "compare.rules", arguments: int = 2) -> Hook:
    """Load the function of an entry point ``package.module:callable`` with a number of arguments; raise
    `ConfigError`."""
    function = load_entry_point(entry, key)
    if (refused := refusal(function, arguments)) is not None:
        raise ConfigError(f"{key}: {entry!r} {refused}")
    return function


def not_loaded(entry: str, key: str = "compare.rules", arguments: int = 2) -> Hook:
    """Return a function in place of an entry point that is not imported: the caller compares nothing."""

    def call(*values: Any) -> Any:
        raise ShadowstreamBug(f"{key}: {entry} is called with {len(values)} of {arguments} values, and was not loaded")

    return call


def fenced(entry: str, function: Hook) -> Hook:
    """Wrap a function so that each exception becomes a `HookError` that names the function."""

    def call(*values: Any) -> Any:
        try:
            return function(*values)
        except (KeyboardInterrupt, HookError):
            raise
        except BaseException as error:
            raise HookError(f"{entry}: {type(error).__name__}: {error}"[:200]) from error

    return call


def answers_of(column_call: Hook, production: list[Any], shadow: list[Any]) -> list[bool]:
    """Call a (wrapped) function of two columns; raise `HookError` if the number of answers is wrong."""
    answers = column_call(production, shadow)
    if not hasattr(answers, "__len__") or len(answers) != len(production):
        raise HookError(f"{len(production)} pairs, and the function of columns returned {type(answers).__name__}")
    return [bool(answer) for answer in answers]


def _number(value: Any) -> Any:
    """Convert an int, a decimal, or a text that is a number to a float, an `ExactFloat` if no float is that number."""
    if isinstance(value, bool | float | FarTime) or not isinstance(value, int | str | Decimal):
        return value
    try:
        # Only texts that `float` parses: `Decimal` parses more.
        nearest = 0.0 if isinstance(value, int) else float(value)
        return number(Decimal(value)) if math.isfinite(nearest) or Decimal(value).is_finite() else nearest
    except (ValueError, InvalidOperation):
        return value


def _utc(value: Any) -> Any:
    """Convert a timestamp, or an ISO text of one, to UTC; without an offset it is taken as UTC. A time finer than a
    microsecond becomes a `FarTime`."""
    finer = Fraction(0)
    try:
        if isinstance(value, str):
            text = value
            if _FINER.search(text):
                digits = _FINE.fullmatch(text)
                if digits is None:
                    return value
                finer = Fraction(int(digits[2]), 10 ** len(digits[2]))
                text = digits[1] + digits[3]
            value = datetime.fromisoformat(text)
        if isinstance(value, FarTime):
            return instant(value.ns)
        if not isinstance(value, datetime):
            return value
        value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):
        return value
    return instant((instant_ns(value) or 0) + finer * 1_000) if finer else value


def _of_text(change: Hook) -> Hook:
    return lambda value: change(value) if isinstance(value, str) else value


_OWN: dict[str, Hook] = {
    "trim": _of_text(lambda text: " ".join(text.split())),
    "lower": _of_text(str.casefold),
    "nfc": _of_text(functools.partial(unicodedata.normalize, "NFC")),
    "number": _number,
    "json": _of_text(lambda text: read(text.encode())),
    "utc": _utc,
}


def normaliser(names: Iterable[str], loads: Load = load) -> Hook | None:
    """Combine the named functions into one, in their order; None without names.

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
