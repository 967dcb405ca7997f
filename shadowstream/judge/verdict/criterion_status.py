"""Status of one criterion: its evidence, the rate it could have missed, and its reasons against promote."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from shadowstream.judge.coverage.criterion_coverage import FULL_COVERAGE, CriterionCoverage, unmeasured
from shadowstream.judge.coverage.explained_absences import doubt
from shadowstream.judge.evidence.design_effect import Clusters
from shadowstream.judge.evidence.rate_bounds import amount, percent, rate_in_words
from shadowstream.judge.verdict.criterion_units import Measure, Numbers
from shadowstream.judge.verdict.outlook import unfit_units
from shadowstream.judge.verdict.overwhelming_evidence import BEYOND_DOUBT
from shadowstream.judge.verdict.plan_lines import reasons, shows
from shadowstream.judge.verdict.planned_looks import PlannedLatch
from shadowstream.judge.verdict.quantile_units import ByQuantile
from shadowstream.judge.verdict.recent_windows import RecentWindows
from shadowstream.judge.verdict.reject_latch import RejectLatch


@dataclass(frozen=True, slots=True)
class CriterionStatus:
    """Status of one criterion.

    `record`: its part of the verdict record. `why`: reasons against promote, empty if it passed.
    """

    measure: Measure
    record: dict[str, Any]
    why: list[str]

    @property
    def without_field(self) -> CriterionStatus:
        """The same status if no value contains the criterion's path."""
        return replace(self, record=self.record | {"path_seen": False, "passed": False})

    def blocked_by(self, why: Sequence[str]) -> CriterionStatus:
        """Add reasons why the criterion did not see enough."""
        if not why:
            return self
        return replace(self, record=self.record | {"shown_good": False, "passed": False}, why=[*why, *self.why])

    @property
    def passed_sentence(self) -> str:
        """Sentence of a passed criterion."""
        if not self.record["n"]:
            return f"{self.measure.id}: no {self.measure.units} have come, and it is not required"
        if isinstance(self.measure, ByQuantile):
            return self.measure.sentence(self.record)
        if (own := self.measure.passed_sentence(self.record)) is not None:
            return own
        if planned := self.record["planned"]:
            found = rate_in_words(self.measure.id, planned["bad"], planned["n"], self.measure.units)
            return (
                f"{self.measure.id}: {found} at look {planned['done']}, shown to be under the limit "
                f"{percent(self.measure.limit)} (up to {planned['allowed']} may be bad there)"
            )
        caught = self.record["least_caught"]
        upper = self.record["upper"]
        small = [f"at most {percent(upper, 3)}"] if upper is not None else []
        small += [f"a rate of {percent(caught, 3)} would have been caught"] if caught is not None else []
        return (
            f"{self.measure.id}: {_so_far(self.measure, self.record)}, shown to be under the limit "
            f"{percent(self.measure.limit)}" + (f" ({'; '.join(small)})" if small else "")
        )


class KeyView(NamedTuple):
    """Keys of a criterion: clusters of its bad units by bucket, and buckets that have counted (`key_seasons`)."""

    clusters: Clusters | None = None
    distinct: int = 0


NO_KEYS = KeyView()


def status_of(
    latch: RejectLatch,
    recent: RecentWindows,
    keys: KeyView = NO_KEYS,
    coverage: CriterionCoverage = FULL_COVERAGE,
    *,
    ended: bool = False,
) -> CriterionStatus:
    """Return the status of a criterion by all its evidence, its recent windows, its coverage and its clusters.

    `ended`: no more records come, which is the last of planned looks.
    """
    measure, amount = latch.measure, latch.now.total
    criterion = measure.criterion
    possible, n = measure.possible(amount), amount[0]
    below, above = measure.log_e(amount) if possible else (0.0, 0.0)
    known = possible and n > 0
    lower, upper = (measure.limits(amount) if known else None) or (None, None)
    bad = float(measure.bad(amount))
    planned = latch.planned(ended=ended) if isinstance(latch, PlannedLatch) else None
    good = shows(planned) if planned else below >= measure.log_promote_at
    recent_amount = recent.amount
    record: dict[str, Any] = {
        "rate": measure.id,
        "unit": criterion.unit,
        "units": measure.units,
        "limit": measure.limit,
        "alpha": measure.alpha,
        "critical": criterion.critical,
        "muted": criterion.muted,
        "required": criterion.required,
        "min_units": criterion.min_units,
        "n": n,
        "s": round(bad),
        "bad": bad,
        "estimate": bad / n if known else None,
        "lower": lower,
        "upper": upper,
        "log_e_below": below,
        "log_e_above": above,
        "log_promote_at": measure.log_promote_at,
        "log_reject_at": measure.log_reject_at,
        "shown_good": good,
        "shown_bad": latch.shown_bad,
        "least_caught": measure.least_caught(n) if known else None,
        "units_needed": measure.units_needed(amount) if possible and not good else None,
        **_units_watched(latch, keys if known else KeyView(None, keys.distinct), known=known),
        "quantiles": measure.quantiles(amount) if isinstance(measure, ByQuantile) and possible else [],
        "trailing_n": recent_amount[0],
        "trailing_bad": float(measure.bad(recent_amount)),
        "trailing_needed": criterion.trailing_units,
        "path_seen": True,
        "coverage": coverage.measurable.value if coverage.measurable else None,
        "eligible": coverage.measurable.eligible if coverage.measurable else 0,
        "min_coverage": coverage.min_coverage if coverage.measurable else 0.0,
        **measure.further(amount),
        "planned": planned,
    }
    unseen = unmeasured(criterion, *coverage)
    pooled = _pooled(measure, latch.counts)
    record["shown_good"] = good and unseen is None and not pooled
    why = [*([unseen] if unseen else []), *pooled, *_why(measure, record, recent, recent_amount, possible)]
    if why:
        why += doubt(measure.id, criterion.rate, math.ceil(latch.bad), latch.excused)
    return CriterionStatus(measure, record | {"passed": not why}, why)


def _units_watched(latch: RejectLatch, keys: KeyView, *, known: bool) -> dict[str, Any]:
    """Return the figures by which the judge sees whether units are pieces of evidence of their own."""
    measure, dependence = latch.measure, latch.now.dependence()
    clusters = {"window": latch.now.clusters() if known else None, "key": keys.clusters}
    return {
        **{f"deff_{block}": one and one.deff for block, one in clusters.items()},
        **{f"deff_{block}_max": one and one.by_chance for block, one in clusters.items()},
        "keys": keys.distinct,
        "keys_needed": measure.keys_needed,
        "dependence": dependence and dependence.correlation,
        "dependence_max": dependence and dependence.by_chance,
    }


def _why(
    measure: Measure, record: Mapping[str, Any], recent: RecentWindows, recent_amount: Numbers, possible: bool
) -> list[str]:
    if possible and not record["n"] and not measure.criterion.required:
        return []
    shown = record["planned"] or record["log_e_below"] >= measure.log_promote_at
    why = [] if shown and possible else [_not_shown(measure, record, possible)]
    if record["n"] < record["min_units"]:
        why.append(
            f"{measure.id}: {record['n']} {measure.units} have come; its min_units asks for {record['min_units']} "
            "however "
            "good they are"
        )
    wrong_units = [f"{measure.id}: {reason}" for reason in unfit_units(record)]
    lately = reasons(record, recent_amount) if record["planned"] else _lately(measure, record, recent, recent_amount)
    return [*why, *wrong_units, *lately]


def _pooled(measure: Measure, counts: tuple[int, int]) -> list[str]:
    """Return the reason why all records together speak against a criterion by key or block, if they do.

    A share counts the same for one record as for a million. One key, or one hour, with half of all records may be wrong
    in each of them and still be one bad unit among thousands.
    """
    n, s = counts
    if measure.criterion.unit not in ("key", "block") or not 0 < s <= n or s < n * measure.limit:
        return []
    units = {"key": "keys", "block": "windows"}[measure.criterion.unit]
    return [
        f"{measure.id}: {rate_in_words(measure.id, s, n, measure.rate.units)}, not under the limit "
        f"{percent(measure.limit)}, whatever their shares by unit: {measure.criterion.unit} show: a few {units} hold "
        "most of the records; look at the differences there"
    ]


def _so_far(measure: Measure, record: Mapping[str, Any]) -> str:
    return rate_in_words(measure.id, record["bad"], record["n"], measure.units)


def _not_shown(measure: Measure, record: Mapping[str, Any], possible: bool) -> str:
    n, bad, limit = record["n"], record["bad"], percent(measure.limit)
    if possible and not n:
        return (
            f"{measure.id}: no {measure.units} could be judged yet; {record['units_needed']:,} without a bad one are "
            "needed"
        )
    if not possible:
        return (
            f"{measure.id}: {amount(bad)} bad of {n} {measure.units} cannot be: the joiner's counts are wrong; report "
            "this"
        )
    if isinstance(measure, ByQuantile):
        return measure.sentence(record)
    if (own := measure.not_shown(record)) is not None:
        return own
    if bad / n >= measure.limit:
        return (
            f"{measure.id}: {_so_far(measure, record)}, not under the limit {limit}; more records alone will not show "
            "it good: look at the differences, or set another limit if this one is not meant"
        )
    more = record["units_needed"] - n
    return (
        f"{measure.id}: {_so_far(measure, record)}, not shown yet to be under the limit {limit}; {more:,} more are "
        "needed if none of them is bad"
    )


def _lately(measure: Measure, record: Mapping[str, Any], recent: RecentWindows, recent_amount: Numbers) -> list[str]:
    """Return the reason why the recent windows speak against the criterion, whatever the whole shows."""
    n, bad = recent_amount[0], measure.bad(recent_amount)
    if not recent.full:
        if not record["n"]:
            return []
        so_far = "good so far; " if not bad else ""
        needed = measure.criterion.trailing_units
        return [f"{measure.id}: {so_far}the last closed windows hold {n:,} {measure.units}; {needed:,} are needed"]
    if not n or (measure.possible(recent_amount) and bad < n * measure.limit):
        return []
    beyond_doubt = record["log_e_below"] >= measure.log_promote_at + BEYOND_DOUBT
    if beyond_doubt and measure.possible(recent_amount) and not measure.speaks_against(recent_amount):
        return []
    if (own := measure.not_lately(record)) is not None:
        return [own]
    found = rate_in_words(measure.id, bad, n, f"newest {measure.units}")
    return [f"{measure.id}: lately {found}, not under the limit {percent(measure.limit)}, whatever came before"]
