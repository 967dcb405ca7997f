"""Watch of the declared distributions: closed windows in, drift events and rows of the verdict out.

Of each field there are three comparisons. *Sides*: the candidate's values beside production's in the same pairs, for
each block of windows (at least `judge.drift.min_records` pairs). *Production* and *candidate*: each side's values of a
season (`judge.min_duration_ms`) beside its first season, so that the hours of a day shift nothing.

The budget of false alarms is spent evenly over event time: half of it on the sides, half on both over time, in equal
parts to the fields. It bounds the expected number of alarms by chance, however the fields depend on each other.

Counts of windows come in event time and on time only (`ClosedWindow.bins`): order, splits and restarts change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any

from shadowstream.compare.dimension_codes import least
from shadowstream.config import Config, Distribution
from shadowstream.judge.distributions.binning import RECORDS_PER_BIN, Binning, fixed, learnt, restored, state_of
from shadowstream.judge.distributions.scatter import BLOCKS_MIN, Scatter
from shadowstream.judge.distributions.series import Events, Rules, Series, Span
from shadowstream.judge.distributions.stability import Samples
from shadowstream.judge.distributions.words import CANDIDATE, PRODUCTION, SIDES
from shadowstream.judge.windows.closed_window import ClosedWindow
from shadowstream.protocol.value_bins import OTHER, VALUES_MAX

YEAR_MS = 365.25 * 24 * 3_600_000
LEVEL_MAX = 0.05
"""Greatest level of a comparison, where few of them share a budget."""
Counts = dict[str, list[int]]


@dataclass(slots=True)
class _Sum:
    """Counts of consecutive windows by bin: production's, the candidate's, and both sides'."""

    from_ms: int = 0
    to_ms: int = 0
    windows: int = 0
    counts: list[list[int]] = field(default_factory=list)

    @property
    def pairs(self) -> int:
        return sum(self.counts[0]) if self.counts else 0

    @property
    def span(self) -> Span:
        return Span(self.from_ms, self.to_ms, self.windows)

    def add(self, span: Span, counts: Sequence[Sequence[int]]) -> None:
        if not self.counts:
            self.from_ms, self.counts = span.from_ms, [[0] * len(counts[0]) for _ in range(3)]
        self.to_ms, self.windows = span.to_ms, self.windows + span.windows
        for sums, more in zip(self.counts, counts, strict=True):
            for place, n in enumerate(more):
                sums[place] += n


def season_windows(config: Config) -> int:
    """Return the number of windows with pairs that make a season."""
    return max(1, math.ceil(config.judge.min_duration_ms / config.judge.window_ms))


def levels(config: Config) -> tuple[float, float]:
    """Return the level of one comparison of sides, and that of one comparison of a side over time."""
    judge, fields = config.judge, len(config.compare.distributions)
    share = judge.distributions.false_alarms_per_year / 2.0 / max(1, fields) / YEAR_MS
    sides, over_time = share * judge.window_ms, share / 2.0 * judge.window_ms * season_windows(config)
    return min(LEVEL_MAX, sides), min(LEVEL_MAX, over_time)


class FieldWatch:
    """Watch of one field."""

    def __init__(self, config: Config, revision: str, declared: Distribution) -> None:
        self._field, self._records_min = declared, config.judge.drift.min_records
        self._season = season_windows(config)
        at_sides, over_time = levels(config)
        psi_min, path = config.judge.distributions.psi_min, declared.path
        self._series = {
            name: Series(path, name, Rules(level, psi_min, revision))
            for name, level in ((SIDES, at_sides), (PRODUCTION, over_time), (CANDIDATE, over_time))
        }
        self._bins: Binning | None = fixed(declared)
        self._learning: Counts = {}
        self._learnt_from = [0, 0, 0]  # begin, end and number of the windows
        self._wrong = 0
        self._is_overflown = False
        self._block, self._period, self._first = _Sum(), _Sum(), _Sum()
        self._scatter = {name: Scatter() for name in self._series}

    def close(self, window: ClosedWindow) -> Events:
        """Add the values of a closed window that came on time."""
        counts = window.bins.get(self._field.path)
        if not counts:
            return []
        if not _possible(counts):
            self._wrong += 1
            return []
        if self._field.learnt_bins is not None and not self._field.is_numeric:
            counts = _kept(counts)
            self._is_overflown |= OTHER in counts
        span = Span(window.start_ms, window.end_ms, 1)
        if self._bins is None:
            self._learn(span, counts)
            return []
        self._block.add(span, self._bins.counts(counts))
        if self._block.pairs < self._records_min:
            return []
        block, self._block = self._block, _Sum()
        return self._compare(block, self._bins)

    def _learn(self, span: Span, counts: Mapping[str, Sequence[int]]) -> None:
        """Gather the first windows, and learn the bins once they are enough; they begin the first season."""
        begin, _, windows = self._learnt_from
        self._learnt_from = [begin if windows else span.from_ms, span.to_ms, windows + 1]
        for name, sides in counts.items():
            held = self._learning.setdefault(name, [0, 0, 0])
            self._learning[name] = [one + more for one, more in zip(held, sides, strict=True)]
        if not self._field.is_numeric:
            self._learning = _kept(self._learning)
            self._is_overflown |= OTHER in self._learning
        if self._pairs_learning >= self._pairs_needed:
            self._bins = learnt(self._field, self._learning)
            self._add_to_period(Span(*self._learnt_from), self._bins.counts(self._learning), self._bins)
            self._learning = {}

    @property
    def _pairs_learning(self) -> int:
        return sum(sides[0] for sides in self._learning.values())

    @property
    def _pairs_needed(self) -> int:
        return RECORDS_PER_BIN * (self._field.learnt_bins or 0)

    def _compare(self, block: _Sum, bins: Binning) -> Events:
        production, candidate, same = block.counts
        scatter = self._scatter[SIDES]
        samples = Samples(production, candidate, bins.ordered, same, scatter.deff)
        events = self._series[SIDES].compare(samples, bins.labels, block.span, alarms=scatter.is_known)
        only = [one - both for one, both in zip(candidate, same, strict=True)]
        moved = [one + other - 2 * both for one, other, both in zip(production, candidate, same, strict=True)]
        scatter.add(moved, only)
        for name, counts in ((PRODUCTION, production), (CANDIDATE, candidate)):
            self._scatter[name].add([sum(counts)] * len(counts), counts)
        return events + self._add_to_period(block.span, block.counts, bins)

    def _add_to_period(self, span: Span, counts: Sequence[Sequence[int]], bins: Binning) -> Events:
        self._period.add(span, counts)
        if self._period.windows < self._season or self._period.pairs < self._records_min:
            return []
        period, self._period = self._period, _Sum()
        if not self._first.counts:
            self._first = period
            return []
        if self._is_overflown:
            return []
        events: Events = []
        for place, name in enumerate((PRODUCTION, CANDIDATE)):
            scatter = self._scatter[name]
            samples = Samples(self._first.counts[place], period.counts[place], bins.ordered, None, scatter.deff)
            events += self._series[name].compare(samples, bins.labels, period.span, alarms=scatter.is_known)
        return events

    def rows(self) -> list[dict[str, Any]]:
        """Return the three comparisons as in schemas/verdict.avsc."""
        return [series.row(self._waits(name)) for name, series in self._series.items()]

    def _waits(self, name: str) -> str:
        if self._wrong:
            return f"the joiner's counts of {self._wrong} windows make no sense and were left out"
        if self._bins is None:
            return f"its bins are learnt from the first {self._pairs_needed:,} pairs, {self._pairs_learning:,} came"
        if name != SIDES and self._is_overflown:
            return (
                f"it has more than {VALUES_MAX} values, so its {name} cannot be compared over time; name the important "
                "ones in categories"
            )
        if name != SIDES and not self._first.counts:
            return f"the first season of {name} has {self._period.windows} of {self._season} windows"
        if self._scatter[name].blocks < BLOCKS_MIN:
            return f"no alarm before {BLOCKS_MIN} blocks of windows have shown whether values come in clusters"
        return ""

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return {
            "bins": None if self._bins is None else state_of(self._bins),
            "learning": [self._learning, self._learnt_from],
            "counted": [self._wrong, self._is_overflown],
            "sums": [asdict(one) for one in (self._block, self._period, self._first)],
            "scatter": {name: asdict(one) for name, one in self._scatter.items()},
            "series": {name: one.snapshot() for name, one in self._series.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the state from a snapshot."""
        self._bins = None if state["bins"] is None else restored(state["bins"])
        self._learning, self._learnt_from = state["learning"]
        self._wrong, self._is_overflown = state["counted"]
        self._block, self._period, self._first = (_Sum(**one) for one in state["sums"])
        for name, series in self._series.items():
            self._scatter[name] = Scatter(**state["scatter"][name])
            series.restore(state["series"][name])


class DistributionWatch:
    """Watch of all declared fields of one revision."""

    def __init__(self, config: Config, revision: str) -> None:
        self._fields = {one.path: FieldWatch(config, revision, one) for one in config.compare.distributions}

    def close(self, window: ClosedWindow) -> Events:
        """Add a closed window and return the drift events."""
        return [*chain.from_iterable(one.close(window) for one in self._fields.values())]

    def rows(self) -> list[dict[str, Any]]:
        """Return all comparisons as in schemas/verdict.avsc."""
        return [row for one in self._fields.values() for row in one.rows()]

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return {path: one.snapshot() for path, one in self._fields.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the state from a snapshot."""
        for path, one in self._fields.items():
            if path in state:
                one.restore(state[path])


def _possible(counts: Mapping[str, Sequence[int]]) -> bool:
    """Return whether each pair can have one value on each side."""
    of_sides = [sum(sides[place] for sides in counts.values()) for place in (0, 1)]
    return of_sides[0] == of_sides[1] > 0 and all(0 <= both <= min(one, other) for one, other, both in counts.values())


def _kept(counts: Mapping[str, Sequence[int]]) -> Counts:
    """Return the counts of at most `VALUES_MAX` values, all others as one."""
    exact = least(counts, VALUES_MAX)
    kept: Counts = {}
    for name, sides in counts.items():
        held = kept.setdefault(name if name in exact else OTHER, [0, 0, 0])
        for place, n in enumerate(sides):
            held[place] += n
    return kept
