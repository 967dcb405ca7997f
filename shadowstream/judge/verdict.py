"""The verdict: promote, reject or not yet, with the evidence it rests on and reasons a person can act on.

Promote needs all of: every criterion shown good, the least duration of event time, no open incident, ledgers without
remainder, at least one closed window, and every criterion shown good over the trailing windows alone (the candidate
as it is now). A reject is latched: whoever was shown to be bad once stays so for this revision, unless what showed it
has been corrected (`levels`). All else is not yet.

A remainder forbids promote and never undoes or hinders a reject: a reject only blocks the release, so with records
unaccounted for it is the safe answer of the two; the reasons then say both. What the verdict cannot vouch for stands
beside the reasons (`caveats`).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shadowstream.config import Config, Criterion
from shadowstream.judge.caveats import asks_for_error, caveats_of
from shadowstream.judge.criteria import Counts, Trailing, counts, coverage, is_known, rates_of
from shadowstream.judge.evidence import (
    critical_n,
    least_caught_rate,
    log_e_above,
    log_e_below,
    lower_limit,
    upper_limit,
)
from shadowstream.judge.windows import Windows

# What the digest covers: no wall clock, no offsets, nothing that depends on how records were split.
EVIDENCE = (
    "revision",
    "decision",
    "criteria",
    "criteria_hash",
    "outcomes",
    "fields",
    "coverage",
    "caveats",
    "remainder",
    "incidents_open",
    "windows_closed",
    "from_ms",
    "to_ms",
    "warm_up",
)
_DIGITS = 12
_LEDGER_LINES_MAX = 20
_POWER = 0.9
_HOUR_MS = 3_600_000
# The trailing windows hold this many times the units that can just prove a candidate without a single bad one.
_TRAILING_FACTOR = 2


@dataclass(frozen=True, slots=True)
class Case:
    """What one verdict is built from.

    `rejected`: sentence by criterion that has been shown bad, latched. `incidents`: id and sentence of what is open.
    `withdrawn`: sentences of rejects that corrections have undone.
    """

    config: Config
    revision: str
    windows: Windows
    trailing: Mapping[str, Trailing]
    rejected: Mapping[str, str]
    incidents: Mapping[str, str]
    withdrawn: Sequence[str] = ()


def trailing_units(criterion: Criterion, alpha: float) -> int:
    """Units that the trailing windows of a criterion must hold."""
    return _TRAILING_FACTOR * critical_n(0, criterion.limit, alpha)


def log_promote_at(config: Config) -> float:
    """ln E_below from which a criterion is shown good: ln(1/alpha), for all must pass."""
    return -math.log(config.judge.alpha)


def log_reject_at(config: Config) -> float:
    """ln E_above from which a criterion is shown bad: ln(K/alpha), for any one of K rejects."""
    return math.log(len(config.judge.criteria) / config.judge.alpha)


def excess(criterion: Criterion, found: Counts, config: Config) -> str | None:
    """Why these counts show the criterion bad, as a sentence; None where they do not."""
    n, s = found
    if not found.possible or n == 0:
        return None
    log_e = log_e_above(n, s, criterion.limit)
    if log_e < log_reject_at(config):
        return None
    units = rates_of(config)[criterion.rate].units
    return (
        f"{criterion.rate}: {s} of {n} {units} ({s / n:.4g}) are shown to be over the limit "
        f"{criterion.limit:g} (ln E {log_e:.4g}, needed {log_reject_at(config):.4g})"
    )


def criteria_hash(config: Config) -> str:
    """SHA-256 over all that decides: the judge's settings and the rules of comparison."""
    return digest(
        {
            "judge": config.judge.model_dump(mode="json"),
            "rules": [rule.model_dump(mode="json") for rule in config.compare.rules],
        }
    )


def evidence_digest(verdict: Mapping[str, Any]) -> str:
    """SHA-256 over the evidence of a verdict record; floats count with 12 significant digits.

    The same for any order of records inside windows, any split into partitions and any restart.
    """
    return digest({name: verdict[name] for name in EVIDENCE})


def digest(value: Any) -> str:
    """SHA-256 over the canonical JSON of `value`: keys sorted, floats with 12 significant digits."""
    canonical = json.dumps(_rounded(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        # -0.0 would be another text than 0.0.
        return float(f"{value:.{_DIGITS - 1}e}") + 0.0
    if isinstance(value, Mapping):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value


def build(case: Case, now_ms: int) -> dict[str, Any]:
    """The verdict record, as in schemas/verdict.avsc. `now_ms` is the wall clock and no part of the evidence."""
    config, windows = case.config, case.windows
    # What adds up to less than nothing is told as a reason: it is no count of anything.
    outcomes = {name: units for name, units in sorted(windows.outcomes.items()) if units > 0}
    criteria = [_criterion_verdict(criterion, outcomes, config) for criterion in config.judge.criteria]
    blockers = [*_unproven(case, criteria), *_unfit(case, outcomes)]
    if case.rejected:
        decision, reasons = "reject", [*case.rejected.values(), *_conservation(windows), *_incidents(case)]
    elif blockers:
        decision, reasons = "not_yet", blockers
    else:
        decision, reasons = "promote", [_good(said, config) for said in criteria]
    remainders = windows.remainders()
    record = {
        "name": config.name,
        "revision": case.revision,
        "decision": decision,
        "final": config.bounded and windows.all_complete,
        "reasons": reasons,
        "criteria": criteria,
        "criteria_hash": criteria_hash(config),
        "outcomes": outcomes,
        "fields": {path: pairs for path, pairs in sorted(windows.fields.items()) if pairs > 0},
        "coverage": coverage(outcomes),
        "caveats": caveats_of(config, outcomes, case.withdrawn),
        "remainder": windows.remainder,
        "ledgers": remainders[:_LEDGER_LINES_MAX],
        "incidents_open": sorted(case.incidents),
        "windows_closed": windows.closed,
        "windows_open": windows.open,
        "from_ms": windows.from_ms,
        "to_ms": windows.to_ms,
        "warm_up": outcomes.get("warm_up", 0),
        "candidate_isolation": _ran(config),
        "evaluated_at_ms": now_ms,
        "sources": [
            {"topic": topic, "partition": partition, "from_offset": low, "to_offset": high}
            for (topic, partition), (low, high) in sorted(windows.sources.items())
        ],
    }
    rounded: dict[str, Any] = _rounded(record)
    return rounded | {"evidence_digest": evidence_digest(rounded)}


def _ran(config: Config) -> str:
    if config.candidate.topic is not None:
        return "external"
    return "in-process" if config.candidate.trusted else "process"


def _criterion_verdict(criterion: Criterion, outcomes: Mapping[str, int], config: Config) -> dict[str, Any]:
    n, s = found = counts(criterion.rate, outcomes, rates_of(config))
    promote_at, reject_at, alpha = log_promote_at(config), log_reject_at(config), config.judge.alpha
    below = log_e_below(n, s, criterion.limit) if found.possible else 0.0
    above = log_e_above(n, s, criterion.limit) if found.possible else 0.0
    good = below >= promote_at
    known = found.possible and n > 0
    return {
        "rate": criterion.rate,
        "unit": "record",
        "limit": criterion.limit,
        "critical": criterion.critical,
        "n": n,
        "s": s,
        "estimate": s / n if known else None,
        "lower": lower_limit(n, s, alpha) if known else None,
        "upper": upper_limit(n, s, alpha) if known else None,
        "log_e_below": below,
        "log_e_above": above,
        "log_promote_at": promote_at,
        "log_reject_at": reject_at,
        "shown_good": good,
        "shown_bad": above >= reject_at,
        "least_caught": _caught(n, criterion.limit, config) if known else None,
        "units_needed": critical_n(s, criterion.limit, alpha) if found.possible and not good else None,
    }


def _caught(n: int, limit: float, config: Config) -> float | None:
    caught = least_caught_rate(n, limit, config.judge.alpha / len(config.judge.criteria), _POWER)
    return None if math.isnan(caught) else caught


def _good(said: Mapping[str, Any], config: Config) -> str:
    units = rates_of(config)[said["rate"]].units
    return (
        f"{said['rate']}: {said['s']} of {said['n']} {units}; the rate is shown to lie under "
        f"{said['limit']:g} (upper limit {said['upper']:.3g}); a rate of {_least_caught(said)} would have been caught"
    )


def _least_caught(said: Mapping[str, Any]) -> str:
    return "nothing under 1" if said["least_caught"] is None else f"{said['least_caught']:.3g}"


def _unproven(case: Case, criteria: list[dict[str, Any]]) -> list[str]:
    """What the evidence does not show yet: criteria, the trailing windows, duration."""
    windows, judge = case.windows, case.config.judge
    if windows.closed == 0:
        return [f"no window with compared records has closed: {windows.holding()}"]
    reasons = [_not_shown(said, case.config) for said in criteria if not said["shown_good"]]
    for criterion in judge.criteria:
        reasons += _trailing(case.trailing[criterion.rate], criterion, case.config)
    covered_ms = (windows.to_ms or 0) - (windows.from_ms or 0)
    if covered_ms < judge.min_duration_ms:
        reasons.append(
            f"the closed windows span {covered_ms / _HOUR_MS:.4g} h of event time; judge.min_duration_ms asks for "
            f"{judge.min_duration_ms / _HOUR_MS:.4g} h"
        )
    return reasons


def _not_shown(said: Mapping[str, Any], config: Config) -> str:
    rate, n, s, limit = said["rate"], said["n"], said["s"], said["limit"]
    units = rates_of(config)[rate].units
    if said["units_needed"] is None:
        return f"{rate}: {s} bad of {n} {units} cannot be; the joiner's counts are wrong, please report this"
    if n and s / n >= limit:
        return (
            f"{rate}: {s} of {n} {units} ({s / n:.4g}) lie at or over the limit {limit:g}; more records alone will "
            "not show it good: look at the differences, or set another limit if this one is not meant"
        )
    return (
        f"{rate}: {s} of {n} {units} do not show the rate to lie under {limit:g} yet; with {s} bad ones "
        f"{said['units_needed']} are needed, {said['units_needed'] - n} more"
    )


def _trailing(trailing: Trailing, criterion: Criterion, config: Config) -> list[str]:
    n, s = found = trailing.counts
    units = rates_of(config)[criterion.rate].units
    if not trailing.full:
        return [f"{criterion.rate}: the last closed windows hold {n} {units}; {trailing.units} are needed"]
    if found.possible and log_e_below(n, s, criterion.limit) >= log_promote_at(config):
        return []
    return [
        f"{criterion.rate}: {s} of the last {n} {units} ({s / n if n else 0:.4g}) do not show the rate to lie under "
        f"{criterion.limit:g} now, whatever came before"
    ]


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


def _incidents(case: Case) -> list[str]:
    return [f"incident {name} is open: {sentence}" for name, sentence in sorted(case.incidents.items())]


def _unfit(case: Case, outcomes: Mapping[str, int]) -> list[str]:
    """What makes the evidence unfit to promote, whatever it shows."""
    windows = case.windows
    reasons = [*_conservation(windows), *_incidents(case)]
    unread = [name for name, task in windows.tasks.items() if task.seq and not task.ledgers]
    if unread:
        reasons.append(f"conservation: no ledger has come from {', '.join(unread[:5])}")
    if outcomes.get("evicted"):
        reasons.append(
            f"{outcomes['evicted']} records were evicted before they could be compared; raise "
            "limits.pending_bytes_max, and the retention of the output topics where it has deleted them"
        )
    if asks_for_error(case.config):
        reasons.append(
            "error: judge.criteria asks for it and it cannot be judged: nobody counts the inputs of a candidate that "
            "is a job of its own. Take error out of judge.criteria; where that is left out as a whole, the share of "
            "the candidate's records that cannot be decoded is judged"
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
