"""Explanation of a verdict for operators: the outlook of each criterion, what is missing and how long it takes.

It is computed from a verdict record alone. `explain` and `report` show the same sentences.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shadowstream.judge.coverage.explained_absences import is_doubt
from shadowstream.judge.distributions.words import distribution_lines
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.judge.label_quality import quality_lines
from shadowstream.judge.latency_sketch import latency_lines
from shadowstream.judge.utc_text import utc_text
from shadowstream.judge.verdict.approval import WAITS
from shadowstream.judge.verdict.candidate_errors import failure_lines
from shadowstream.judge.verdict.gate_reasons import AGED, UNPROVEN
from shadowstream.judge.verdict.identity_fit import is_misfit
from shadowstream.judge.verdict.new_trial_advice import NEW_TRIAL
from shadowstream.judge.verdict.outlook import Outlook, duration_left, outlook_of
from shadowstream.judge.verdict.verdict_notes import coverage_beside, coverage_notes, notes_of
from shadowstream.judge.windows.covered_time import covered_sentence
from shadowstream.judge.windows.window_counts import slice_name
from shadowstream.protocol.count_names import LABELS

Verdict = Mapping[str, Any]

_OVER = "the trial has read all that it was to read, so waiting adds nothing"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Explanation of a verdict.

    `blockers`: obstacles beside the criteria, or the reasons of a reject. `todo`: next steps. `incidents`: open
    incidents and who works on them. `slices`: slices that hold the excess, worst first. `notes`: what the verdict rests
    on. `hours`: event time until every criterion that only needs more units has enough.
    """

    decision: str
    outlooks: tuple[Outlook, ...]
    blockers: tuple[str, ...]
    todo: tuple[str, ...]
    incidents: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    hours: float | None = None

    @property
    def not_passed(self) -> list[Outlook]:
        """Criteria that block promote."""
        return [outlook for outlook in self.outlooks if not outlook.passed]


def explain(verdict: Verdict, decision: str, reasons: Sequence[str]) -> Explanation:
    """Explain a verdict record (schemas/verdict.avsc).

    `decision` and `reasons`: those of the record, or those of the gate if it does not follow the record (stale,
    overridden).
    """
    outlooks = tuple(outlook_of(criterion, verdict) for criterion in verdict["criteria"])
    named = tuple(f"{outlook.criterion}: " for outlook in outlooks)
    blockers: tuple[str, ...] = ()
    if decision != "promote":
        # The outlook of a criterion says more than its reason; a reject is shown as it was decided.
        blockers = tuple(
            reason for reason in reasons if decision == "reject" or is_doubt(reason) or not reason.startswith(named)
        )
    waits = [outlook.hours for outlook in outlooks if outlook.more and outlook.hours is not None and not outlook.muted]
    duration = duration_left(verdict)
    return Explanation(
        decision,
        outlooks,
        blockers,
        tuple(_todo(verdict, decision, outlooks, reasons)),
        tuple(incident_line(incident) for incident in verdict["incidents"]),
        tuple(slice_line(entry) for entry in verdict["slices"]),
        tuple(_notes(verdict, reasons)),
        max([*waits, *([duration] if duration else [])], default=None),
    )


def _todo(verdict: Verdict, decision: str, outlooks: Sequence[Outlook], reasons: Sequence[str]) -> list[str]:
    if decision != verdict["decision"]:
        if any(reason.startswith(AGED) for reason in reasons):
            return [
                "see that new records come and that runner and joiner go on; for a trial of old records set bounded: "
                "true, or ask with a larger --max-age"
            ]
        if any(reason.startswith(UNPROVEN) for reason in reasons):
            return [
                "see who may write the topic of verdicts (`shadowstream doctor CONFIG`), and that the judge has the "
                "first key of judge.signing_keys; `shadowstream verify CONFIG` names the key that signed"
            ]
        if any(reason.startswith(WAITS) for reason in reasons):
            return [
                "if you agree, approve it: `shadowstream approve CONFIG --by NAME --reason TEXT`; if not, refuse it: "
                "`shadowstream override CONFIG --decision reject --by NAME --reason TEXT`"
            ]
        return ["see whether the judge runs (`shadowstream judge CONFIG`): it says each 30 s that it lives"]
    if decision == "promote":
        return ["promote the candidate: `gate` exits 0 for this revision"]
    if decision == "reject":
        return [
            "do not promote: look at `shadowstream diff CONFIG`, mend the candidate and try again; another revision "
            "starts at zero"
        ]
    if any(reason.endswith(NEW_TRIAL[1:]) for reason in verdict["reasons"]):
        return [NEW_TRIAL]
    if any(map(is_misfit, verdict["reasons"])):
        return ["change identity in the config as named above: more records will not help; it is judged anew from zero"]
    if verdict["windows_closed"] == 0:
        return _of_no_window(verdict)
    judged = [outlook for outlook in outlooks if not outlook.muted]
    return [
        *_to_wait_for(verdict, judged),
        *_about_evidence(verdict, judged),
        *_about_slices(verdict),
        *_about_the_rest(verdict),
    ]


def _of_no_window(verdict: Verdict) -> list[str]:
    rest = _about_the_rest(verdict)
    if verdict["final"]:
        return rest or [
            f"{_OVER}: see that production and the candidate write outputs. A revision begins where the last ended: "
            "remove the trial (`shadowstream down CONFIG`) or give it another name, and run it anew"
        ]
    return rest or [
        "wait until a window of event time closes; if none does, look whether production, runner and joiner go on "
        "(their /readyz and the metric lag_records)"
    ]


def _to_wait_for(verdict: Verdict, outlooks: Sequence[Outlook]) -> list[str]:
    waits = _waits(verdict, outlooks)
    if not (waits and verdict["final"]):
        return waits
    return [f"{_OVER}: run a new one over more event time, or see what is asked for in `judge` of the config"]


def _waits(verdict: Verdict, outlooks: Sequence[Outlook]) -> list[str]:
    waits = [outlook for outlook in outlooks if outlook.more and not outlook.passed and outlook.n]
    duration = duration_left(verdict) or 0.0
    if not waits:
        return [f"let it run {duration:.4g} h more of event time with traffic: the least duration"] if duration else []
    slowest = max(waits, key=lambda item: (item.hours or 0, item.more or 0))
    if duration > (slowest.hours or 0):
        return [f"let it run {duration:.4g} h more of event time with traffic: the least duration takes longest"]
    hours = "" if slowest.hours is None else f", about {slowest.hours:.4g} h of event time as they have come"
    return [f"let it run: {slowest.criterion} takes longest, {slowest.more} more{hours}"]


def _about_evidence(verdict: Verdict, outlooks: Sequence[Outlook]) -> list[str]:
    advice = []
    for outlook in outlooks:
        if outlook.passed:
            continue
        if any(is_doubt(reason, f"{outlook.criterion}: ") for reason in verdict["reasons"]):
            advice.append(
                f"{outlook.criterion}: see to it that the records are compared that may hold the partners, see above"
            )
        elif outlook.state in ("over the limit", "shown bad"):
            advice.append(
                f"{outlook.criterion}: more records alone will not help: look at the differences (`shadowstream diff "
                "CONFIG`) and mend the candidate, or set another limit if this one is not meant"
            )
        elif outlook.state == "no records":
            advice.append(f"{outlook.criterion}: {_nothing_came(outlook.criterion, verdict)}")
        elif outlook.state == "no such field":
            advice.append(
                f"{outlook.criterion}: correct its path in judge.criteria, which makes it another revision; "
                "`shadowstream "
                "validate CONFIG` checks paths where schemas.dir has the schema of the outputs"
            )
        elif outlook.state == "not seen":
            advice.append(f"{outlook.criterion}: it saw too few of its units: see above, and the reasons of `gate`")
        elif outlook.state == "clustered":
            advice.append(f"{outlook.criterion}: judge it by another unit, which makes it another revision: see above")
        elif outlook.state == "not good lately":
            # If the recent windows would not pass at the overall rate either, nothing need have changed.
            or_too_few = "; or the last windows are too few for its rate: see above" if outlook.why[1:] else ""
            advice.append(
                f"{outlook.criterion}: it was good and is not now: see what has changed (`shadowstream diff "
                f"CONFIG`){or_too_few}"
            )
    return advice


def _nothing_came(criterion: str, verdict: Verdict) -> str:
    if criterion != "labels":
        return "nothing has come that it could be judged by; see what lowers the coverage"
    labelled, total = _labelled(verdict)
    if labelled:
        return (
            f"of {labelled} labelled pairs there is none on which only one side was right, so nothing tells them apart "
            "yet; with `required: false` it stands in nobody's way until one comes"
        )
    ended = f"{total} pairs ended their wait without one; " if total else ""
    return (
        f"no pair has a label yet; {ended}see whether the topic of labels is written and `labels` runs, and whether "
        "labels.id and labels.label_path name what a label holds"
    )


def _labelled(verdict: Verdict) -> tuple[int, int]:
    """Return the pairs with a label, and all pairs whose wait has ended."""
    counts = [verdict["outcomes"].get(name, 0) for name in LABELS]
    return sum(counts[:-1]), sum(counts)


def _about_slices(verdict: Verdict) -> list[str]:
    parts = [reason for reason in verdict["reasons"] if reason.startswith(("slice ", "output topic "))]
    if not any("shown to be over" in reason for reason in parts):
        return []
    is_slice = any(reason.startswith("slice ") for reason in parts)
    kind, option = ("a slice", " --slice NAME=VALUE") if is_slice else ("an output topic", "")
    return [
        f"{kind} is over a limit while the whole is not: look at its differences (`shadowstream diff CONFIG{option}`) "
        "and mend the candidate there; another revision starts at zero"
    ]


def _about_the_rest(verdict: Verdict) -> list[str]:
    advice = []
    if any(reason.startswith("coverage: ") or "judge.min_coverage asks" in reason for reason in verdict["reasons"]):
        advice.append(
            "coverage: change the keys named above, which makes another revision; more records alone will not help"
        )
    if verdict["remainder"]:
        advice.append(
            f"conservation is broken: {verdict['remainder']} records are unaccounted for, so no count can be trusted; "
            "read the log of the joiner, and start a new trial where records were deleted"
        )
    if verdict["incidents_open"]:
        advice.append(
            "an incident is open: look at `shadowstream diff CONFIG`; it closes by itself once its rate is quiet, and "
            "who acts on it says so with `shadowstream alerts ack CONFIG INCIDENT --by WHO`"
        )
    return advice


def incident_line(incident: Mapping[str, Any]) -> str:
    """Describe an open incident of a verdict, and who works on it."""
    if incident["acknowledged_by"] is None:
        whose = "not acknowledged yet"
    else:
        reason = f": {incident['acknowledged_reason']}" if incident["acknowledged_reason"] else ""
        whose = f"{incident['acknowledged_by']} acts on it{reason}"
    if incident["muted_by"] is not None:
        until = "it closes" if incident["muted_until_ms"] is None else utc_text(incident["muted_until_ms"])
        whose += f"; muted by {incident['muted_by']} until {until}"
    members = ", ".join(member for member in incident["members"] if member != incident["subject"])
    with_ = f", with {members}" if members else ""
    return f"{incident['id']}: {incident['subject']} since {utc_text(incident['opened_ms'])}{with_}; {whose}"


def _notes(verdict: Verdict, reasons: Sequence[str]) -> list[str]:
    notes = coverage_beside(verdict, reasons)
    notes += failure_lines(verdict)
    labelled, total = _labelled(verdict)
    if total:
        notes.append(f"labels: {labelled} of {total} pairs whose wait has ended were labelled")
    notes += _noise_of_production(verdict)
    if verdict["release"] is not None:
        shared = verdict.get("candidates", 1)
        notes.append(
            f"attempt {verdict['attempt']} at release {verdict['release']}: each is judged more strictly than the last"
            + (f"; {shared} candidates share alpha" if shared > 1 else "")
        )
    notes += [*latency_lines(verdict), *quality_lines(verdict), *distribution_lines(verdict)]
    covered = covered_sentence(verdict)
    if covered is not None:
        notes.append(covered)
    return [*notes, *(f"note: {note}" for note in notes_of(verdict)[len(coverage_notes(verdict)) :])]


def _noise_of_production(verdict: Verdict) -> list[str]:
    """Return how often production differs from its own second run, and the candidate from production."""
    both, shadow, twin, neither = (
        verdict["outcomes"].get(f"joint_{name}", 0) for name in ("both", "shadow", "twin", "neither")
    )
    if not (n := both + shadow + twin + neither):
        return []
    from shadowstream.judge.evidence.rates import lower_limit, upper_limit  # loads NumPy, and few trials have a twin

    alpha = min(criterion["alpha"] for criterion in verdict["criteria"])
    production, candidate = (
        f"{percent(s / n)} ({percent(lower_limit(n, s, alpha), 3)} to {percent(upper_limit(n, s, alpha), 3)})"
        for s in (both + twin, both + shadow)
    )
    return [
        f"twin: production differs from its own second run in {production} of {n:,} pairs, the candidate {candidate}"
    ]


def span(verdict: Verdict) -> str:
    """Describe the event time that a verdict covers, as a part of a sentence."""
    if verdict["from_ms"] is None:
        return "no window has closed"
    closed = verdict["windows_closed"]
    windows = f"{closed:,} window{'s' * (closed != 1)} closed"
    return f"{windows}, {utc_text(verdict['from_ms'])} to {utc_text(verdict['to_ms'])}"


def slice_line(listed: Mapping[str, Any]) -> str:
    """Describe a slice of a verdict that holds the excess.

    >>> slice_line({"dimensions": ["carrier"], "values": ["UA"], "n": 4000, "s": 1000, "lower": 0.231})
    'carrier=UA: 1,000 of 4,000 pairs differ (25 %), at least 23.1 % of all'
    """
    named = slice_name((tuple(listed["dimensions"]), tuple(listed["values"])))
    share = f" ({percent(listed['s'] / listed['n'])})" if listed["n"] else ""
    return (
        f"{named}: {listed['s']:,} of {listed['n']:,} pairs differ{share}, at least {percent(listed['lower'])} of all"
    )
