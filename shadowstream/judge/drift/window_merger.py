"""Windows merged until they hold enough units for a rate."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from shadowstream.errors import ConfigError
from shadowstream.judge.drift.sealed_state import sealed, unsealed


class Merged(NamedTuple):
    """Consecutive windows as one.

    Start of the first and end of the last in ms; units; bad units or sum of shares; number of windows.
    """

    start_ms: int
    end_ms: int
    n: int
    s: float
    windows: int


class WindowMerger:
    """Merger of consecutive windows until they hold `min_records` units: a rate over three units is noise.

    Windows come in time order with n >= s >= 0 units. Empty ones before the first unit are dropped.

    >>> merger = WindowMerger(10)
    >>> merger.add(0, 1000, 6, 0), merger.add(1000, 2000, 7, 1)
    (None, Merged(start_ms=0, end_ms=2000, n=13, s=1, windows=2))
    """

    def __init__(self, min_records: int) -> None:
        if min_records < 1:
            raise ConfigError(f"min_records: at least 1, got {min_records}")
        self.min_records = min_records
        self.pending: Merged | None = None

    def add(self, start_ms: int, end_ms: int, n: int, s: float) -> Merged | None:
        """Return the merged window that this one completes, or None. Raises ValueError out of time order."""
        if not 0 <= s <= n or end_ms <= start_ms:
            raise ValueError(f"not a window: [{start_ms}, {end_ms}) ms with {s} bad of {n} units")
        held = self.pending
        if held is None:
            held = Merged(start_ms, start_ms, 0, 0, 0)
        elif start_ms < held.end_ms:
            raise ValueError(f"window at {start_ms} ms comes after one that ended at {held.end_ms} ms")
        held = Merged(held.start_ms, end_ms, held.n + n, held.s + s, held.windows + 1)
        full = held.n >= self.min_records
        self.pending = None if full or held.n == 0 else held
        return held if full else None

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return sealed("merger", {"min_records": self.min_records}, pending=self.pending and list(self.pending))

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Restore the state; StateRefused if it is of another kind, of other parameters, or damaged."""
        state = unsealed("merger", {"min_records": self.min_records}, snapshot)
        self.pending = None if state["pending"] is None else Merged(*state["pending"])
