"""Sentences about distributions, from a row of a verdict's `distributions` (schemas/verdict.avsc)."""

from collections.abc import Mapping
from typing import Any

from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.judge.utc_text import utc_text

SIDES, PRODUCTION, CANDIDATE = "sides", "production", "candidate"
"""The comparisons of a field: candidate beside production, and each side now beside its first season."""
PSI = "psi"
"""The detector of drift events about distributions: the population stability index."""
Row = Mapping[str, Any]


def sentence(row: Row) -> str:
    """Describe the last comparison of a field.

    >>> bins = [{"bin": "below 0.8", "before": 96, "after": 89}, {"bin": "0.8 and above", "before": 4, "after": 11}]
    >>> row = {"path": "score", "compared": "sides", "psi": 0.31, "by_chance": 0.02, "level": 0.001, "top": 1,
    ...     "n_before": 100, "n_after": 100, "bins": bins, "incident": "i"}
    >>> print(sentence(row))
    score of the candidate is distributed differently from production's: PSI 0.31 (chance alone reaches 0.02 once in
    1,000 comparisons); most in 0.8 and above: 4 % → 11 %
    """
    subject, contrast = {
        SIDES: (f"{row['path']} of the candidate", "production's"),
        PRODUCTION: (f"{row['path']} of production", "in its first season"),
        CANDIDATE: (f"{row['path']} of the candidate", "in its first season"),
    }[row["compared"]]
    if row["incident"] is None:
        verb = f"{subject} beside {contrast}" if row["compared"] == SIDES else f"{subject} beside its first season"
    elif row["compared"] == SIDES:
        verb = f"{subject} is distributed differently from {contrast}"
    else:
        verb = f"{subject} is distributed differently than {contrast}"
    return (
        f"{verb}: PSI {row['psi']:.3g} (chance alone reaches {row['by_chance']:.2g} once in {1 / row['level']:,.0f} "
        f"comparisons){_top(row)}"
    )


def _top(row: Row) -> str:
    top = row["bins"][row["top"]]
    before, after = top["before"] / row["n_before"], top["after"] / row["n_after"]
    return f"; most in {top['bin']}: {percent(before)} → {percent(after)}" if before != after else ""


def distribution_lines(verdict: Mapping[str, Any]) -> list[str]:
    """Return the comparisons of a verdict record, a sentence each; where none was made, the reason."""
    lines = []
    for row in verdict.get("distributions", ()):
        if row["psi"] is None:
            lines.append(f"distribution of {row['path']}: {row['waits']}")
            continue
        since = "" if row["since_ms"] is None else f"; since {utc_text(row['since_ms'])}, incident {row['incident']}"
        lines.append(f"distribution: {sentence(row)}{since}{'; ' + row['waits'] if row['waits'] else ''}")
    return lines
