"""Coverage: the share of each side's records that were compared or judged, over the revision and recently.

Promote needs `judge.min_coverage` on both sides, over all closed windows and over the last ones. Rates exclude records
that could not be compared. Without this bound, a candidate that is wrong exactly there would be shown good.
"""

import re
from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from shadowstream.config import Config
from shadowstream.judge.coverage.coverage_losses import ADVICE, LossSide
from shadowstream.judge.coverage.evicted_records import evicted_of, is_of_evictions, shed_of
from shadowstream.judge.criteria import RATES, REASON, by_prefix
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.protocol.outcomes import DECLARED, LOWERS_COVERAGE, Outcome
from shadowstream.protocol.reasons import OTHER, reason_name, split_name
from shadowstream.records import Side

SIDES: tuple[LossSide, LossSide] = ("production", "candidate")
SHOWN_MAX = 3
"""Outcomes that a verdict names as what lowers coverage."""
REASONS_SHOWN_MAX = 3
"""Reasons that a verdict holds of one outcome."""
_JUDGED: Mapping[LossSide, tuple[str, ...]] = {"production": RATES["missing"].n, "candidate": RATES["extra"].n}
_SIDE_OF: Mapping[LossSide, Side] = {"production": Side.PRODUCTION, "candidate": Side.SHADOW}
_LOWERS: Mapping[LossSide, tuple[str, ...]] = {
    side: tuple(one.value for one, of in LOWERS_COVERAGE.items() if of is _SIDE_OF[side] and one is not Outcome.EVICTED)
    for side in SIDES
}
_RECORDS: Mapping[LossSide, str] = {"production": "production's records", "candidate": "the candidate's records"}
_KEPT = frozenset(name for side in SIDES for name in _JUDGED[side]) | frozenset(LOWERS_COVERAGE)
_NAMES_A_KEY = re.compile(r"\b(schemas|identity|limits|candidate)\.[a-z]")
_WINDOWS_FACTOR, _LEAST_MISSED = 2, 0.001


class Share(NamedTuple):
    """Records of one side that were compared or judged, and those that were lost."""

    side: LossSide
    judged: int
    lost: int

    @property
    def total(self) -> int:
        """All records that the trial must account for."""
        return self.judged + self.lost

    @property
    def value(self) -> float | None:
        """The coverage; None where no record has ended."""
        return self.judged / self.total if self.total > 0 else None


def share_of(side: LossSide, outcomes: Mapping[str, int]) -> Share:
    """Return the coverage of one side in a map of outcomes.

    >>> share_of("production", {"match": 3, "undecodable_production": 1, "warm_up": 96}).value
    0.75
    """
    judged = sum(max(0, outcomes.get(name, 0)) for name in _JUDGED[side])
    return Share(side, judged, sum(losses_of(side, outcomes).values()))


def losses_of(side: LossSide, outcomes: Mapping[str, int]) -> dict[str, int]:
    """Return the records that lower a side's coverage, by outcome; each evicted record counts on its own side."""
    losses = {name: outcomes.get(name, 0) for name in _LOWERS[side]}
    losses[Outcome.EVICTED.value] = evicted_of(side, outcomes)
    return {name: units for name, units in losses.items() if units > 0}


def coverage(outcomes: Mapping[str, int]) -> float | None:
    """Return the share of production's records that were compared or judged missing; None if none has ended.

    >>> coverage({"match": 3, "unpairable_production": 1})
    0.75
    """
    return share_of("production", outcomes).value


def declared_share(outcomes: Mapping[str, int]) -> dict[str, float]:
    """Return the share of production's records that the trial leaves out by declaration, by outcome.

    >>> declared_share({"match": 3, "warm_up": 1})
    {'warm_up': 0.25}
    """
    declared = {name.value: outcomes[name] for name in DECLARED if outcomes.get(name, 0) > 0}
    ended = share_of("production", outcomes).total + sum(declared.values())
    return {name: units / ended for name, units in declared.items()}


class RecentOutcomes:
    """Shortest run of the last closed windows in which enough of production's records have ended.

    Enough is twice the number that would show a share of `1 - min_coverage` lost.
    """

    def __init__(self, config: Config) -> None:
        missed = max(1.0 - config.judge.min_coverage, _LEAST_MISSED)
        # A local import, because it loads NumPy, which readers of a verdict do not need.
        from shadowstream.judge.evidence.rates import critical_n

        self._least = _WINDOWS_FACTOR * critical_n(0, min(missed, 0.5), config.judge.alpha)
        self._windows: deque[tuple[int, int, Counter[str]]] = deque()  # start, records on time, outcomes
        self._held = 0

    def close(self, start_ms: int, outcomes: Mapping[str, int], corrections: Mapping[int, Mapping[str, int]]) -> None:
        """Append the next closed window and correct the earlier ones of the run."""
        for at_ms, figures in corrections.items():
            for window in self._windows:
                if window[0] == at_ms:
                    window[2].update(_kept(figures))
        counted = Counter(_kept(outcomes))
        records = max(share_of(side, counted).total for side in SIDES)
        if records > 0:
            self._windows.append((start_ms, records, counted))
            self._held += records
        while self._windows and self._held - self._windows[0][1] >= self._least:
            self._held -= self._windows.popleft()[1]

    @property
    def outcomes(self) -> Counter[str]:
        """Outcomes of the windows of the run."""
        total: Counter[str] = Counter()
        for _, _, kept in self._windows:
            total.update(kept)
        return total

    def snapshot(self) -> list[Any]:
        """Return the run as JSON."""
        return [[start, held, dict(kept)] for start, held, kept in self._windows]

    def restore(self, windows: Iterable[Any]) -> None:
        """Restore the state from a snapshot."""
        self._windows = deque((start, held, Counter(kept)) for start, held, kept in windows)
        self._held = sum(window[1] for window in self._windows)


def _kept(figures: Mapping[str, int]) -> dict[str, int]:
    return {name: units for name, units in figures.items() if name in _KEPT or is_of_evictions(name)}


def top_reasons(figures: Mapping[str, int]) -> dict[str, int]:
    """Return the most frequent reasons of each outcome by name, at most `REASONS_SHOWN_MAX` each."""
    by_outcome: dict[str, list[tuple[str, int]]] = {}
    for name, units in by_prefix(REASON, figures).items():
        outcome, reason = split_name(name)
        if units > 0:
            by_outcome.setdefault(outcome, []).append((reason, units))
    return {
        reason_name(outcome, reason): units
        for outcome, reasons_of_outcome in sorted(by_outcome.items())
        for reason, units in sorted(reasons_of_outcome, key=lambda item: (item[0] == OTHER, -item[1], item[0]))[
            :REASONS_SHOWN_MAX
        ]
    }


def uncovered(
    config: Config,
    outcomes: Mapping[str, int],
    recent: Mapping[str, int],
    reasons: Mapping[str, int],
    advised: Collection[str] = (),
) -> list[str]:
    """Return the sentences by which coverage blocks promote.

    `reasons`: as of `top_reasons`. `advised`: outcomes for which another reason already gives advice.
    """
    min_coverage = config.judge.min_coverage
    blockers: list[str] = []
    for side in SIDES:
        for counted, when in ((outcomes, ""), (recent, "lately, ")):
            share = share_of(side, counted)
            if share.value is None or share.value >= min_coverage:
                continue
            blockers.append(
                f"coverage: {when}{percent(share.value)} of {_RECORDS[side]} ({share.judged:,} of {share.total:,}) "
                f"were compared or judged; judge.min_coverage asks for {percent(min_coverage)}"
            )
            blockers += [f"coverage: {sentence}" for sentence in lowered_by(share, counted, reasons, advised)]
            break
    return blockers


def shed(config: Config, figures: Mapping[str, int]) -> list[str]:
    """Return a reason if evictions by a limit exceed the share that `judge.min_coverage` allows."""
    shed_records = {side: shed_of(side, figures) for side in SIDES}
    lost_max = 1.0 - config.judge.min_coverage
    if not any(units > lost_max * share_of(side, figures).total for side, units in shed_records.items()):
        return []
    return [
        f"{sum(shed_records.values()):,} records were evicted before they could be compared: both sides lead by "
        "turns, and "
        "limits.overflow: shed ends what waits (an older joiner names no cause). `shadowstream diff CONFIG --outcome "
        "evicted` shows them. In a new trial raise limits.pending_bytes_max or add joiners"
    ]


def lowered_by(
    share: Share, outcomes: Mapping[str, int], reasons: Mapping[str, int], advised: Collection[str] = ()
) -> list[str]:
    """Return the outcomes that lower a side's coverage most, with share, most frequent reason and advice."""
    ranked = sorted(losses_of(share.side, outcomes).items(), key=lambda item: (-item[1], item[0]))
    return [_sentence(name, units, share, reasons, name in advised) for name, units in ranked[:SHOWN_MAX]]


def _sentence(outcome: str, units: int, share: Share, reasons: Mapping[str, int], advised: bool) -> str:
    named = [split_name(name)[1] for name in reasons if split_name(name)[0] == outcome]
    common = next((reason for reason in _ranked(outcome, named, reasons) if reason != OTHER), None)
    why = f": {common}" if common else ""
    sentence = f"{percent(units / share.total)} {outcome} ({units:,}){why}"
    if advised:
        return f"{sentence}; change identity as named above"
    # A reason that names a key of the config has said what to change.
    return sentence if _NAMES_A_KEY.search(common or "") else f"{sentence}; {ADVICE[outcome].of(common)}"


def _ranked(outcome: str, named: Sequence[str], reasons: Mapping[str, int]) -> list[str]:
    return sorted(named, key=lambda item: (-reasons[reason_name(outcome, item)], item))
