"""Selection of the records of drift and verdict that become alerts. Pure: from records alone.

An incident has one alert at its opening, one when it is named after a slice later, one at its first acknowledgement and
one at its end; a rejected revision has one, and another if the reject is withdrawn. An incident of a distribution has a
kind of its own, because it decides nothing. Flags of detectors are only logged. A promote that waits for a person's
approval has one alert, and one when it waits no longer.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple
from urllib.parse import quote

from shadowstream.alerts import wording
from shadowstream.judge.distributions.words import PSI
from shadowstream.judge.verdict.verdict_notes import notes_of
from shadowstream.protocol.outcomes import Outcome
from shadowstream.protocol.size_limits import OTHER

REVISION_CHARS = 16
NAMED = "named"
APPROVAL = "approval"
KEY_CHARS_MAX = 250
_KEY_CHARS_CUT = 180
_KEY_SAFE = "/:=,+@()[]!$&*;|^'?"
_OUTCOMES = {
    "mismatch": Outcome.MISMATCH,
    "unstable": Outcome.UNSTABLE,
    "missing": Outcome.MISSING,
    "extra": Outcome.EXTRA,
    "error": Outcome.CANDIDATE_ERROR,
}
Record = Mapping[str, Any]


class State(StrEnum):
    """What an alert reports of its incident or reject."""

    OPENED = "opened"
    UPDATED = "updated"
    ESCALATED = "escalated"
    RESOLVED = "resolved"


class Alert(NamedTuple):
    """An alert. Its `id` is stable: the same news of the same incident or reject always has the same id.

    `of`: the id of the opening.
    """

    id: str
    payload: dict[str, Any]
    state: State = State.OPENED

    @property
    def of(self) -> str:
        return self.id if self.state == State.OPENED else self.id.partition("/")[2]

    @property
    def key(self) -> str:
        r"""The id for the webhook's header: unique, without control characters, of limited length.

        >>> Alert("incident/ab/mismatch:tenant=a\r\nb-7", {}).key
        'incident/ab/mismatch:tenant=a%0D%0Ab-7'
        """
        quoted = quote(self.id, safe=_KEY_SAFE)
        if len(quoted) <= KEY_CHARS_MAX:
            return quoted
        return f"{quoted[:_KEY_CHARS_CUT]}~{hashlib.sha256(self.id.encode()).hexdigest()}"

    @property
    def incident(self) -> str | None:
        """The incident of the alert; None for a reject."""
        named: str | None = self.payload.get("incident")
        return named


class Context(NamedTuple):
    """What a message needs beside its record. `config_path`: of the trial's config, for commands.

    `dimensions`: names of the dimensions of that config. `watch_over`: a reject of this trial means roll back.
    """

    trial: str
    config_path: str
    now_ms: int
    dimensions: tuple[str, ...] = ()
    watch_over: bool = False

    def command(self, words: str, *more: str) -> str:
        return wording.command(words, self.config_path, *more)

    def slice_options(self, named: str | None) -> list[str]:
        """Return the options by which `diff` shows a slice; none for a slice that no row can name."""
        starts = tuple(f"{name}=" for name in self.dimensions)
        return ["--slice", named] if named and named.startswith(starts) and f"={OTHER}" not in named else []


def incident_alert_id(revision: str, incident: str) -> str:
    """Return the id of an incident's alert. It names the revision, because two revisions may share an incident's name.

    >>> incident_alert_id("ab" * 32, "mismatch-1372651200000")
    'incident/abababababababab/mismatch-1372651200000'
    """
    return f"incident/{revision[:REVISION_CHARS]}/{incident}"


def reject_alert_id(revision: str, nth: int = 1) -> str:
    """Return the id of a reject's alert: a revision rejected again, after a withdrawal, has another.

    >>> reject_alert_id("ab"), reject_alert_id("ab", 2)
    ('reject/ab', 'reject/ab~2')
    """
    return f"reject/{revision}" + (f"~{nth}" if nth > 1 else "")


def follow_up_id(news: str, opening: str) -> str:
    """Return the id of later news about an opening: a state, or `NAMED`.

    >>> follow_up_id(State.RESOLVED, "reject/ab")
    'resolved/reject/ab'
    """
    return f"{news}/{opening}"


def alert_of(
    context: Context, kind: str, record: Record, notes: Sequence[str] = (), nth_reject: int = 1
) -> Alert | None:
    """Return the alert for a drift or verdict record; None if it needs none. `nth_reject`: of the record's revision.

    >>> verdict = {"decision": "not_yet", "revision": "ab", "reasons": []}
    >>> alert_of(Context("fraud", "trial.yaml", 0), "verdict", verdict) is None
    True
    """
    if kind == "drift" and record["event"] == "opened":
        return _opened(context, record, notes)
    if kind == "drift" and record["event"] == "named":
        opening = _opened(context, record, notes)
        payload = opening.payload | {"state": State.UPDATED}
        return Alert(follow_up_id(NAMED, opening.id), payload, State.UPDATED)
    if kind == "drift" and record["event"] == "closed":
        return _closed(context, record)
    if kind == "verdict" and record["decision"] == "reject":
        return _rejected(context, record, nth_reject)
    return None


def outcomes_of(criteria: Iterable[str]) -> list[Outcome]:
    """Return the outcomes that are bad for criteria. The name of a criterion ends with its slice or field, and the part
    of the trial that it counts."""
    found = (_OUTCOMES.get(re.split("[:@]", criterion, maxsplit=1)[0]) for criterion in criteria)
    return [outcome for outcome in dict.fromkeys(found) if outcome is not None]


def _opened(context: Context, record: Record, notes: Sequence[str]) -> Alert:
    outcomes = outcomes_of([record["criterion"]])
    payload = _of_incident(context, record) | {
        "title": f"{context.trial}: {wording.headline(record)}",
        "text": wording.opened(record, context.now_ms),
        "notes": list(notes),
        "acknowledge": context.command("alerts ack", record["incident"], "--by", "NAME"),
    }
    if record["detector"] != PSI:
        chosen = ["--outcome", outcomes[0]] if outcomes else []
        chosen += ["--revision", record["revision"][:REVISION_CHARS], *context.slice_options(payload["slice"])]
        since = wording.iso(wording.begin_ms(record))
        payload["differences"] = context.command("diff", *chosen, *(["--since", since] if since else []))
    return Alert(incident_alert_id(record["revision"], record["incident"]), payload)


def _closed(context: Context, record: Record) -> Alert:
    payload = _of_incident(context, record) | {
        "title": f"{context.trial}: resolved: {wording.place(record)}",
        "text": wording.closed(record, context.now_ms),
    }
    opening = incident_alert_id(record["revision"], record["incident"])
    return _follow_up(State.RESOLVED, opening, payload)


def _of_incident(context: Context, record: Record) -> dict[str, Any]:
    given = ("criterion", "direction", "before", "after", "revision", "limit", "n", "bad", "units")
    return {
        "kind": "distribution" if record["detector"] == PSI else "incident",
        "state": State.OPENED,
        "trial": context.trial,
        "incident": record["incident"],
        **{name: record.get(name) for name in given},
        "slice": wording.slice_of(record),
        "since_ms": wording.begin_ms(record),
        "details": record["reason"],
        "examples": [],
        "look": context.command("explain"),
    }


def _rejected(context: Context, record: Record, nth: int) -> Alert:
    fields = ("rate", "limit", "n", "s", "estimate", "lower", "upper", "shown_bad")
    payload = {
        "kind": "reject",
        "state": State.OPENED,
        "trial": context.trial,
        "title": f"{context.trial}: {'roll back' if context.watch_over else 'candidate rejected'}",
        "revision": record["revision"],
        "since_ms": record.get("from_ms"),
        "text": wording.rejected(record, watch_over=context.watch_over),
        "details": " ".join(reason.rstrip(".") + "." for reason in record["reasons"]),
        "coverage": record.get("coverage"),
        "candidate_isolation": record.get("candidate_isolation"),
        "notes": notes_of(record) if "caveats" in record else [],
        "criteria": [{field: criterion[field] for field in fields} for criterion in record["criteria"]],
        "examples": [],
        "look": context.command("explain"),
    }
    return Alert(reject_alert_id(record["revision"], nth), payload)


def withdrawn(context: Context, record: Record, nth: int = 1) -> Alert:
    """Return the alert that the nth reject of a revision does not hold any more."""
    payload = {
        "kind": "reject",
        "state": State.RESOLVED,
        "trial": context.trial,
        "title": f"{context.trial}: reject withdrawn",
        "revision": record["revision"],
        "text": f"the verdict is {record['decision'].replace('_', ' ')} again: corrections have withdrawn the reject",
        "details": " ".join(reason.rstrip(".") + "." for reason in record["reasons"]),
        "examples": [],
        "look": context.command("explain"),
    }
    return _follow_up(State.RESOLVED, reject_alert_id(record["revision"], nth), payload)


def approval_id(record: Record) -> str:
    """Return the id of the alert that the promote of a verdict record waits for approval.

    >>> approval_id({"revision": "ab" * 32, "approval": {"promote_since_ms": 7}})
    'approval/abababababababab/7'
    """
    return f"{APPROVAL}/{record['revision'][:REVISION_CHARS]}/{record['approval']['promote_since_ms']}"


def waits_for_approval(record: Record) -> bool:
    """Return whether a verdict record is a promote that nobody has approved."""
    approval = record.get("approval")
    return record["decision"] == "promote" and approval is not None and not approval["approved"]


def awaiting(context: Context, record: Record) -> Alert:
    """Return the alert that a promote waits for approval."""
    options = ("--revision", record["revision"][:REVISION_CHARS], "--by", "NAME", "--reason", "TEXT")
    payload = _of_approval(context, record, State.OPENED) | {
        "title": f"{context.trial}: promote waits for approval",
        "since_ms": record["approval"]["promote_since_ms"],
        "text": f"the evidence says promote; it waits for approval: {context.command('approve', *options)}",
        "approve": context.command("approve", *options),
    }
    return Alert(approval_id(record), payload)


def approval_ended(context: Context, opening: str, record: Record) -> Alert:
    """Return the alert that a promote waits no longer: it is approved, or the evidence says otherwise."""
    approval = record["approval"]
    if approval["approved"]:
        outcome, text = "approved", f"approved by {approval['by']}: {approval['reason']}"
    else:
        later = "; a later promote waits" if waits_for_approval(record) else ""
        outcome, text = "no longer promote", f"the promote that waited for approval has ended by the evidence{later}"
    payload = _of_approval(context, record, State.RESOLVED) | {"title": f"{context.trial}: {outcome}", "text": text}
    return _follow_up(State.RESOLVED, opening, payload)


def _of_approval(context: Context, record: Record, state: State) -> dict[str, Any]:
    return {
        "kind": APPROVAL,
        "state": state,
        "trial": context.trial,
        "revision": record["revision"],
        "details": " ".join(reason.rstrip(".") + "." for reason in record["reasons"]),
        "notes": notes_of(record),
        "examples": [],
        "look": context.command("explain"),
    }


def acknowledged(opening: Alert, by: str, reason: str) -> Alert:
    """Return the alert that a person acts on an incident."""
    action = f"{by} acts on it" + (f": {reason}" if reason else "")
    text = f"{action} ({opening.payload['text']})"
    payload = {**opening.payload, "text": text, "acknowledged_by": by, "acknowledged_reason": reason}
    payload["title"] = f"{opening.payload['trial']}: acknowledged: {wording.place(opening.payload)}"
    return _follow_up(State.UPDATED, opening.of, payload)


def escalated(opening: Alert, after: str) -> Alert:
    """Return the alert that no person has acknowledged an incident for `after`."""
    payload = {**opening.payload, "text": f"not acknowledged for {after}: {opening.payload['text']}"}
    payload["title"] = f"{opening.payload['title']} (not acknowledged for {after})"
    return _follow_up(State.ESCALATED, opening.of, payload)


def _follow_up(state: State, opening: str, payload: dict[str, Any]) -> Alert:
    return Alert(follow_up_id(state, opening), payload | {"state": state}, state)


def completed(
    alert: Alert, examples: Sequence[Mapping[str, Any]], typical: Mapping[str, float], problem: str = ""
) -> Alert:
    """Return an alert with examples, the typical change of each field, and the body that people read."""
    payload = dict(alert.payload)
    if typical:
        payload["text"] = f"{payload['text']}; {wording.typical(typical)}"
    payload |= {"examples": list(examples), "typical": dict(typical)}
    payload["body"] = wording.body(payload, problem)
    return alert._replace(payload=payload)
