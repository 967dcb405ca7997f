"""Coverage of one criterion: the share of its eligible units that could be measured.

A mean needs numbers, labels need a label, latencies need known times. Units without them are in no rate. Below a least
share the criterion cannot be shown good, because the unmeasured units may be wrong.
"""

from collections.abc import Mapping
from typing import NamedTuple

from shadowstream.config import Config, Criterion
from shadowstream.judge.criteria import CHECK, RATES, by_prefix, mean_of, no_units_of
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.judge.part_figures import scope_of
from shadowstream.protocol.count_names import JOINT, LABEL_RANKED, LABELS, cost_names
from shadowstream.protocol.outcomes import PAIRS, Outcome

MIN_COVERAGE: Mapping[str, float] = {
    "labels": 0.5,
    **dict.fromkeys(("slower", "over", "latency", "cost", "twin"), 0.9),
}
"""Default minimum coverage of criteria whose default is not that of the judge."""
_JOINT = tuple(JOINT + differs for differs in ("neither", "shadow", "twin", "both"))
_WORDS: Mapping[str, tuple[str, str]] = {
    "mean": ("pairs have a number at the path on either side", "see whether the path is right"),
    "check": ("pairs have a value that could be checked", "see whether the path is right"),
    "field": ("pairs that were looked at have the field on either side", "see whether the path is right"),
    "slower": ("pairs have both latencies", "see whether the records have the headers that compare.latency names"),
    "over": ("pairs have both latencies", "see whether the records have the headers that compare.latency names"),
    "latency": ("pairs have both latencies", "see whether the records have the headers that compare.latency names"),
    "cost": ("inputs that the candidate answered were measured", "see whether all runners run this config"),
    "twin": ("production's records were held against the twin", "see whether the twin writes all that production does"),
    "loss": ("pairs have what their loss is computed from", "see whether answers and labels are of the right kind"),
    "labels": ("pairs that were scored got a label", "see whether labels come for all pairs, and for which not"),
}


class Measurable(NamedTuple):
    """Eligible units of one criterion, and the measured ones among them."""

    measured: int
    eligible: int
    waiting: int = 0
    """Eligible units that may still be measured."""
    by_key: str = ""
    """Name of the units if those with a bucket of keys are the measured ones."""

    @property
    def value(self) -> float | None:
        """The share; None where no unit is eligible."""
        return min(1.0, self.measured / self.eligible) if self.eligible > 0 else None


def least_of(criterion: Criterion, config: Config) -> float:
    """Return the minimum coverage without which a criterion cannot be shown good."""
    if criterion.min_coverage is not None:
        return criterion.min_coverage
    rate = "labels" if criterion.is_labelled else criterion.rate
    return min(MIN_COVERAGE.get(rate, 1.0), config.judge.min_coverage)


class CriterionCoverage(NamedTuple):
    """Coverage of a criterion: None if it sees all its units, and the minimum it asks for."""

    measurable: Measurable | None = None
    min_coverage: float = 0.0


FULL_COVERAGE = CriterionCoverage()


def coverage_of(
    criterion: Criterion, config: Config, figures: Mapping[str, int], keyed: Measurable
) -> CriterionCoverage:
    """Return a criterion's coverage over the closed windows. `keyed`: its units with a bucket, among all.

    With `unit: key` both coverages count: that of its rate, and that of keys, which the judge's minimum holds for.
    """
    measurable, least = measurable_of(criterion, figures), least_of(criterion, config)
    if criterion.unit != "key":
        return CriterionCoverage(measurable, least)
    of_keys = CriterionCoverage(
        keyed,
        config.judge.min_coverage if criterion.min_coverage is None else criterion.min_coverage,
    )
    if measurable is None or unmeasured(criterion, *of_keys) is not None:
        return of_keys
    return CriterionCoverage(measurable, least)


def measurable_of(criterion: Criterion, figures: Mapping[str, int]) -> Measurable | None:
    """Return the coverage of a criterion's rate; None if all its units are measured at once.

    A criterion of a part uses the figures of that part.
    """
    if scope := scope_of(criterion):
        figures = by_prefix(scope, figures)
    pairs, path = _sum(figures, PAIRS), criterion.path or ""
    match criterion.rate:
        case "mean" | "loss" if not criterion.is_labelled:
            return Measurable(figures.get(mean_of(criterion), 0), pairs)
        case "check":
            values = figures.get(f"{CHECK}checked:{path}", 0)
            return Measurable(values - _sum(figures, no_units_of(criterion)), pairs)
        case "field":
            looked, there = (figures.get(f"{CHECK}{name}:{path}", 0) for name in ("looked", "there"))
            return Measurable(there, looked)
        case "slower" | "over" | "latency":
            return Measurable(figures.get("latency_pairs", 0), pairs)
        case "cost":
            measured, _ = cost_names(criterion.over_ns or 0)
            return Measurable(figures.get(measured, 0), figures.get("input", 0) - figures.get("input_failed", 0))
        case "twin":
            return Measurable(_sum(figures, _JOINT), _sum(figures, RATES["missing"].n))
        case "labels" | "loss":
            ended = _sum(figures, LABELS)
            # A waiting pair has no label either: while the wait is long, only early labels are known.
            waiting = max(0, pairs - figures.get(Outcome.CARDINALITY, 0) - ended) if criterion.required else 0
            return Measurable(_labelled(criterion, figures), ended + waiting, waiting)
    return None


def _labelled(criterion: Criterion, figures: Mapping[str, int]) -> int:
    if criterion.loss == "auc":
        return figures.get(LABEL_RANKED, 0)
    return figures.get(mean_of(criterion), 0) if criterion.rate == "loss" else _sum(figures, LABELS[:-1])


def unmeasured(criterion: Criterion, measurable: Measurable | None, min_coverage: float) -> str | None:
    """Return the reason why too few units were measured for a good rate to count, or None."""
    if measurable is None or measurable.value is None or measurable.value >= min_coverage:
        return None
    if measurable.by_key:
        words, advice = f"{measurable.by_key} have a key", "take unit: block or record where records have no key"
    else:
        words, advice = _WORDS[criterion.rate]
    if measurable.waiting:
        words += f" ({measurable.waiting:,} wait for theirs)"
    return (
        f"{criterion.id}: {percent(measurable.value)} ({measurable.measured:,} of {measurable.eligible:,}) {words}; "
        "its min_coverage "
        f"asks for {percent(min_coverage)}: {advice}, or set a smaller min_coverage where that is meant"
    )


def _sum(figures: Mapping[str, int], names: tuple[str, ...]) -> int:
    return sum(figures.get(name, 0) for name in names)
