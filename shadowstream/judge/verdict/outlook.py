"""Where one criterion stands by a verdict record, and what it takes until it stands in nobody's way.

Pure: from the record alone, so that whoever has the verdict can be told the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from shadowstream.judge.evidence.design_effect import DEFF_MAX
from shadowstream.judge.evidence.forecast import Shares, units_needed, units_that_show
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.judge.evidence.rates import critical_n
from shadowstream.judge.verdict.beyond_doubt import BEYOND_DOUBT

HOUR_MS = 3_600_000
POWER = 0.9
State = Literal[
    "shown good", "not shown yet", "too few yet", "over the limit", "shown bad", "no records", "not good lately",
    "clustered", "no such field", "not seen", "good so far",
]  # fmt: skip
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outlook:
    """One criterion. `needed`: units in all from which on it is met, if they go on as they came: shown good, as many as
    the last windows must hold and as its min_units asks for; None where no number is enough. `more` and `hours` (of
    event time) are what is left of that; `per_hour` is the observed rate of units. `why`: what no such count says."""

    criterion: str
    unit: str
    units: str
    n: int
    s: float
    limit: float
    state: State
    met: bool
    muted: bool = False
    needed: int | None = None
    more: int | None = None
    hours: float | None = None
    per_hour: float | None = None
    why: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """One line, whose numbers are `name=value`."""
        unit = f"{self.unit}; muted: it decides nothing" if self.muted else self.unit
        counted = f"{self.criterion}: {self.state}: n={self.n} s={self.s:.6g} limit={self.limit:g} (unit: {unit})"
        if self.needed is None or not self.more:
            return counted
        hours = "" if self.hours is None else f" hours={self.hours:.4g}, at {self.per_hour:.4g} an hour of event time"
        return f"{counted}; needed={self.needed} more={self.more}{hours}"


def outlook_of(said: Record, verdict: Record) -> Outlook:
    """The outlook of one of a verdict's criteria (schemas/verdict.avsc)."""
    n, muted = said["n"], said["muted"]
    needed = _needed(said, -(-n // verdict["windows_closed"]) if verdict["windows_closed"] else 1)
    covered = covered_hours(verdict)
    # At the end of a bounded trial no hour brings more.
    per_hour = n / covered if covered and n and not verdict["final"] else None
    more = None if needed is None else max(0, needed - n)
    state = _state(said)
    return Outlook(
        said["rate"],
        said["unit"],
        said["units"],
        n,
        said["bad"] if _of_shares(said) else said["s"],
        said["limit"],
        state,
        said["passed"] or muted,
        muted,
        needed,
        more,
        None if more is None or per_hour is None else more / per_hour,
        per_hour,
        tuple(_why(said, state, needed)),
    )


def covered_hours(verdict: Record) -> float | None:
    """Hours of event time that the closed windows span; None where that is nothing."""
    if verdict["from_ms"] is None or verdict["to_ms"] is None:
        return None
    hours: float = (verdict["to_ms"] - verdict["from_ms"]) / HOUR_MS
    return hours or None


def duration_left(verdict: Record) -> float | None:
    """Hours of event time with traffic until the least duration is covered; None where it is not known."""
    least_ms = verdict["min_duration_ms"]
    if least_ms is None or not verdict["windows_closed"]:
        return None
    covered_ms = verdict.get("covered_ms")
    covered = (covered_hours(verdict) or 0.0) if covered_ms is None else covered_ms / HOUR_MS
    return max(0.0, float(least_ms / HOUR_MS - covered))


def _of_shares(said: Record) -> bool:
    """Whether a unit is a number in [0, 1] and not good or bad."""
    return said["unit"] != "record" or str(said["rate"]).startswith("mean:")


def _alpha(said: Record) -> float:
    return math.exp(-said["log_promote_at"])


def _shares(said: Record) -> Shares:
    return Shares(said["n"], said["bad"] / said["n"], said["log_e_below"], said["limit"])


def _clusters(said: Record) -> list[str]:
    named = (("deff_window", "window"), ("deff_key", "key"))
    if _of_shares(said):
        return []
    return [f"{said[name]:.3g} by {what}" for name, what in named if said[name] is not None and said[name] > DEFF_MAX]


def _is_unseen(said: Record) -> bool:
    """Whether it measured too few of its eligible units."""
    share = said.get("coverage")
    return share is not None and bool(share < said["min_coverage"])


def _is_over(said: Record) -> bool:
    return bool(said["n"] and said["bad"] >= said["n"] * said["limit"]) or _is_over_by_records(said)


def _is_over_by_records(said: Record) -> bool:
    """Whether the shares show it good and all records together do not (`standing`)."""
    proven = said["log_e_below"] >= said["log_promote_at"]
    return proven and not said["shown_good"] and _of_shares(said) and not _is_unseen(said)


def _state(said: Record) -> State:
    if said["shown_bad"]:
        return "shown bad"
    if not said.get("path_seen", True):
        return "no such field"
    if not said["n"]:
        return "no records"
    if said["passed"]:
        return "shown good"
    if _is_over(said):
        return "over the limit"
    if _is_unseen(said):
        return "not seen"
    if _clusters(said):
        return "clustered"
    if not said["shown_good"]:
        return "not shown yet"
    if said["n"] < _least(said):
        return "too few yet"
    # Of no bad one nothing got worse: the last windows are only too small.
    return "not good lately" if said["trailing_bad"] else "good so far"


def _least(said: Record) -> int:
    """Units that must have come however good they are."""
    least: int = max(said["trailing_needed"], said["min_units"])
    return least


def _needed(said: Record, per_window: int) -> int | None:
    n = said["n"]
    if said["shown_bad"] or _clusters(said) or _is_unseen(said) or _is_over_by_records(said):
        return None
    if not _of_shares(said):
        found = units_needed(n, said["s"], said["limit"], _alpha(said), per_window)
    elif said["shown_good"] or not n:
        found = said["units_needed"] or n
    else:
        found = _shares(said).needed(said["log_promote_at"])
        if found is not None:
            # It is looked at as windows close.
            found = n + -(-(found - n) // per_window) * per_window
    return None if found is None else max(found, _least(said))


def _why(said: Record, state: State, needed: int | None) -> list[str]:
    found = []
    if _is_unseen(said) and not said["muted"]:
        found.append(
            f"it measured {percent(said['coverage'])} of {said['eligible']:,} eligible units; its min_coverage asks "
            f"for {percent(said['min_coverage'])}"
        )
    if said["n"] < said["min_units"]:
        found.append(f"its min_units asks for {said['min_units']} however good they are")
    if state == "clustered":
        other = "key or block" if said["rate"] == "mismatch" else "block"
        found.append(
            f"bad ones cluster (design effect {' and '.join(_clusters(said))}; at most {DEFF_MAX:g} for unit: record), "
            f"so no number of them is enough: set unit: {other}"
        )
    if state == "good so far":
        found.append(
            f"good so far; the last closed windows hold {said['trailing_n']:,} {said['units']}, "
            f"{said['trailing_needed']:,} are needed"
        )
    if state == "not good lately":
        found.append(
            f"of the last {said['trailing_n']} {said['units']} {said['trailing_bad']:.6g} are bad, which do not show "
            "the rate to lie under the limit now, whatever came before"
        )
    return found if needed is None else [*found, *_lately(said)]


def _lately(said: Record) -> list[str]:
    """Where the last windows are not likely to show it, however many records come: they hold a bounded number."""
    n, s, limit, units = said["n"], said["s"], said["limit"], said["trailing_needed"]
    if not n or not said["bad"] or said["passed"]:
        return []
    if _of_shares(said):
        if _shares(said).log_e(units) >= said["log_promote_at"]:
            return []
        return [
            f"the last windows must show it as well: of a mean of {said['bad'] / n:.4g} their {units} {said['units']} "
            "do not, so it passes only in a stretch that is better than the rest"
        ]
    most = 0
    while critical_n(most + 1, limit, _alpha(said)) <= units:
        most += 1
    if s * units <= most * n:
        return []
    enough = units_that_show(s / n, limit, _alpha(said), POWER)
    remedy = "" if enough is None else f"; with trailing_units: {enough} nine stretches in ten of that rate do"
    remedy += (
        f"; from ln E {said['log_promote_at'] + BEYOND_DOUBT:.3g} on it is enough that they do not speak against it"
    )
    return [
        f"the last windows must show it as well: of their {units} at most {most} may be bad, and at {s / n:.4g} about "
        f"{s / n * units:.1f} are, so it passes only in a stretch that is better than the rest{remedy}"
    ]
