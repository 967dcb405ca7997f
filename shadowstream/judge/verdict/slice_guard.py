"""Slice guard: a value of a declared dimension that is bad while the whole is good blocks promote.

A tenant with one record in a thousand can be wrong in all of them and move no rate of the whole. So the guard tests
each value of each dimension against the limit of each criterion that can be counted by value, by E_above of the value's
own units: "this value is over the limit". There are K = (criteria + 2) * dimensions * (values_max + 1) such tests, two
of them about coverage, and five for each of several output topics (`part_guard`). Each needs E >= K/alpha, so that any
of them errs with a probability of at most alpha, however often they are looked at (Ville for each, Boole over all; K
does not depend on the observed values). tests/judge/calibration.py measures it.

No value must be *shown good*: a value with few records could not be, and would block every promote. A caveat names
values that are too small for either.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shadowstream.compare.dimension_codes import UNDECODABLE
from shadowstream.config import Config
from shadowstream.judge.coverage.coverage import share_of
from shadowstream.judge.criteria import agreed_of, no_units_of
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.judge.evidence.rates import critical_n, log_e_above
from shadowstream.judge.part_figures import BAD, PAIRS, by_value
from shadowstream.judge.verdict.criterion_units import Measure
from shadowstream.judge.verdict.part_guard import bad_topics, uncovered_values
from shadowstream.protocol.outcomes import FAILED, Outcome, bad_unit_of

NAMED_MAX = 5
OF_COVERAGE, OF_TOPIC = 2, 3
"""Tests of each part beside the rates of slices: coverage of either side, and rates of an output topic."""
_LACKING = bad_unit_of("missing")
_ENDED = (PAIRS, Outcome.BOTH_FAILED, *_LACKING)


class RateFigures(NamedTuple):
    """Figures of a value that are units of a rate, those that are bad units, and their names."""

    n: tuple[str, ...]
    s: tuple[str, ...]
    units: str
    bad: str
    agreed: tuple[str, ...] = ()
    """Figures of bad units that do not count as bad (`criteria.Rate`)."""
    no_units: tuple[str, ...] = ()


class SliceFindings(NamedTuple):
    """Findings of the guard as sentences: reasons against promote, and values that are too small to judge."""

    bad: tuple[str, ...] = ()
    small: tuple[str, ...] = ()


NO_FINDINGS = SliceFindings()


def row_of(measure: Measure) -> RateFigures | None:
    """Return the row by which a criterion is counted by value; None if it cannot be."""
    criterion = measure.criterion
    rows = {
        "mismatch": RateFigures((PAIRS,), (BAD,), "pairs", "differ"),
        "field": RateFigures((PAIRS,), (f"field/{criterion.path}",), "pairs", f"differ at {criterion.path}"),
        "missing": RateFigures(_ENDED, _LACKING, "production records", "have no partner"),
        "extra": RateFigures((PAIRS, Outcome.EXTRA), (Outcome.EXTRA,), "shadow records", "have no partner"),
        "error": RateFigures(
            (*_ENDED, *bad_unit_of("error")),
            (*FAILED, *bad_unit_of("error")),
            "production records",
            "have an error of the candidate",
        ),
        "check": RateFigures(
            (f"check/checked:{criterion.path}",),
            (f"check/{criterion.check}:{criterion.path}",),
            "values checked",
            f"fail the check of {criterion.path}",
            agreed_of(criterion),
            no_units_of(criterion),
        ),
        # A part of the mean: differences of the whole bound, or a number on one side only.
        "mean": RateFigures(
            (f"mean/{criterion.path}/n",),
            (f"mean/{criterion.path}/full",),
            "pairs with numbers",
            f"differ at {criterion.path} by the whole bound",
        ),
        "slower": RateFigures(("latency_pairs",), ("latency_slower",), "pairs with both latencies", "are slower"),
        "over": RateFigures(
            ("latency_pairs",), ("latency_over",), "pairs with both latencies", "are over the latency limit"
        ),
    }
    unlike_rows = criterion.muted or criterion.where or criterion.topic or criterion.signed
    return None if unlike_rows else rows.get(criterion.rate)


def guard(config: Config, alpha: float, measures: Sequence[Measure], figures: Mapping[str, int]) -> SliceFindings:
    """Test all values. `alpha`: their shared level; `figures`: those of all closed windows."""
    dimensions = [dimension.name for dimension in config.compare.dimensions]
    rows = [(measure, row) for measure in measures if (row := row_of(measure)) is not None]
    need = level_of(config, alpha, len(rows))
    bad_parts, unknown = bad_topics(config, need, measures, figures)
    if config.judge.slices != "guard" or not dimensions:
        return SliceFindings(tuple(bad_parts), tuple(unknown))
    values = by_value(figures, dimensions, config.compare.values_max)
    reasons, caveats = uncovered_values(config, need, values)
    bad_parts, unknown = _first([*bad_parts, *reasons]), [*unknown, *caveats]
    lost = share_of("production", figures).lost  # their value is unknown, so any extra may be their partner
    everything = {
        dimension: sum(counts[PAIRS] for (name, _), counts in values.items() if name == dimension)
        for dimension in dimensions
    }
    bad = [
        (evidence, _bad(measure, row, name, counts, everything[name[0]]), name)
        for name, counts in values.items()
        if name[1] != UNDECODABLE
        for measure, row in rows
        if not (row.s == (Outcome.EXTRA,) and counts[Outcome.EXTRA] <= lost)
        if (evidence := _log_e(measure, row, counts)) >= need
    ]
    over = {name for _, _, name in bad}
    small = _small(rows, {name: counts for name, counts in values.items() if name not in over}, everything)
    bad.sort(key=lambda item: (-item[0], item[1]))
    more = [f"{len(bad) - NAMED_MAX} more slices are shown to be over a limit"] if len(bad) > NAMED_MAX else []
    return SliceFindings((*bad_parts, *(sentence for _, sentence, _ in bad[:NAMED_MAX]), *more), (*unknown, *small))


def level_of(config: Config, alpha: float, rates: int) -> float:
    """Return the ln E that shows a part bad: all tests of all parts share `alpha`."""
    dimensions, topics = len(config.compare.dimensions), len(config.production.outputs)
    values = dimensions * (config.compare.values_max + 1) if config.judge.slices == "guard" else 0
    questions = (rates + OF_COVERAGE) * values + ((OF_TOPIC + OF_COVERAGE) * topics if topics > 1 else 0)
    return math.log(max(1, questions) / alpha)


def _first(reasons: list[str]) -> list[str]:
    left = len(reasons) - NAMED_MAX
    more = [f"{left} more parts were not compared or are over a limit"] if left > 0 else []
    return [*reasons[:NAMED_MAX], *more]


def _counts(row: RateFigures, counts: Mapping[str, int]) -> tuple[int, int]:
    n, s, agreed, none = (
        sum(counts.get(name, 0) for name in names) for names in (row.n, row.s, row.agreed, row.no_units)
    )
    return n - none, s - agreed


def _log_e(measure: Measure, row: RateFigures, counts: Mapping[str, int]) -> float:
    n, s = _counts(row, counts)
    # A correction whose record could not be read again leaves a count one too low; that proves nothing.
    return log_e_above(n, s, measure.limit) if 0 < s <= n and s > n * measure.limit else 0.0


def _bad(measure: Measure, row: RateFigures, name: tuple[str, str], counts: Counter[str], everything: int) -> str:
    n, s = _counts(row, counts)
    return (
        f"slice {name[0]}={name[1]}: {s} of {n} {row.units} ({percent(s / n)}) {row.bad}, which is shown to be over "
        f"the limit {percent(measure.limit)} of {measure.id}; the slice holds {_share(counts[PAIRS], everything)} "
        "of all pairs. Mend the candidate there; judge.slices: show lets slices decide nothing"
    )


def _small(
    rows: Sequence[tuple[Measure, RateFigures]],
    values: Mapping[tuple[str, str], Counter[str]],
    everything: Mapping[str, int],
) -> list[str]:
    """Name values with too few pairs to show a perfect candidate good, worst first."""
    of_pairs = [(measure, row) for measure, row in rows if row.n == (PAIRS,)]
    if not of_pairs:
        return []
    measure, row = min(of_pairs, key=lambda item: (item[0].criterion.rate != "mismatch", item[0].id))
    needed = critical_n(0, measure.limit, measure.alpha)
    too_small = []
    for (dimension, value), counts in sorted(values.items()):
        n, s = _counts(row, counts)
        if 0 < n < needed:
            too_small.append((-s / n, -n, f"{dimension}={value}", n, s, _share(n, everything[dimension])))
    too_small.sort()
    caveats = [
        f"slice {name}: {n} pairs ({share} of all), too few to be judged by themselves: {needed} are needed at the "
        f"limit {percent(measure.limit)} of {measure.id}; {_how_many(s, n)} {row.bad}"
        for _, _, name, n, s, share in too_small[:NAMED_MAX]
    ]
    if len(too_small) > NAMED_MAX:
        rest = sum(entry[3] for entry in too_small[NAMED_MAX:])
        caveats.append(
            f"{len(too_small) - NAMED_MAX} more slices are too small to be judged by themselves: {rest} pairs"
        )
    return caveats


def _how_many(s: int, n: int) -> str:
    return "all of them" if s == n else f"{s} of them" if s else "none of them"


def _share(n: int, everything: int) -> str:
    return percent(n / everything, 3) if everything else "none"
