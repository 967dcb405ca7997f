"""Selection of the records of drift and verdict that become alerts, and the content of alerts.

Each incident has one alert, at its opening, and each rejected revision has one. An incident of a distribution has a
kind of its own, because it decides nothing. Closings and flags are only logged.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from shadowstream.judge.distributions.words import PSI
from shadowstream.judge.verdict.verdict_notes import notes_of
from shadowstream.protocol.outcomes import Outcome

REVISION_CHARS = 16
KEY_CHARS_MAX = 250
_KEY_CHARS_CUT = 180
_KEY_SAFE = "/:=,+@()[]!$&*;|^'?"
_OUTCOMES = {
    "mismatch": Outcome.MISMATCH,
    "missing": Outcome.MISSING,
    "extra": Outcome.EXTRA,
    "error": Outcome.CANDIDATE_ERROR,
}


class Alert(NamedTuple):
    """An alert. Its `id` is stable: the same incident or reject always has the same id."""

    id: str
    payload: dict[str, Any]

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


def incident_alert_id(revision: str, incident: str) -> str:
    """Return the id of an incident's alert. It names the revision, because two revisions may share an incident's name.

    >>> incident_alert_id("ab" * 32, "mismatch-1372651200000")
    'incident/abababababababab/mismatch-1372651200000'
    """
    return f"incident/{revision[:REVISION_CHARS]}/{incident}"


def alert_of(name: str, kind: str, record: dict[str, Any], notes: Sequence[str] = ()) -> Alert | None:
    """Return the alert for a drift or verdict record of trial `name`; None if it needs none.

    >>> alert_of("fraud", "verdict", {"decision": "not_yet", "revision": "ab", "reasons": []}) is None
    True
    """
    if kind == "drift" and record["event"] == "opened":
        return _incident(name, record, notes)
    if kind == "verdict" and record["decision"] == "reject":
        return _reject(name, record)
    return None


def _incident(name: str, record: dict[str, Any], notes: Sequence[str]) -> Alert:
    # The name of a criterion ends with its slice or field, and the part of the trial that it counts.
    outcome = _OUTCOMES.get(re.split("[:@]", record["criterion"], maxsplit=1)[0])
    of_values = record["detector"] == PSI
    look = "shadowstream diff CONFIG" + (f" --outcome {outcome}" if outcome else "")
    return Alert(
        incident_alert_id(record["revision"], record["incident"]),
        {
            "kind": "distribution" if of_values else "incident",
            "trial": name,
            "incident": record["incident"],
            "criterion": record["criterion"],
            "direction": record["direction"],
            "since_ms": record["window_start_ms"],
            "before": record["before"],
            "after": record["after"],
            "revision": record["revision"],
            "text": record["reason"],
            "notes": list(notes),
            "look": "shadowstream explain CONFIG" if of_values else look,
        },
    )


def _reject(name: str, record: dict[str, Any]) -> Alert:
    fields = ("rate", "limit", "n", "s", "estimate", "lower", "upper", "shown_bad")
    return Alert(
        f"reject/{record['revision']}",
        {
            "kind": "reject",
            "trial": name,
            "revision": record["revision"],
            "text": ". ".join(record["reasons"]),
            "coverage": record.get("coverage"),
            "candidate_isolation": record.get("candidate_isolation"),
            "notes": notes_of(record) if "caveats" in record else [],
            "criteria": [{field: criterion[field] for field in fields} for criterion in record["criteria"]],
            "look": f"shadowstream gate CONFIG --revision {record['revision'][:REVISION_CHARS]} --json",
        },
    )
