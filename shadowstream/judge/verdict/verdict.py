"""The verdict: promote, reject or not yet, with its evidence and with reasons an operator can act on.

Promote needs all of these: every criterion shown good, the least duration of event time, no open incident, ledgers
without remainder, at least one closed window, and every criterion shown good over the recent windows alone. A reject is
latched: a candidate that was shown bad once stays rejected for this revision, unless corrections remove the evidence
for it (`reject_latch`). In all other cases the verdict is not yet.

A remainder blocks promote and never a reject: a reject only blocks the release, so it is the safe answer while records
are unaccounted for. The reasons then name both. `caveats` name the limits of the verdict beside its reasons.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

from shadowstream.config import Config
from shadowstream.judge.coverage import beyond_end
from shadowstream.judge.coverage.coverage import coverage, share_of, shed, top_reasons, uncovered
from shadowstream.judge.coverage.path_sightings import Paths
from shadowstream.judge.coverage.path_sightings import blockers as unseen_blockers
from shadowstream.judge.coverage.path_sightings import caveats as unseen_caveats
from shadowstream.judge.coverage.refused_records import refusals_of
from shadowstream.judge.criteria import is_known, measured_otherwise, summed_otherwise
from shadowstream.judge.drift.incident_groups import OpenIncident
from shadowstream.judge.drift.rate_monitor import RateMonitor
from shadowstream.judge.evidence.rate_bounds import rate_in_words
from shadowstream.judge.evidence.slice_excess import LISTED_MAX, Listed
from shadowstream.judge.label_quality import qualities
from shadowstream.judge.latency_sketch import percentiles
from shadowstream.judge.verdict import cut_differences
from shadowstream.judge.verdict.blind_spots import blind_spots
from shadowstream.judge.verdict.caveats import REPEATED_NAMES, caveats_of
from shadowstream.judge.verdict.criterion_status import CriterionStatus
from shadowstream.judge.verdict.guard_criteria import asks_for_error
from shadowstream.judge.verdict.identity_fit import misfits_by_outcome
from shadowstream.judge.verdict.label_selection import NOT_SELECTED, Selection
from shadowstream.judge.verdict.lateness import caveats_of_time, reasons_of_time
from shadowstream.judge.verdict.operator_commands import OperatorCommands
from shadowstream.judge.verdict.side_notes import noise, side_notes
from shadowstream.judge.verdict.slice_guard import NO_FINDINGS, SliceFindings
from shadowstream.judge.windows.event_windows import Windows
from shadowstream.judge.windows.window_counts import Slice
from shadowstream.protocol.outcomes import Outcome

# Fields of the digest: no wall clock, no offsets, nothing that depends on how records were split.
EVIDENCE = (
    "revision",
    "decision",
    "criteria",
    "criteria_hash",
    "outcomes",
    "fields",
    "coverage",
    "coverage_candidate",
    "coverage_lately",
    "min_coverage",
    "caveats",
    "remainder",
    "incidents_open",
    "slices",
    "windows_closed",
    "from_ms",
    "to_ms",
    "warm_up",
    "release",
    "attempt",
)
_DIGITS = 12
_LEDGER_LINES_MAX = 20


class SliceSummary(NamedTuple):
    """Slices that hold the excess, worst first.

    `latched`: since when the evidence of a slice suffices by itself (`SliceEvidence.latched`). `cells`: number of
    cells. `dropped`: pairs of cells for which there was no room.
    """

    listed: Sequence[Listed]
    latched: Mapping[Slice, int]
    cells: int
    dropped: int


NO_SLICES = SliceSummary((), {}, 0, 0)


@dataclass(frozen=True, slots=True)
class VerdictInput:
    """Everything from which one verdict is built.

    `config`: that of the attempt (`alpha_spending.at_attempt`). `hash`: `criteria_hash` of the config as written.
    `statuses`: status of each criterion in the config's order. `rejected`: latched sentence by criterion that was shown
    bad. `incidents`: open incidents. `withdrawn`: sentences of rejects that corrections have withdrawn. `slices`:
    slices that hold the excess. `monitors`: those of criteria that are watched for change; `unwatched`: fields and
    slices beyond the limit of monitors. `commands`: commands of operators. `guarded`: slices that are bad or too small.
    `labels`: findings about selective labels. `paths`: configured paths seen in values. `topics`: changes of the
    trial's topics that stop reading. `recent_outcomes`: outcomes of the last closed windows
    (`coverage.RecentOutcomes`). `keys`: buckets of keys with a pair. `distributions`: their comparisons, which decide
    nothing. `confined`: how the candidate's process was confined.
    """

    config: Config
    revision: str
    windows: Windows
    statuses: Sequence[CriterionStatus]
    rejected: Mapping[str, str]
    incidents: Sequence[OpenIncident] = ()
    withdrawn: Sequence[str] = ()
    slices: SliceSummary = NO_SLICES
    monitors: Sequence[RateMonitor] = ()
    unwatched: Sequence[str] = ()
    commands: OperatorCommands | None = None
    guarded: SliceFindings = NO_FINDINGS
    labels: Selection = NOT_SELECTED
    paths: Paths = field(default_factory=Paths)
    hash: str = ""
    attempt: int = 1
    topics: Sequence[str] = ()
    recent_outcomes: Mapping[str, int] = field(default_factory=dict)
    keys: int = 0
    distributions: Sequence[Mapping[str, Any]] = ()
    confined: Sequence[str] = ()


def criteria_hash(config: Config) -> str:
    """Return the SHA-256 of all settings that decide: the judge's, the rules, and what is counted of a pair."""
    counted = config.compare.model_dump(mode="json", include={"checks", "latency", "distributions"})
    return digest(
        {
            "judge": config.judge.decisive(),
            "rules": [rule.model_dump(mode="json") for rule in config.compare.rules],
            "expected": [expected.model_dump(mode="json") for expected in config.compare.expected],
            "added_fields": config.compare.added_fields,
            **({"candidates": config.candidates} if config.candidates > 1 else {}),
            **{name: item for name, item in counted.items() if item},
        }
    )


def evidence_digest(verdict: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the evidence of a verdict record; floats count with 12 significant digits.

    It is the same for any order of records inside windows, any split into partitions and any restart.
    """
    return _sealed(_rounded({name: verdict[name] for name in EVIDENCE}))


def digest(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of `value`: keys sorted, floats with 12 significant digits."""
    return _sealed(_rounded(value))


def _sealed(rounded: Any) -> str:
    canonical = json.dumps(rounded, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


_PLAIN = frozenset({type(None), str, int, bool})
"""Types of most values: a verdict holds a thousand, so they are kept without a call."""


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        # -0.0 would have another text than 0.0.
        return float(f"{value:.{_DIGITS - 1}e}") + 0.0
    if isinstance(value, Mapping):
        return {name: item if type(item) in _PLAIN else _rounded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [item if type(item) in _PLAIN else _rounded(item) for item in value]
    return value


def build(given: VerdictInput, now_ms: int) -> dict[str, Any]:
    """Build the verdict record (schemas/verdict.avsc). `now_ms`: wall clock, no part of the evidence."""
    config, windows = given.config, given.windows
    # A negative sum is no count; it becomes a reason.
    outcomes = {name: units for name, units in sorted(windows.outcomes.items()) if units > 0}
    judged = [status for status in given.statuses if not status.measure.criterion.muted]
    reasons_by_outcome = top_reasons(windows.figures)
    misfits = {} if given.rejected else misfits_by_outcome(config, outcomes)
    not_covered = uncovered(config, windows.figures, given.recent_outcomes, reasons_by_outcome, misfits)
    blockers = [*given.topics, *misfits.values(), *not_covered, *_unproven(given, judged), *_unfit(given, outcomes)]
    if given.rejected:
        decision = "reject"
        reasons = [*_rejected(given), *given.topics, *_conservation(windows), *_incidents(given), *not_covered]
    elif blockers:
        decision, reasons = "not_yet", blockers
    else:
        decision, reasons = "promote", [criterion.passed_sentence for criterion in judged]
    remainders = windows.remainders()
    record = {
        "name": config.name,
        "revision": given.revision,
        "release": config.release,
        "attempt": given.attempt,
        "candidates": config.candidates,
        "decision": decision,
        "final": _final(given),
        "reasons": reasons,
        "criteria": [status.record for status in given.statuses],
        "criteria_hash": given.hash or criteria_hash(config),
        "outcomes": outcomes,
        "fields": {path: pairs for path, pairs in sorted(windows.fields.items()) if pairs > 0},
        "coverage": coverage(windows.figures),
        "coverage_candidate": share_of("candidate", windows.figures).value,
        "coverage_lately": coverage(given.recent_outcomes),
        "min_coverage": config.judge.min_coverage,
        "outcome_reasons": reasons_by_outcome,
        "caveats": _caveats(given, outcomes),
        "remainder": windows.remainder,
        "ledgers": remainders[:_LEDGER_LINES_MAX],
        "incidents_open": sorted(incident.id for incident in given.incidents),
        "slices": _slices(given.slices),
        "slices_counted": given.slices.cells,
        "slices_dropped": given.slices.dropped,
        "windows_closed": windows.closed,
        "windows_open": windows.open,
        "from_ms": windows.from_ms,
        "to_ms": windows.to_ms,
        "warm_up": outcomes.get(Outcome.WARM_UP, 0),
        "candidate_isolation": _ran(given),
        "incidents": [_incident(incident, given.commands) for incident in given.incidents],
        "override": given.commands.override if given.commands is not None else None,
        "handover": given.commands.handover if given.commands is not None else None,
        "steered": given.commands.steering.notes() if given.commands is not None else [],
        "min_duration_ms": config.judge.min_duration_ms,
        "covered_ms": windows.covered.covered_ms,
        "season_ms": windows.covered.season_ms,
        "evaluated_at_ms": now_ms,
        "sources": [
            {"topic": topic, "partition": partition, "from_offset": low, "to_offset": high}
            for (topic, partition), (low, high) in sorted(windows.sources.items())
        ],
        "noise": noise(windows.figures),
        "latencies": percentiles(windows.figures),
        "distributions": given.distributions,
        "quality": qualities(config, windows.quality),
    }
    rounded: dict[str, Any] = _rounded(record)
    return rounded | {"evidence_digest": _sealed({name: rounded[name] for name in EVIDENCE})}


def _caveats(given: VerdictInput, outcomes: Mapping[str, int]) -> list[str]:
    """Return the limits of the verdict, whatever it decides."""
    config, windows = given.config, given.windows
    counted = {REPEATED_NAMES: windows.figures.get(REPEATED_NAMES, 0)}
    sources = [
        caveats_of(
            config, {**outcomes, **counted}, given.withdrawn, given.monitors, given.unwatched, given.slices.dropped
        ),
        blind_spots(config, outcomes, windows.closed, given.keys, final=_final(given)),
        unseen_caveats(config, given.paths, windows.figures),
        side_notes(config, windows.figures),
        given.guarded.small,
        given.labels.caveats,
        caveats_of_time(windows),
        refusals_of(config, windows),
    ]
    return [*chain.from_iterable(sources)]


def _final(given: VerdictInput) -> bool:
    return given.config.ends_itself and given.windows.all_complete


def _rejected(given: VerdictInput) -> list[str]:
    """Return the reasons of a reject as first shown, with the criterion's present counts."""
    now = {status.record["rate"]: status.record for status in given.statuses}
    return [f"{why}; by now {_counted(now[name])}" if name in now else why for name, why in given.rejected.items()]


def _counted(record: Mapping[str, Any]) -> str:
    if record.get("difference") is not None:
        return f"worse by {record['difference']:.6g} on average over {record['n']} {record['units']}"
    return rate_in_words(record["rate"], record["bad"], record["n"], record["units"])


def _slices(slices: SliceSummary) -> list[dict[str, Any]]:
    return [
        {
            "dimensions": list(listed.name[0]),
            "values": list(listed.name[1]),
            "n": listed.n,
            "s": listed.s,
            "lower": listed.lower,
            "log_e": listed.log_e,
            "latched_ms": slices.latched.get(listed.name),
        }
        for listed in slices.listed[:LISTED_MAX]
    ]


def _incident(incident: OpenIncident, commands: OperatorCommands | None) -> dict[str, Any]:
    ack = commands.acks.get(incident.id) if commands is not None else None
    mute = commands.mutes.get(incident.id) if commands is not None else None
    return {
        "id": incident.id,
        "subject": incident.subject,
        "opened_ms": incident.opened_ms,
        "reason": incident.reason,
        "members": list(incident.members),
        "absorbed": incident.absorbed,
        "acknowledged_by": ack["by"] if ack else None,
        "acknowledged_reason": ack["reason"] if ack else None,
        "muted_by": mute["by"] if mute else None,
        "muted_until_ms": mute["until_ms"] if mute else None,
    }


def _ran(given: VerdictInput) -> str:
    """Return where the candidate ran and, for a process of its own, what of it was enforced."""
    if given.config.candidate.topic is not None:
        return "external"
    if given.config.candidate.isolation == "in-process":
        return "in-process"
    return f"process ({'; or '.join(given.confined)})" if given.confined else "process"


def _unproven(given: VerdictInput, statuses: Sequence[CriterionStatus]) -> list[str]:
    """Return the gaps of the evidence: criteria, recent windows, duration."""
    windows, judge = given.windows, given.config.judge
    if windows.closed == 0:
        return [f"no window with compared records has closed: {windows.holding()}"]
    reasons = [reason for status in statuses for reason in status.why]
    return [*reasons, *reasons_of_time(windows, judge.min_duration_ms, _final(given))]


def _conservation(windows: Windows) -> list[str]:
    reasons = []
    if windows.gaps:
        reasons.append(f"conservation: {windows.gaps} stats records are missing in the joiner's sequence")
    lines = windows.remainders()
    for line in lines[:3]:
        reasons.append(
            f"conservation: ledger {line['ledger']}, {line['place']}: {line['expected']} expected, "
            f"{line['counted']} counted"
        )
    if lines[3:]:
        reasons.append(f"conservation: {len(lines) - 3} more ledger lines do not balance")
    return reasons


def _incidents(given: VerdictInput) -> list[str]:
    return [
        f"incident {incident.id} is open: {incident.reason}"
        for incident in sorted(given.incidents, key=lambda item: (item.opened_ms, item.id))
    ]


def _unfit(given: VerdictInput, outcomes: Mapping[str, int]) -> list[str]:
    """Return the reasons why the evidence is unfit for a promote, whatever it shows."""
    windows = given.windows
    reasons = [*_conservation(windows), *_incidents(given), *given.guarded.bad]
    reasons += unseen_blockers(given.config, given.paths, windows.figures)
    unread = [name for name, task in windows.tasks.items() if task.seq and not task.ledgers]
    if unread:
        reasons.append(f"conservation: no ledger has come from {', '.join(unread[:5])}")
    reasons += [*shed(given.config, windows.figures), *cut_differences.blockers(given.config, windows.figures)]
    reasons += beyond_end.blockers(given.config, windows.figures)
    if asks_for_error(given.config):
        reasons.append(
            "error: judge.criteria asks for it and it cannot be judged: nobody counts the inputs of a candidate that "
            "is a job of its own. Take error out of judge.criteria; where that is left out as a whole, the share of "
            "the candidate's records that cannot be decoded is judged"
        )
    for criterion in given.config.judge.criteria:
        for otherwise in summed_otherwise(criterion, windows.figures) if criterion.rate in ("mean", "loss") else ():
            by_labels = criterion.is_labelled
            remedy = "only a trial under this config adds" if by_labels else "`replay --from-topics` adds"
            reasons.append(
                f"{criterion.id}: the {'labels role' if by_labels else 'joiner'}'s sums are for {otherwise}, and say "
                f"nothing of bound {criterion.bound!r} and limit {criterion.threshold!r}; {remedy} them up anew"
            )
    for criterion in given.config.judge.criteria:
        for otherwise in measured_otherwise(criterion, windows.figures) if criterion.rate == "cost" else ():
            reasons.append(
                f"{criterion.id}: the runner counted inputs over {otherwise}, which says nothing of reference_ms "
                f"{criterion.reference_ms!r} and ratio {criterion.ratio!r}; only a trial under this config counts them"
            )
    for name, units in sorted(windows.outcomes.items()):
        if units < 0:
            reasons.append(f"outcome {name!r} adds up to {units}: a correction came without what it corrects")
    for name in sorted(name for name in outcomes if not is_known(name)):
        reasons.append(f"outcome {name!r} is not in the closed table; are joiner and judge of the same release?")
    for task, records in sorted(windows.strangers.items()):
        reasons.append(
            f"{records} stats records came from {task}, which is no task of this trial; were partitions added? "
            "Restart the judge"
        )
    return reasons
