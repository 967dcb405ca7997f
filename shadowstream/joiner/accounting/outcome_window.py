"""Counts of one window and revision, as the joiner collects them between two commits."""

from collections import Counter
from dataclasses import dataclass, field

SubWindows = dict[int, dict[str, int]]
"""Counts by name, by the number of a sub-window."""


@dataclass(slots=True)
class WindowCounts:
    """Counts of one window and revision since the last commit.

    `outcomes`: those that come for a whole window, inputs and costs. `sub_windows`: all others, by sub-window.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    sub_windows: SubWindows = field(default_factory=dict)
    fields: Counter[str] = field(default_factory=Counter)
    noise: Counter[str] = field(default_factory=Counter)

    def sub_window(self, number: int) -> Counter[str]:
        """Return the counter of a sub-window, for more counts."""
        found = self.sub_windows.get(number)
        if not isinstance(found, Counter):  # counts in columns come as a dictionary, most of them once a commit
            found = self.sub_windows[number] = Counter(found)
        return found

    def add(self, sub_windows: SubWindows) -> None:
        """Add counts, which become this window's if it has none."""
        if not self.sub_windows:
            self.sub_windows = sub_windows
            return
        for number, more in sub_windows.items():
            self.sub_window(number).update(more)

    def sums(self) -> dict[str, int]:
        """Return all outcomes; below zero where a correction takes them back."""
        sums: dict[str, int] = dict(self.outcomes)
        for outcomes in self.sub_windows.values():
            for name, n in outcomes.items():
                sums[name] = sums.get(name, 0) + n
        return sums
