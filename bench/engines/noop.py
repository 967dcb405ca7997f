"""A candidate that costs nothing."""

from __future__ import annotations

from typing import Any


def same(values: list[Any]) -> list[Any]:
    """What was given, a batch at a time."""
    return values
