"""Notes on a verdict as sentences: coverage, records left out, isolation of the candidate, approval, muted criteria,
steering, caveats.

Pure: from a verdict record alone. Gate, `explain`, Markdown, JUnit, the page and alerts show these same sentences.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from shadowstream.judge.coverage.coverage import declared_share
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.judge.verdict.approval import approval_notes
from shadowstream.protocol.outcomes import DECLARED, Outcome

Verdict = Mapping[str, Any]
_COVERAGE = "coverage: "
_ISOLATION = {
    "in-process": "the candidate ran in-process (candidate.trusted: true): it shares the runner's memory and secrets",
    "external": "the candidate is a job of its own: nothing of it was hashed or isolated here",
}


def notes_of(verdict: Verdict) -> list[str]:
    """Return all notes of a verdict record (schemas/verdict.avsc), coverage first, caveats last."""
    decided = [*approval_notes(verdict), *_muted(verdict), *verdict.get("steered", ())]
    return [*coverage_notes(verdict), *_isolation(verdict), *decided, *verdict["caveats"]]


def notes_beside(verdict: Verdict, reasons: Sequence[str]) -> list[str]:
    """Return all notes except those of coverage that the shown reasons contain."""
    return [note for note in notes_of(verdict) if not _is_in(reasons, note)]


def coverage_beside(verdict: Verdict, reasons: Sequence[str]) -> list[str]:
    """Return the notes of coverage that the shown reasons do not contain."""
    return [note for note in coverage_notes(verdict) if not _is_in(reasons, note)]


def _is_in(reasons: Sequence[str], note: str) -> bool:
    return note.startswith(_COVERAGE) and any(reason.startswith(_COVERAGE) for reason in reasons)


def coverage_notes(verdict: Verdict) -> list[str]:
    """Return notes about the covered share, and about records the trial leaves out by declaration."""
    notes = []
    if verdict["coverage"] is not None:
        line = f"coverage: {percent(verdict['coverage'])} of production's records were compared or judged missing"
        candidate, recent = verdict.get("coverage_candidate"), verdict.get("coverage_lately")
        if candidate is not None:
            line += f", {percent(candidate)} of the candidate's compared or judged extra"
        if recent is not None and recent != verdict["coverage"]:
            line += f"; in the last closed windows {percent(recent)} of production's"
        min_coverage = verdict.get("min_coverage")
        notes.append(line if min_coverage is None else f"{line} (judge.min_coverage: {percent(min_coverage)})")
    shares = declared_share(verdict["outcomes"])
    if shares:
        named = ", ".join(
            f"{percent(share)} {name} ({verdict['outcomes'][name]:,}; {DECLARED[Outcome(name)]})"
            for name, share in sorted(shares.items())
        )
        notes.append(f"left out as declared, and no part of the coverage: {named}")
    return notes


def _isolation(verdict: Verdict) -> list[str]:
    ran = verdict["candidate_isolation"]
    if ran.startswith("process"):
        enforced = ran.removeprefix("process").strip(" ()")
        return [f"the candidate ran in a process of its own{': ' + enforced if enforced else ''}"]
    return [_ISOLATION.get(ran, f"the candidate ran: {ran}")]


def _muted(verdict: Verdict) -> list[str]:
    muted = [criterion["rate"] for criterion in verdict["criteria"] if criterion.get("muted")]
    return [f"muted, so they decide nothing: {', '.join(muted)}"] if muted else []
