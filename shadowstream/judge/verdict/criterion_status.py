"""Where one criterion stands: what its evidence shows, what it could have missed, and why it holds promote back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from shadowstream.judge.coverage.criterion_coverage import Measurable, unmeasured
from shadowstream.judge.coverage.explained_absences import doubt
from shadowstream.judge.evidence.design_effect import DEFF_MAX, deff_of
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.judge.verdict.beyond_doubt import BEYOND_DOUBT, speaks_against
from shadowstream.judge.verdict.criterion_units import ByRecord, Measure, Numbers
from shadowstream.judge.verdict.recent_windows import Trailing
from shadowstream.judge.verdict.reject_latch import Level
from shadowstream.judge.windows.window_counts import Pair


@dataclass(frozen=True, slots=True)
class Standing:
    """One criterion. `said` is its part of the verdict record; `why` are the reasons, empty where it is met."""

    measure: Measure
    said: dict[str, Any]
    why: list[str]

    @property
    def blind(self) -> Standing:
        """The same of a criterion whose path no value has."""
        return replace(self, said=self.said | {"path_seen": False, "passed": False})

    def held(self, why: Sequence[str]) -> Standing:
        """The same of a criterion that did not see what it must."""
        if not why:
            return self
        return replace(self, said=self.said | {"shown_good": False, "passed": False}, why=[*why, *self.why])

    @property
    def good(self) -> str:
        """The sentence of a criterion that is met."""
        if not self.said["n"]:
            return f"{self.measure.id}: no {self.measure.units} have come, and it is not required"
        caught = self.said["least_caught"]
        upper = self.said["upper"]
        return (
            f"{self.measure.id}: {_amount(self.said['bad'])} of {self.said['n']} {self.measure.units}; the rate is "
            f"shown to lie under {percent(self.measure.limit)}"
            + (f" (upper limit {percent(upper, 3)})" if upper is not None else "")
            + (f"; a rate of {percent(caught, 3)} would have been caught" if caught is not None else "")
        )


class Seen(NamedTuple):
    """What a criterion could see: its own coverage, None where it sees all its units, and the least it asks for."""

    found: Measurable | None = None
    least: float = 0.0


ALL_SEEN = Seen()


def standing_of(level: Level, trailing: Trailing, buckets: Mapping[int, Pair], seen: Seen = ALL_SEEN) -> Standing:
    """Where a criterion stands by all its evidence, its trailing windows, what it could see, and how its bad units
    cluster."""
    measure, amount = level.measure, level.amount
    criterion = measure.criterion
    possible, n = measure.possible(amount), amount[0]
    below, above = measure.log_e(amount) if possible else (0.0, 0.0)
    known = possible and n > 0
    lower, upper = (measure.limits(amount) if known else None) or (None, None)
    bad = float(measure.bad(amount))
    good = below >= measure.log_promote_at
    by_window = level.deff(amount) if known and isinstance(measure, ByRecord) else None
    by_key = deff_of(buckets.values()) if known and measure.id == "mismatch" else None
    held = trailing.amount
    said: dict[str, Any] = {
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
        "shown_bad": above >= measure.log_reject_at and level.excess(amount) is not None,
        "least_caught": measure.least_caught(n) if known else None,
        "units_needed": measure.units_needed(amount) if possible and not good else None,
        "deff_window": by_window,
        "deff_key": by_key,
        "trailing_n": held[0],
        "trailing_bad": float(measure.bad(held)),
        "trailing_needed": trailing.units,
        "path_seen": True,
        "coverage": seen.found.value if seen.found else None,
        "eligible": seen.found.eligible if seen.found else 0,
        "min_coverage": seen.least if seen.found else 0.0,
    }
    unseen = unmeasured(criterion, seen.found, seen.least) if seen.found else None
    pooled = _pooled(measure, level.counts)
    said["shown_good"] = good and unseen is None and not pooled
    why = [*([unseen] if unseen else []), *pooled, *_why(measure, said, trailing, held, possible)]
    if why:
        why += doubt(measure.id, criterion.rate, math.ceil(level.bad), level.excused)
    return Standing(measure, said | {"passed": not why}, why)


def _why(measure: Measure, said: Mapping[str, Any], trailing: Trailing, held: Numbers, possible: bool) -> list[str]:
    if possible and not said["n"] and not measure.criterion.required:
        return []
    why = [] if said["log_e_below"] >= measure.log_promote_at else [_not_shown(measure, said, possible)]
    if said["n"] < said["min_units"]:
        why.append(
            f"{measure.id}: {said['n']} {measure.units} have come; its min_units asks for {said['min_units']} however "
            "good they are"
        )
    return [*why, *_clustered(measure, said), *_lately(measure, said, trailing, held)]


def _pooled(measure: Measure, counts: tuple[int, int]) -> list[str]:
    """Why all records together speak against a criterion by key or block; empty where they do not.

    A share counts as much whether it is of one record or of a million: one key, or one hour, that holds half of all
    records may be wrong in each of them and be one bad unit among thousands."""
    n, s = counts
    if measure.criterion.unit not in ("key", "block") or not 0 < s <= n or s < n * measure.limit:
        return []
    units = {"key": "keys", "block": "windows"}[measure.criterion.unit]
    return [
        f"{measure.id}: {s} of {n} {measure.rate.units} ({percent(s / n)}) are bad, at or over the limit "
        f"{percent(measure.limit)}, whatever their shares by unit: {measure.criterion.unit} show: a few {units} hold "
        "most of the records; look at the differences there"
    ]


def _amount(bad: float) -> str:
    """A count as it is, a sum of shares to six digits."""
    return f"{bad:.0f}" if bad == round(bad) else f"{bad:.6g}"


def _not_shown(measure: Measure, said: Mapping[str, Any], possible: bool) -> str:
    n, bad = said["n"], _amount(said["bad"])
    if possible and not n:
        return (
            f"{measure.id}: no {measure.units} could be judged yet; {said['units_needed']} without a bad one are needed"
        )
    if not possible:
        return f"{measure.id}: {bad} bad of {n} {measure.units} cannot be: the joiner's counts are wrong; report this"
    if n and said["bad"] / n >= measure.limit:
        return (
            f"{measure.id}: {bad} of {n} {measure.units} ({percent(said['bad'] / n)}) lie at or over the limit "
            f"{percent(measure.limit)}; more records alone will not show it good: look at the differences, or set "
            "another limit if this one is not meant"
        )
    return (
        f"{measure.id}: {bad} of {n} {measure.units} do not show the rate to lie under {percent(measure.limit)} "
        f"yet; with {bad} bad ones {said['units_needed']} are needed, {said['units_needed'] - n} more"
    )


def _clustered(measure: Measure, said: Mapping[str, Any]) -> list[str]:
    if not isinstance(measure, ByRecord):
        return []
    found = [
        f"{said[name]:.3g} by {block}"
        for name, block in (("deff_window", "window"), ("deff_key", "key"))
        if said[name] is not None and said[name] > DEFF_MAX
    ]
    if not found:
        return []
    other = "key or block" if measure.id == "mismatch" else "block"
    return [
        f"{measure.id}: bad ones cluster (design effect {' and '.join(found)}, at most {DEFF_MAX:g} for unit: record), "
        f"so the records do not count for as many; set unit: {other}"
    ]


def _lately(measure: Measure, said: Mapping[str, Any], trailing: Trailing, held: Numbers) -> list[str]:
    n, bad = held[0], measure.bad(held)
    if not trailing.full:
        if not said["n"]:
            return []
        so_far = "good so far; " if not bad else ""
        return [f"{measure.id}: {so_far}the last closed windows hold {n} {measure.units}; {trailing.units} are needed"]
    if measure.possible(held) and measure.log_e(held)[0] >= measure.log_promote_at:
        return []
    beyond_doubt = said["log_e_below"] >= measure.log_promote_at + BEYOND_DOUBT
    if beyond_doubt and measure.possible(held) and not speaks_against(n, bad, measure.limit):
        return []
    if not bad:
        return [f"{measure.id}: good so far; the last {n} {measure.units} hold no bad one and are too few alone"]
    return [
        f"{measure.id}: {_amount(bad)} of the last {n} {measure.units} ({percent(bad / n if n else 0)}) do not show "
        f"the rate to lie under {percent(measure.limit)} now, whatever came before"
    ]
