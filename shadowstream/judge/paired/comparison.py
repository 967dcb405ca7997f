"""McNemar's comparison of two candidates on the same records of production, valid at any number of looks.

A record on which both are right, or both wrong, does not tell them apart. Of the others each belongs to the candidate
that is wrong. Under the null hypothesis "the second is not better" such a record belongs to the second with a
probability of at least one half, given the past. The evidence against it is that of a rate under one half
(`evidence.rates`), and the mirrored hypothesis has the mirrored evidence.

A key that is wrong is wrong again, so its records are no evidence of their own. The unit is a key: it belongs to the
candidate that is wrong on its first record, in event time, that tells the two apart. A record without a key is a unit.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

from shadowstream.judge.evidence.design_effect import BLOCKS_MIN, NO_SQUARES, Clusters, design_effect, squared
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.judge.evidence.rates import log_e_above, log_e_below, lower_limit, upper_limit
from shadowstream.judge.paired.judged_records import JudgedRecords, KeptRecord, RecordPlace, Standing

EVEN = 0.5
UNITS_SHOWN_MAX = 1_000_000
KEYED_SHARE_MIN = 0.5  # below it the units are records for the greater part, and may cluster


class Unit(NamedTuple):
    """A unit that tells the two apart: the event time of its first record, and whether the second is wrong on it."""

    time_ms: int
    of_second: bool


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms of a comparison: level of each statement, least share of records that both judged, and width of a window.
    `from_ms`, `to_ms`: the range of event time that all trials have judged."""

    level: float
    min_coverage: float
    window_ms: int
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """Two candidates on the same records. `units`: units that tell them apart, `of_second` of them the second's; so too
    for `records`. `share`: limits of the second's share of the units, valid at all times. `better`: the name of the
    candidate that is shown to be better; None with the `reasons`."""

    first: str
    second: str
    judged: int
    wrong_first: int
    wrong_second: int
    unjudged: int
    records: int
    records_of_second: int
    units: int
    of_second: int
    log_e_first_better: float
    log_e_second_better: float
    log_shown_at: float
    share: tuple[float, float]
    better: str | None
    reasons: tuple[str, ...]


def terms_of(trials: Sequence[JudgedRecords], alpha: float, min_coverage: float, window_ms: int) -> Terms:
    """Return the terms of the comparison of all pairs of these trials: alpha is shared by all statements, two a pair.

    >>> terms_of([JudgedRecords("a", "", 100), JudgedRecords("b", "", 90)], 0.05, 0.99, 10).level
    0.025
    """
    statements = len(trials) * (len(trials) - 1)
    starts = [min(trial.units, default=trial.to_ms) for trial in trials]
    return Terms(alpha / statements, min_coverage, window_ms, max(starts), min(trial.to_ms for trial in trials))


def comparisons(trials: Sequence[JudgedRecords], terms: Terms) -> list[PairedComparison]:
    """Compare each pair of trials."""
    return [compare(first, second, terms) for first, second in combinations(trials, 2)]


def best_of(trials: Sequence[JudgedRecords], found: Sequence[PairedComparison]) -> str | None:
    """Return the candidate that is shown to be better than each other; None if there is none."""
    for trial in trials:
        against = [one for one in found if trial.name in (one.first, one.second)]
        if against and all(one.better == trial.name for one in against):
            return trial.name
    return None


def compare(first: JudgedRecords, second: JudgedRecords, terms: Terms) -> PairedComparison:
    """Compare two candidates on the records that both trials judged."""
    seen = _Seen()
    for place in sorted(first.kept.keys() | second.kept.keys(), key=lambda place: _order(place, first, second)):
        if _is_common(place, first, second, terms):
            seen.add(first.kept.get(place), second.kept.get(place))
    n, s = len(seen.units), sum(unit.of_second for unit in seen.units)
    judged = min(trial.judged(terms.from_ms, terms.to_ms) for trial in (first, second))
    shown_at = -math.log(terms.level)
    log_e = float(log_e_above(n, s, EVEN)), float(log_e_below(n, s, EVEN))
    reasons = [*_coverage(judged, seen.unjudged, terms), *_clusters(seen, terms)]
    better = None
    if max(log_e) < shown_at:
        reasons.append(_needed(n, s, shown_at))
    else:
        better = (first, second)[log_e[1] > log_e[0]].name
        by_records = seen.of_second - seen.of_first
        if (by_records >= 0) if better == second.name else (by_records <= 0):
            reasons.append(f"by keys {better!r} is better, by records it is not: few keys hold many of the records")
    limits = (float(lower_limit(n, s, terms.level)), float(upper_limit(n, s, terms.level))) if n else (0.0, 1.0)
    return PairedComparison(
        first.name, second.name, judged, seen.wrong_first, seen.wrong_second, seen.unjudged,
        seen.of_first + seen.of_second, seen.of_second, n, s, *log_e, shown_at, limits,
        None if reasons else better, tuple(reasons),
    )  # fmt: skip


@dataclass(slots=True)
class _Seen:
    """Counts over the records of a pair of trials, in the order of event time."""

    units: list[Unit] = field(default_factory=list)
    keys: set[bytes] = field(default_factory=set)
    of_first: int = 0
    of_second: int = 0
    wrong_first: int = 0
    wrong_second: int = 0
    unjudged: int = 0
    keyless: int = 0

    def add(self, a: KeptRecord | None, b: KeptRecord | None) -> None:
        """Add a record by its standings; None is right."""
        record = a or b
        standings = {one.standing for one in (a, b) if one is not None}
        if record is None or Standing.LEFT_OUT in standings:
            return
        if Standing.UNJUDGED in standings:
            self.unjudged += 1
            return
        self.wrong_first += a is not None
        self.wrong_second += b is not None
        if a is not None and b is not None:
            return
        self.of_first += b is None
        self.of_second += a is None
        if record.key in self.keys:
            return
        self.units.append(Unit(record.time_ms, a is None))
        if record.key is None:
            self.keyless += 1
        else:
            self.keys.add(record.key)


def _order(place: RecordPlace, first: JudgedRecords, second: JudgedRecords) -> tuple[int, RecordPlace]:
    record = first.kept.get(place) or second.kept[place]
    return record.time_ms, place


def _is_common(place: RecordPlace, first: JudgedRecords, second: JudgedRecords, terms: Terms) -> bool:
    """Whether both trials have judged this record: it is after both starts, in a window that both have closed."""
    time_ms, _ = _order(place, first, second)
    started = all(place.offset >= trial.ends.get(place.partition, 0) for trial in (first, second))
    return started and terms.from_ms <= time_ms < terms.to_ms


def _coverage(judged: int, unjudged: int, terms: Terms) -> Iterator[str]:
    if not judged:
        yield "no window with records of both trials has closed: let them run"
    elif unjudged > (1.0 - terms.min_coverage) * (judged + unjudged):
        total = judged + unjudged
        share, allowed = percent(unjudged / total, 3), percent(1.0 - terms.min_coverage, 3)
        yield (
            f"{unjudged:,} of {total:,} records ({share}) were not judged by both trials; at most {allowed} "
            "may be: `explain` of each trial names the cause"
        )


def _clusters(seen: _Seen, terms: Terms) -> Iterator[str]:
    """Reasons where the greater part of the units are records without a key, which may cluster."""
    if seen.keyless <= (1.0 - KEYED_SHARE_MIN) * len(seen.units):
        return
    windows: dict[int, list[int]] = {}
    for unit in seen.units:
        counts = windows.setdefault(unit.time_ms // terms.window_ms, [0, 0])
        counts[0] += 1
        counts[1] += unit.of_second
    if len(windows) < BLOCKS_MIN:
        yield (
            f"the records have no key, and those that tell the two apart are in {len(windows)} windows: {BLOCKS_MIN} "
            "are needed to see whether they come together"
        )
        return
    squares = NO_SQUARES
    for counts in windows.values():
        squares = squared(squares, counts)
    n, s = len(seen.units), sum(unit.of_second for unit in seen.units)
    clusters = Clusters(design_effect(n, s, squares), len(windows), s)
    if clusters.shown:
        yield (
            f"the records have no key and come together: {clusters.deff:.3g} of them are one piece of evidence; "
            "give production's records keys"
        )


def _needed(n: int, s: int, shown_at: float) -> str:
    """Reason where neither is shown to be better, with the number of units at the present share."""
    if 2 * s == n:
        return "neither is shown to be better: so far they are wrong equally often"
    fewer, needed = min(s, n - s), n
    while log_e_below(needed, round(fewer * needed / n), EVEN) < shown_at and needed < UNITS_SHOWN_MAX:
        needed += max(1, needed // 50)
    more = "" if needed >= UNITS_SHOWN_MAX else f"; at the present share about {needed - n:,} more units are needed"
    return f"neither is shown to be better{more}"
