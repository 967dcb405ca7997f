"""Texts of numbers, times, values and places, the same wherever they are shown."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shadowstream.judge.evidence.rate_bounds import percent


def number(value: float) -> str:
    """Format a count.

    >>> number(1234567), number(1.33333333302)
    ('1,234,567', '1.333')
    """
    return f"{value:,.4g}" if isinstance(value, float) and value != int(value) else f"{int(value):,}"


def rate_text(value: float | None) -> str:
    """Format a rate in percent.

    >>> rate_text(0.0123456), rate_text(None)
    ('1.235 %', '–')
    """
    return "–" if value is None else percent(value)


def log_text(value: float) -> str:
    """Format a natural logarithm with three digits.

    >>> log_text(-10.1234), log_text(3379.6)
    ('-10.1', '3,380')
    """
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def time_text(time_ms: int) -> str:
    """Format an event time in UTC; as the bare number if the calendar has no such year.

    >>> time_text(1_356_998_400_000)
    '2013-01-01 00:00:00'
    """
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{time_ms} ms"


def key_text(row: Mapping[str, Any]) -> str:
    """Return a row's key as text; a dash if it has none."""
    key = row["key"]
    return "-" if key is None else key.decode("utf-8", "backslashreplace") if isinstance(key, bytes) else str(key)


def path_text(path: str) -> str:
    """Return the path of a difference as people read it.

    >>> path_text("user.zip"), path_text("")
    ('user.zip', '(whole value)')
    """
    return path or "(whole value)"


def typical_text(median: float, low: float, high: float) -> str:
    """Return the typical delta of a field with its middle half.

    >>> typical_text(0.25, 0.25, 0.25), typical_text(0.25, 0.2, 0.5)
    ('+0.25', '+0.25 (half of them +0.2 to +0.5)')
    """
    spread = "" if low == high else f" (half of them {low:+.4g} to {high:+.4g})"
    return f"{median:+.4g}{spread}"


def place_text(where: str, problem: str | None, *, deleted: bool) -> str:
    """Return where a record of a pair is, and why its value is not shown.

    >>> place_text("scores/0@7", None, deleted=True), place_text("", "deleted by retention", deleted=False)
    ('scores/0@7: a tombstone', 'deleted by retention')
    """
    return ": ".join(filter(None, (where, problem or ("a tombstone" if deleted else None))))


def side_text(value: str | None) -> str:
    """Return one side of a difference: JSON as in diff."""
    return "(nothing)" if value is None else value


def printable(text: str) -> str:
    r"""Replace characters that neither XML 1.0 nor HTML can hold; names of fields may contain them.

    >>> printable("a\x00b\n")
    'a\ufffdb\n'
    """
    return "".join(
        c if c in "\t\n" or (c >= " " and not "\ud800" <= c <= "\udfff" and c < "\ufffe") else "\ufffd" for c in text
    )
