"""Planned looks as text: the result of the newest look, and the needs of the next ones. From a verdict record alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from shadowstream.judge.evidence.rate_bounds import percent, rate_in_words
from shadowstream.judge.verdict.overwhelming_evidence import speaks_against

Record = Mapping[str, Any]


def shows(planned: Record) -> bool:
    """Return whether the newest look shows the criterion good."""
    return bool(planned["done"]) and 0 <= planned["bad"] <= planned["allowed"]


def reasons(record: Record, recent: Sequence[int]) -> list[str]:
    """Return the reasons why the looks of a criterion do not show it good. `recent`: the recent windows."""
    name, units, limit, planned = record["rate"], record["units"], record["limit"], record["planned"]
    if not shows(planned):
        return [f"{name}: {plan_line(planned, units)}"]
    if record["bad"] >= record["n"] * limit:
        return [
            f"{name}: look {planned['done']} showed it good, and by now "
            f"{rate_in_words(name, record['bad'], record['n'], units)}, not under the limit {percent(limit)}"
        ]
    n, bad = recent[:2]
    if n and speaks_against(n, bad, limit):
        return [
            f"{name}: lately {rate_in_words(name, bad, n, f'newest {units}')}, which speaks against a rate under "
            f"{percent(limit)}, whatever came before"
        ]
    return []


def units_at_pass(record: Record) -> int | None:
    """Return the units of the next look, or of the end, that passes if bad units continue at the rate so far."""
    planned, n, bad = record["planned"], record["n"], record["bad"]
    if shows(planned):
        return int(planned["n"])
    if planned["next_n"] is None:
        return None
    for look in ("next", "end"):
        units, allowed = int(planned[f"{look}_n"]), planned[f"{look}_allowed"]
        if allowed >= (bad * units / n if n else 0):
            return units
    return None


def plan_line(planned: Record, units: str) -> str:
    """Describe the newest look and the next ones.

    >>> first = dict(units=20000, looks=5, done=0, n=0, bad=0, allowed=-1, next_n=4000, next_allowed=-1)
    >>> print(plan_line({**first, "end_n": 20000, "end_allowed": 176}, "pairs"))
    no look yet: the next one is at 4,000 pairs, where none promotes; at the end, 20,000, at most 176 may be bad
    """
    done = "no look yet"
    if planned["done"]:
        allowed = _allowed(planned["allowed"])
        done = f"look {planned['done']}, at {planned['n']:,} {units}: {planned['bad']:,} bad, {allowed}"
    if planned["next_n"] is None:
        return f"{done}; no look is left"
    if planned["next_n"] == planned["end_n"]:
        return f"{done}: the next one is the end, {planned['end_n']:,}, where {_allowed(planned['end_allowed'])}"
    return (
        f"{done}: the next one is at {planned['next_n']:,} {units}, where {_allowed(planned['next_allowed'])}; at the "
        f"end, {planned['end_n']:,}, {_allowed(planned['end_allowed'])}"
    )


def _allowed(bad: int) -> str:
    return "none promotes" if bad < 0 else f"at most {bad:,} may be bad"
