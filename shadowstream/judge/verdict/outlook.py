"""Outlook of one criterion: its state by a verdict record, and what it still needs to pass.

It is computed from the record alone, so every reader of the verdict gets the same outlook.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from shadowstream.config.judging import BY_KEY
from shadowstream.judge.evidence.rate_bounds import percent, rate_in_words
from shadowstream.judge.utc_text import utc_text
from shadowstream.judge.verdict.plan_lines import plan_line, units_at_pass

HOUR_MS = 3_600_000
State = Literal[
    "shown good", "not shown yet", "too few yet", "over the limit", "shown bad", "no records", "not good lately",
    "clustered", "too few keys", "no such field", "not seen", "good so far",
]  # fmt: skip
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outlook:
    """Outlook of one criterion.

    `needed`: total units at which it passes if further units are like the present ones: shown good, enough for the
    recent windows, and at least its min_units; None if no number is enough. `more` and `hours` (of event time): the
    rest of that. `per_hour`: observed rate of units. `why`: obstacles that no number of units expresses. `likely`:
    further units after which it is shown good with a chance of 10 %, and of 90 % (None: no number). `by_ms`: event time
    at which it passes. `chance`: that the rate is under the limit, by a uniform prior; for display only. `bounds`:
    lower and upper limit of the rate, each at its level and valid at all times; None for shares.
    `difference`: by how much the candidate is worse on average, and `margin`, of a loss or a signed mean; else None.
    """

    criterion: str
    unit: str
    units: str
    n: int
    s: float
    limit: float
    state: State
    passed: bool
    muted: bool = False
    needed: int | None = None
    more: int | None = None
    hours: float | None = None
    per_hour: float | None = None
    why: tuple[str, ...] = ()
    likely: tuple[int, int | None] | None = None
    by_ms: int | None = None
    chance: float | None = None
    bounds: tuple[float, float] | None = None
    difference: float | None = None
    margin: float | None = None

    @property
    def sentence(self) -> str:
        """One line: the state, the rate with its limit, what is still needed, and the statistics last."""
        found = f"{rate_in_words(self.criterion, self.s, self.n, self.units)}, limit {percent(self.limit)}"
        if self.margin is not None:
            difference = self.difference or 0.0
            by = f"{'worse' if difference >= 0 else 'better'} by {abs(difference):.6g} on average"
            found = f"{by} over {self.n:,} {self.units}, margin {self.margin:.6g}"
        parts = [f"{self.criterion}: {self.state}: {found}"]
        if self.needed is not None and self.more:
            parts.append(self._still_needed(self.needed, self.more))
        if self.muted:
            parts.append("muted: it decides nothing")
        small = [] if self.unit == "record" else [f"unit: {self.unit}"]
        if self.bounds is not None:
            small.append(f"between {percent(self.bounds[0], 3)} and {percent(self.bounds[1], 3)}")
        if self.chance is not None:
            small.append(f"under the limit with a chance of {percent(self.chance, 3)}")
        return "; ".join(parts) + (f" ({'; '.join(small)})" if small else "")

    def _still_needed(self, needed: int, more: int) -> str:
        low, high = self.likely or (None, None)
        likely = "" if low is None else f", likely {low:,} to {'any number' if high is None else f'{high:,}'}"
        hours = (
            "" if self.hours is None else f", about {self.hours:.4g} h at {self.per_hour:,.4g} an hour of event time"
        )
        by = "" if self.by_ms is None else f", by {utc_text(self.by_ms)}"
        return f"needs {more:,} more, {needed:,} in all{likely}{hours}{by}"


def outlook_of(record: Record, verdict: Record) -> Outlook:
    """Return the outlook of one criterion of a verdict (schemas/verdict.avsc)."""
    n, muted = record["n"], record["muted"]
    per_window = -(-n // verdict["windows_closed"]) if n and verdict["windows_closed"] else 1
    needed = _needed(record, per_window)
    covered = covered_hours(verdict)
    # A bounded trial at its end gets no more records.
    per_hour = n / covered if covered and n and not verdict["final"] else None
    more = None if needed is None else max(0, needed - n)
    state = _state(record)
    return Outlook(
        record["rate"],
        record["unit"],
        record["units"],
        n,
        record["bad"] if _of_shares(record) else record["s"],
        record["limit"],
        state,
        record["passed"] or muted,
        muted,
        needed,
        more,
        hours := None if more is None or per_hour is None else more / per_hour,
        per_hour,
        tuple(_why(record, state)),
        _likely(record, per_window) if more else None,
        verdict["to_ms"] + math.ceil(hours * HOUR_MS) if hours and verdict["to_ms"] is not None else None,
        _chance(record),
        None if record["lower"] is None or record["upper"] is None else (record["lower"], record["upper"]),
        record.get("difference"),
        record.get("margin"),
    )


def _chance(record: Record) -> float | None:
    """Return the chance that the rate of a criterion that has not passed is under its limit; None for shares."""
    if record["passed"] or _of_shares(record) or not 0 <= record["s"] <= record["n"] or not record["n"]:
        return None
    from shadowstream.judge.evidence.forecast import chance_under  # loads NumPy, as in `_needed`

    return chance_under(record["n"], record["s"], record["limit"])


def _likely(record: Record, per_window: int) -> tuple[int, int | None] | None:
    """Return the further units after which the criterion is shown good with a chance of 10 %, and of 90 %."""
    n: int = record["n"]
    if _of_shares(record) or not 0 <= record["s"] <= n or not n:
        return None

    from shadowstream.judge.evidence.forecast import likely_units  # loads NumPy, as in `_needed`

    def more(units: int) -> int:
        return -(-(max(units, _least(record)) - n) // per_window) * per_window

    low, high = likely_units(n, record["s"], record["limit"], _alpha(record))
    return None if low is None else (more(low), None if high is None else more(high))


def covered_hours(verdict: Record) -> float | None:
    """Return the hours of event time that the closed windows span; None if they span nothing."""
    if verdict["from_ms"] is None or verdict["to_ms"] is None:
        return None
    hours: float = (verdict["to_ms"] - verdict["from_ms"]) / HOUR_MS
    return hours or None


def duration_left(verdict: Record) -> float | None:
    """Return the hours of event time with traffic that the least duration still needs; None if it is not known."""
    least_ms = verdict["min_duration_ms"]
    if least_ms is None or not verdict["windows_closed"]:
        return None
    covered_ms = verdict.get("covered_ms")
    covered = (covered_hours(verdict) or 0.0) if covered_ms is None else covered_ms / HOUR_MS
    return max(0.0, float(least_ms / HOUR_MS - covered))


def _of_shares(record: Record) -> bool:
    """Return whether units are numbers in [0, 1], not good or bad."""
    return record["unit"] != "record" or str(record["rate"]).startswith(("mean:", "loss:"))


def _is_signed(record: Record) -> bool:
    """Return whether units are signed differences (`signed_units`)."""
    return record.get("margin") is not None


def _alpha(record: Record) -> float:
    return math.exp(-record["log_promote_at"])


def unfit_units(record: Record) -> list[str]:
    """Return the reasons why units are no pieces of evidence of their own, so that no number of them is enough."""
    return [*_clusters(record), *_stretches(record), *_few_keys(record), *_few_windows(record)]


def _clusters(record: Record) -> list[str]:
    found = [
        block for block in ("window", "key") if (record[f"deff_{block}"] or 0) > (record[f"deff_{block}_max"] or 0)
    ]
    if _of_shares(record) or not found:
        return []
    effects = " and ".join(
        f"{record[f'deff_{block}']:.3g} by {block}, of which {record[f'deff_{block}_max']:.3g} may be chance"
        for block in found
    )
    other_unit = "key" if "key" in found else "key or block" if record["rate"] in BY_KEY else "block"
    return [
        f"bad ones cluster (design effect {effects}), so the records do not count for as many: set unit: {other_unit}; "
        "a single burst is outweighed as more records come"
    ]


def _stretches(record: Record) -> list[str]:
    """Return the reason if neighbouring windows depend on each other beyond chance."""
    if record["dependence"] is None or record["dependence"] <= record["dependence_max"]:
        return []
    return [
        f"bad records come in stretches of windows (correlation of neighbours {record['dependence']:.2g}, at most "
        f"{record['dependence_max']:.2g} by chance), so a window is no piece of evidence of its own: set a longer "
        "judge.window_ms"
    ]


def _few_keys(record: Record) -> list[str]:
    if record["keys"] >= record["keys_needed"]:
        return []
    return [
        f"its records are of {record['keys']} buckets of keys; at least {record['keys_needed']} are needed: judge "
        "traffic with more keys, or set a higher limit"
    ]


def _few_windows(record: Record) -> list[str]:
    """Return the reason if nothing is known yet of clusters of slow pairs, which alone could decide a quantile."""
    if not (record.get("quantiles") and record["n"]) or record["deff_window"] is not None:
        return []
    return [
        "too few windows have closed to see whether slow pairs come together: let it run, or set a smaller "
        "judge.window_ms"
    ]


def _is_unseen(record: Record) -> bool:
    """Return whether too few of the eligible units were measured."""
    share = record.get("coverage")
    return share is not None and bool(share < record["min_coverage"])


def _is_over(record: Record) -> bool:
    return bool(record["n"] and record["bad"] >= record["n"] * record["limit"]) or _is_over_by_records(record)


def _is_over_by_records(record: Record) -> bool:
    """Return whether the shares show the criterion good and all records together do not (`criterion_status`)."""
    proven = record["log_e_below"] >= record["log_promote_at"]
    return proven and not record["shown_good"] and _of_shares(record) and not _is_unseen(record)


def _state(record: Record) -> State:
    if record["shown_bad"]:
        return "shown bad"
    if not record.get("path_seen", True):
        return "no such field"
    if not record["n"]:
        return "no records"
    if record["passed"]:
        return "shown good"
    if _is_over(record):
        return "over the limit"
    if _is_unseen(record):
        return "not seen"
    if _clusters(record) or _stretches(record):
        return "clustered"
    if _few_keys(record):
        return "too few keys"
    if not record["shown_good"] or _few_windows(record):
        return "not shown yet"
    if record["n"] < _least(record):
        return "too few yet"
    # Without a bad unit nothing got worse: the recent windows are only too small.
    return "not good lately" if record["trailing_bad"] else "good so far"


def _least(record: Record) -> int:
    """Return the units that must come in any case."""
    least: int = max(record["trailing_needed"], record["min_units"], record.get("keys_needed", 0))
    return least


def _needed(record: Record, per_window: int) -> int | None:
    # A local import, because it loads NumPy: most commands never ask for a forecast.
    from shadowstream.judge.evidence.forecast import Shares, units_needed

    n = record["n"]
    clustered = _clusters(record) or _stretches(record)
    if record["shown_bad"] or clustered or _is_unseen(record) or _is_over_by_records(record):
        return None
    if record.get("planned"):
        units = units_at_pass(record)
    elif record.get("quantiles"):
        if record["units_needed"] is None and not record["shown_good"]:
            return None
        units = max(n, record["units_needed"] or 0)
    elif not _of_shares(record):
        units = units_needed(n, record["s"], record["limit"], _alpha(record), per_window)
    elif record["shown_good"] or not n:
        units = record["units_needed"] or n
    else:
        shares = Shares(n, record["bad"] / n, record["log_e_below"], record["limit"], wide=_is_signed(record))
        units = shares.needed(record["log_promote_at"])
        if units is not None:
            # The judge evaluates when windows close.
            units = n + -(-(units - n) // per_window) * per_window
    return None if units is None else max(units, _least(record))


def _why(record: Record, state: State) -> list[str]:
    reasons = []
    if _is_unseen(record) and not record["muted"]:
        reasons.append(
            f"it measured {percent(record['coverage'])} of {record['eligible']:,} eligible units; its min_coverage "
            "asks "
            f"for {percent(record['min_coverage'])}"
        )
    if record["n"] < record["min_units"]:
        reasons.append(f"its min_units asks for {record['min_units']:,} however good they are")
    if record.get("planned") and not record["passed"]:
        reasons.append(f"planned looks: {plan_line(record['planned'], record['units'])}")
    reasons += unfit_units(record)
    if state == "good so far":
        reasons.append(
            f"good so far; the last closed windows hold {record['trailing_n']:,} {record['units']}, "
            f"{record['trailing_needed']:,} are needed"
        )
    if state == "not good lately" and not _is_signed(record):
        newest = f"newest {record['units']}"
        found = rate_in_words(record["rate"], record["trailing_bad"], record["trailing_n"], newest)
        reasons.append(f"lately {found}, not under the limit, whatever came before")
    return reasons
