"""Criteria turned round: each asks whether production, the new version, is worse than the candidate, the old one."""

from collections.abc import Mapping, Sequence
from typing import Any

from shadowstream.config import Criterion

KEPT = ("mismatch", "field", "expected")
"""Rates of differences, which have no direction."""
SWAPPED = {"missing": "extra", "extra": "missing"}
"""Rates of records that one side lacks."""
_LACKING = {
    "missing": "it counts what the new version has and the old one lacks",
    "extra": "it counts what the new version lacks and the old one has",
}
JUDGED = ("labels", "loss")
"""Rates whose units can be production's (`judged: production`)."""
MUTED = {
    "error": "it counts failures of the old version; those of the new one show as extra, or as mismatch",
    "duplicate": "it counts repeats of the old version; those of the new one are not judged",
}
DROPPED = {
    "slower": "it measures the latency of the candidate, now the old version",
    "over": "it measures the latency of the candidate, now the old version",
    "latency": "it measures the latency of the candidate, now the old version",
    "cost": "it measures the CPU time of the candidate, now the old version",
    "check": "it checks values of the candidate, now the old version; a value of the new version that differs is a "
    "mismatch, unless a rule tolerates it",
    "twin": "the twin was a second run of the old version",
    "unstable": "it asks the candidate again, now the old version (candidate.recheck)",
}
_GUARD_LIMIT = 0.01
_BETTER = {"higher": "lower", "lower": "higher"}


def turned_criteria(
    criteria: Sequence[Criterion], given: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the criteria as keys and values, and a note for each that changes. `given`: as the file has them."""
    found, notes = [], []
    for criterion, written in zip(criteria, given, strict=True):
        rate, turned = criterion.rate, dict(written)
        if rate in DROPPED:
            notes.append(f"criterion {criterion.id} is left out: {DROPPED[rate]}")
            continue
        if rate in SWAPPED:
            turned["rate"] = SWAPPED[rate]
            notes.append(f"criterion {criterion.id} is now {SWAPPED[rate]}: {_LACKING[SWAPPED[rate]]}")
        elif rate in MUTED:
            turned["muted"] = True
            notes.append(f"criterion {criterion.id} is muted: {MUTED[rate]}")
        elif rate in JUDGED:
            turned["judged"] = "production"
            notes.append(f"criterion {criterion.id} judges production, now the new version")
        elif criterion.signed:
            turned["better"] = _BETTER[criterion.better or "higher"]
            notes.append(f"criterion {criterion.id}: better is turned round, because the sides are")
        found.append(turned)
    named = {one["rate"] for one in found}
    found += [{"rate": rate, "limit": _GUARD_LIMIT} for rate in ("missing", "extra") if rate not in named]
    for guard in sorted(MUTED.keys() - named):
        found.append({"rate": guard, "limit": _GUARD_LIMIT, "muted": True})
        notes.append(f"criterion {guard}, which is judged by default, is muted: {MUTED[guard]}")
    return found, notes
