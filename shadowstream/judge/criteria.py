"""The closed table of outcomes as rates: which outcomes are units of a rate, and which of them are bad.

========  =========================================  =============================  ==================
rate      n: units                                   s: bad units                   a unit is
========  =========================================  =============================  ==================
mismatch  pairs compared                             mismatch, cardinality          a pair
missing   pairs compared, missing, candidate error   missing, candidate error       a production record
extra     pairs compared, extra                      extra                          a shadow record
error     input, undecodable shadow                  input_failed, undecodable      an input
                                                     shadow
========  =========================================  =============================  ==================

A pair compared is one unit however many records or fields it has. Where the table of the design is open:

- `undecodable_shadow` counts in error alone, paired or not. Its production record was neither compared nor is it
  missing, so it is no unit of mismatch or missing; the candidate pays once, not twice.
- `undecodable_production` counts in no rate, paired or not, and lowers coverage.
- `candidate_error` ends a production record and counts in missing. The failing input counts in error by itself
  (`input_failed`), whatever production wrote.
- `input_failed` is contained in `input`; `undecodable_shadow` is not, for its input did not fail.
- A candidate that is a job of its own (`candidate.topic`) does not tell us of its inputs. Its error is then the share
  of its records that cannot be decoded: n is pairs compared, extra and undecodable shadow, s undecodable shadow.
- A record that no pair can hold (`unpairable`) lowers coverage on either side; a duplicate is shown and lowers nothing.
- The twin's outcomes (`twin_*`), the joint ones (`joint_*`) and those of its records alone count in no rate and lower
  no coverage: they are kept and shown, for what differs between two runs of production is no fault of the candidate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from shadowstream.config import Config

PAIRS = ("match", "tolerated", "ignored", "expected", "mismatch", "cardinality")

# Records that ended without having been compared or judged missing. A duplicate is shown, not lost.
UNCOVERED = (
    *("undecodable_production", "unpairable_production", "unpairable_shadow"),
    *("warm_up", "sampled_out", "evicted", "filtered"),
)

# An outcome of the comparison itself: what a window must hold to count as evidence over time. Warm-up does not, or a
# backlog of days would pass for days of trial.
COMPARED = (*PAIRS, "missing", "extra", "candidate_error", "undecodable_shadow")

# What only a twin brings: how production's two runs compare, which of the two differ, and its records alone.
OF_TWIN = ("duplicate_twin", "unpairable_twin", "undecodable_twin")
OF_TWIN_PREFIXES = ("twin_", "joint_")

KNOWN = frozenset(
    (*COMPARED, *UNCOVERED, *OF_TWIN, "duplicate_production", "duplicate_shadow", "input", "input_failed")
)


class Rate(NamedTuple):
    """One row of the table: outcomes that are units, outcomes that are bad units, and the units' name."""

    n: tuple[str, ...]
    s: tuple[str, ...]
    units: str


RATES: dict[str, Rate] = {
    "mismatch": Rate(PAIRS, ("mismatch", "cardinality"), "pairs"),
    "missing": Rate((*PAIRS, "missing", "candidate_error"), ("missing", "candidate_error"), "production records"),
    "extra": Rate((*PAIRS, "extra"), ("extra",), "shadow records"),
    "error": Rate(("input", "undecodable_shadow"), ("input_failed", "undecodable_shadow"), "inputs"),
}
UNCOUNTED_INPUTS = RATES | {
    "error": Rate((*PAIRS, "extra", "undecodable_shadow"), ("undecodable_shadow",), "shadow records")
}
"""The rates of a candidate whose inputs nobody counts for us."""


def rates_of(config: Config) -> Mapping[str, Rate]:
    """The table of rates for a trial's candidate."""
    return RATES if config.candidate.topic is None else UNCOUNTED_INPUTS


def is_known(outcome: str) -> bool:
    """Whether an outcome is in the closed table.

    >>> is_known("joint_both"), is_known("vanished")
    (True, False)
    """
    return outcome in KNOWN or outcome.startswith(OF_TWIN_PREFIXES)


class Counts(NamedTuple):
    """Units and bad units of one rate."""

    n: int
    s: int

    @property
    def possible(self) -> bool:
        """Whether 0 <= s <= n; anything else is a writer's error and can carry no evidence."""
        return 0 <= self.s <= self.n


def counts(rate: str, outcomes: Mapping[str, int], rates: Mapping[str, Rate] = RATES) -> Counts:
    """Units and bad units of `rate` in a map of outcome counts; outcomes that are not there count 0.

    >>> counts("missing", {"match": 7, "mismatch": 1, "missing": 2})
    Counts(n=10, s=2)
    """
    row = rates[rate]
    return Counts(sum(outcomes.get(name, 0) for name in row.n), sum(outcomes.get(name, 0) for name in row.s))


def coverage(outcomes: Mapping[str, int]) -> float | None:
    """Share of what ended that was compared or judged missing, a pair as one; None where nothing has ended.

    >>> coverage({"match": 3, "warm_up": 1})
    0.75
    """
    judged = counts("missing", outcomes).n
    every = judged + sum(outcomes.get(name, 0) for name in UNCOVERED)
    return judged / every if every > 0 else None


class Trailing:
    """The shortest run of last closed windows that holds at least `units` units of one rate.

    Which windows belong to it follows from what they held on time, so a correction that comes sooner or later
    changes the counts and never the choice. Windows before the run are forgotten: memory is bounded by `units`.
    """

    def __init__(self, rate: str, units: int, rates: Mapping[str, Rate] = RATES) -> None:
        self.rate = rate
        self.units = units
        self._rates = rates
        self._windows: deque[list[int]] = deque()  # start, units on time, n, s
        self._held = 0

    def close(self, start_ms: int, outcomes: Mapping[str, int]) -> None:
        """Append the next closed window with what it held on time."""
        n, s = counts(self.rate, outcomes, self._rates)
        if n <= 0:
            return
        self._windows.append([start_ms, n, n, s])
        self._held += n
        while self._held - self._windows[0][1] >= self.units:
            self._held -= self._windows.popleft()[1]

    def correct(self, start_ms: int, outcomes: Mapping[str, int]) -> None:
        """Add a correction to a window of the run; corrections of forgotten windows do nothing."""
        n, s = counts(self.rate, outcomes, self._rates)
        for window in self._windows:
            if window[0] == start_ms:
                window[2] += n
                window[3] += s

    @property
    def full(self) -> bool:
        """Whether the run holds as many units as it must."""
        return self._held >= self.units

    @property
    def counts(self) -> Counts:
        """Units and bad units of the run, corrections included."""
        return Counts(sum(window[2] for window in self._windows), sum(window[3] for window in self._windows))

    def snapshot(self) -> list[list[int]]:
        """The run as JSON."""
        return [list(window) for window in self._windows]

    def restore(self, windows: Iterable[Any]) -> None:
        """Take up a snapshot."""
        self._windows = deque(list(window) for window in windows)
        self._held = sum(window[1] for window in self._windows)
