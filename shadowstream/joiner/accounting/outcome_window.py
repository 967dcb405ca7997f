"""Counts of one window and revision, as the joiner collects them between two commits."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field


@dataclass(slots=True)
class WindowCounts:
    """Counts of one window and revision since the last commit.

    `outcomes`: those that come for a whole window, inputs and costs. `sub_windows`: all others, by sub-window.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    sub_windows: defaultdict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    fields: Counter[str] = field(default_factory=Counter)
    noise: Counter[str] = field(default_factory=Counter)

    def sums(self) -> dict[str, int]:
        """Return all outcomes; below zero where a correction takes them back."""
        if not self.outcomes and len(self.sub_windows) == 1:
            return dict(*self.sub_windows.values())
        sums = Counter(self.outcomes)
        for outcomes in self.sub_windows.values():
            sums.update(outcomes)
        return dict(sums)
