"""Notes on a verdict as sentences: coverage, records left out, isolation of the candidate, muted criteria, caveats.

Pure: from a verdict record alone. Gate, `explain`, Markdown, JUnit, the page and alerts show these same sentences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shadowstream.judge.coverage.coverage import declared_share
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.protocol.outcomes import DECLARED, Outcome

Verdict = Mapping[str, Any]
_COVERAGE = "coverage: "
_ISOLATION = {
    "in-process": "the candidate ran in-process (candidate.trusted: true): it shares the runner's memory and secrets",
    "process": "the candidate ran in a process of its own",
    "external": "the candidate is a job of its own: nothing of it was hashed or isolated here",
}


def notes_of(verdict: Verdict) -> list[str]:
    """All notes of a verdict record (schemas/verdict.avsc), coverage first, caveats last."""
    return [*coverage_notes(verdict), *_isolation(verdict), *_muted(verdict), *verdict["caveats"]]


def notes_beside(verdict: Verdict, reasons: Sequence[str]) -> list[str]:
    """All notes but those of coverage that the shown reasons say already."""
    return [note for note in notes_of(verdict) if not _is_in(reasons, note)]


def coverage_beside(verdict: Verdict, reasons: Sequence[str]) -> list[str]:
    """The notes of coverage that the shown reasons do not say already."""
    return [note for note in coverage_notes(verdict) if not _is_in(reasons, note)]


def _is_in(reasons: Sequence[str], note: str) -> bool:
    return note.startswith(_COVERAGE) and any(reason.startswith(_COVERAGE) for reason in reasons)


def coverage_notes(verdict: Verdict) -> list[str]:
    """What was covered, and what the trial left out by its own declaration."""
    found = []
    if verdict["coverage"] is not None:
        line = f"coverage: {percent(verdict['coverage'])} of production's records were compared or judged missing"
        candidate, lately = verdict.get("coverage_candidate"), verdict.get("coverage_lately")
        if candidate is not None:
            line += f", {percent(candidate)} of the candidate's compared or judged extra"
        if lately is not None and lately != verdict["coverage"]:
            line += f"; in the last closed windows {percent(lately)} of production's"
        least = verdict.get("min_coverage")
        found.append(line if least is None else f"{line} (judge.min_coverage: {percent(least)})")
    shares = declared_share(verdict["outcomes"])
    if shares:
        named = ", ".join(
            f"{percent(share)} {name} ({verdict['outcomes'][name]:,}; {DECLARED[Outcome(name)]})"
            for name, share in sorted(shares.items())
        )
        found.append(f"left out as declared, and no part of the coverage: {named}")
    return found


def _isolation(verdict: Verdict) -> list[str]:
    ran = verdict["candidate_isolation"]
    return [_ISOLATION.get(ran, f"the candidate ran: {ran}")]


def _muted(verdict: Verdict) -> list[str]:
    muted = [one["rate"] for one in verdict["criteria"] if one.get("muted")]
    return [f"muted, so they decide nothing: {', '.join(muted)}"] if muted else []
