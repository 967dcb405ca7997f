"""A verdict in words for whoever has to act on it: where each criterion stands, what is missing, how long that takes.

Pure: from a verdict record to what is to be said. Whatever speaks (`explain`, `report`) says the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from shadowstream.judge.evidence import critical_n
from shadowstream.judge.forecast import units_needed, units_needed_by_growth
from shadowstream.judge.slices import slice_name
from shadowstream.judge.windows import iso

State = Literal["shown good", "not shown yet", "over the limit", "shown bad", "no records", "not good lately"]
TRAILING_FACTOR = 2
"""The last closed windows hold so many times the units that just prove a candidate without a single bad one."""
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one criterion stands. `needed`: units in all from which on it is shown good, and with as many as the last
    windows must hold, if they go on as they came; None where no number is enough. `more` and `hours` (of event time)
    are what is left of that; `per_hour` is the observed rate of units. `why`: what no such count says."""

    criterion: str
    unit: str
    n: int
    s: float
    limit: float
    state: State
    needed: int | None = None
    more: int | None = None
    hours: float | None = None
    per_hour: float | None = None
    why: tuple[str, ...] = ()

    @property
    def met(self) -> bool:
        """Whether it stands in nobody's way."""
        return self.state == "shown good" and not self.more

    @property
    def sentence(self) -> str:
        """One line, whose numbers are `name=value`."""
        counted = f"{self.criterion}: {self.state}: n={self.n} s={self.s:g} limit={self.limit:g} (unit: {self.unit})"
        if self.needed is None or not self.more:
            return counted
        hours = "" if self.hours is None else f" hours={self.hours:.4g}, at {self.per_hour:.4g} an hour of event time"
        return f"{counted}; needed={self.needed} more={self.more}{hours}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What `explain` says. `blockers`: what stands in the way beside the criteria. `todo`: what to do about all."""

    decision: str
    standings: tuple[Standing, ...]
    blockers: tuple[str, ...]
    todo: tuple[str, ...]

    @property
    def unmet(self) -> list[Standing]:
        """Criteria that stand in the way of a promote."""
        return [one for one in self.standings if not one.met]


def explain(verdict: Mapping[str, Any], decision: str, reasons: Sequence[str]) -> Explanation:
    """Explain a verdict record (schemas/verdict.avsc).

    `decision` and `reasons` are those to be explained: the record's own, or the gate's where it does not stand behind
    the record (stale, overridden).
    """
    standings = tuple(_standing(one, verdict) for one in verdict["criteria"])
    named = tuple(f"{one.criterion}: " for one in standings)
    blockers = tuple(reason for reason in reasons if not reason.startswith(named)) if decision != "promote" else ()
    return Explanation(decision, standings, blockers, tuple(_todo(verdict, decision, standings)))


def _standing(said: Mapping[str, Any], verdict: Mapping[str, Any]) -> Standing:
    n, s, limit = said["n"], said["s"], said["limit"]
    needed = _needed(said, -(-n // verdict["windows_closed"]) if verdict["windows_closed"] else 1)
    hours = _covered_hours(verdict)
    per_hour = n / hours if hours and n else None
    more = None if needed is None else max(0, needed - n)
    why: list[str] = []
    if said["shown_good"] and not more and verdict["decision"] == "not_yet":
        why += [reason for reason in verdict["reasons"] if reason.startswith(f"{said['rate']}: ")]
    blocked = bool(why)
    if needed is not None and not said["shown_bad"]:
        why += _lately(said)
    return Standing(
        said["rate"],
        said["unit"],
        n,
        s,
        limit,
        _state(said, blocked),
        needed,
        more,
        None if more is None or per_hour is None else more / per_hour,
        per_hour,
        tuple(why),
    )


def _state(said: Mapping[str, Any], blocked: bool) -> State:
    if said["shown_bad"]:
        return "shown bad"
    if said["shown_good"]:
        return "not good lately" if blocked else "shown good"
    if not said["n"]:
        return "no records"
    return "over the limit" if said["s"] >= said["n"] * said["limit"] else "not shown yet"


def _needed(said: Mapping[str, Any], per_window: int) -> int | None:
    n, limit, log_at = said["n"], said["limit"], said["log_promote_at"]
    alpha = math.exp(-log_at)
    if said["unit"] == "record":
        found = units_needed(n, said["s"], limit, alpha, per_window)
        return None if found is None else max(found, trailing_units(limit, alpha))
    return n if said["shown_good"] else units_needed_by_growth(n, said["log_e_below"], log_at)


def trailing_units(limit: float, alpha: float) -> int:
    """Units that the last closed windows must hold, in which the rate must be shown to lie under the limit too."""
    return TRAILING_FACTOR * critical_n(0, limit, alpha)


def _lately(said: Mapping[str, Any]) -> list[str]:
    """Where the last windows are not likely to show it, however many records come: they hold a bounded number."""
    n, s, limit = said["n"], said["s"], said["limit"]
    alpha = math.exp(-said["log_promote_at"])
    if said["unit"] != "record" or not s:
        return []
    units = trailing_units(limit, alpha)
    most = 0
    while critical_n(most + 1, limit, alpha) <= units:
        most += 1
    if s * units <= most * n:
        return []
    return [
        f"the last windows must show it as well: of their {units} at most {most} may be bad, and at {s / n:.4g} about "
        f"{s / n * units:.1f} are, so it passes only in a stretch that is better than the rest"
    ]


def _covered_hours(verdict: Mapping[str, Any]) -> float | None:
    if verdict["from_ms"] is None or verdict["to_ms"] is None:
        return None
    return (verdict["to_ms"] - verdict["from_ms"]) / _HOUR_MS or None


def _todo(verdict: Mapping[str, Any], decision: str, standings: Sequence[Standing]) -> list[str]:
    if decision != verdict["decision"]:
        return ["see whether the judge runs (`shadowstream judge CONFIG`): it says each 30 s that it lives"]
    if decision == "promote":
        return ["promote the candidate: `gate` exits 0 for this revision"]
    if decision == "reject":
        return [
            "do not promote: look at `shadowstream diff CONFIG`, mend the candidate and try again; another revision "
            "starts at zero"
        ]
    if verdict["windows_closed"] == 0:
        return [
            "wait until a window of event time closes; if none does, look whether production, runner and joiner go on "
            "(their /readyz and the metric lag_records)"
        ]
    return [*_about_evidence(standings), *_about_the_rest(verdict)]


def _about_evidence(standings: Sequence[Standing]) -> list[str]:
    said = []
    waits = [one for one in standings if one.more]
    if waits:
        slowest = max(waits, key=lambda one: (one.hours or 0, one.more or 0))
        hours = "" if slowest.hours is None else f", about {slowest.hours:.4g} h of event time as they have come"
        said.append(f"let it run: {slowest.criterion} takes longest, {slowest.more} more{hours}")
    for one in standings:
        if one.state in ("over the limit", "shown bad"):
            said.append(
                f"{one.criterion}: more records alone will not help: look at the differences (`shadowstream diff "
                "CONFIG`) and mend the candidate, or set another limit if this one is not meant"
            )
        elif one.state == "no records":
            said.append(f"{one.criterion}: nothing has come that it could be judged by; see what lowers the coverage")
        elif one.state == "not good lately":
            said.append(
                f"{one.criterion}: it was good and is not now: see what has changed (`shadowstream diff CONFIG`)"
            )
    return said


def _about_the_rest(verdict: Mapping[str, Any]) -> list[str]:
    said = []
    if verdict["remainder"]:
        said.append(
            f"conservation is broken: {verdict['remainder']} records are unaccounted for, so no count can be trusted; "
            "read the log of the joiner, and start a new trial where records were deleted"
        )
    if verdict["incidents_open"]:
        said.append("an incident is open: `shadowstream alerts list CONFIG` says which; it must close by itself")
    return said


def span(verdict: Mapping[str, Any]) -> str:
    """What event time a verdict covers, as a part of a sentence."""
    if verdict["from_ms"] is None:
        return "no window has closed"
    return f"{verdict['windows_closed']} windows closed, {iso(verdict['from_ms'])} to {iso(verdict['to_ms'])}"


def slice_line(said: Mapping[str, Any]) -> str:
    """A slice of a verdict that holds the excess, in words.

    >>> slice_line({"dimensions": ["carrier"], "values": ["UA"], "n": 4000, "s": 1000, "lower": 0.231})
    'carrier=UA: 1,000 of 4,000 pairs differ (25%), at least 23.1% of all'
    """
    named = slice_name((tuple(said["dimensions"]), tuple(said["values"])))
    share = f" ({100 * said['s'] / said['n']:.4g}%)" if said["n"] else ""
    return f"{named}: {said['s']:,} of {said['n']:,} pairs differ{share}, at least {100 * said['lower']:.4g}% of all"
