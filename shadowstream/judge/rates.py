"""The bounds of a rate, apart from what needs SciPy: the joiner imports `grid` too."""

from __future__ import annotations


def check_rate(name: str, rate: float) -> None:
    """ValueError unless 0 < rate < 1."""
    if not 0.0 < rate < 1.0:
        raise ValueError(f"{name} must lie between 0 and 1, both excluded, got {rate!r}")


def in_percent(rate: float, digits: int = 4) -> str:
    """A rate as sentences say it.

    >>> in_percent(0.01), in_percent(0.02571, 3)
    ('1 %', '2.57 %')
    """
    return f"{100 * rate:.{digits}g} %"
