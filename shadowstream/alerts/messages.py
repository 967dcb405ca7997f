"""Which records of drift and verdict are alerts, and what an alert says.

One alert an incident (when it opens) and one a rejected revision. Closings and flags are logged, not delivered.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

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
    """`id` is stable: the same incident or reject has the same id, whoever reads it and how often."""

    id: str
    payload: dict[str, Any]

    @property
    def key(self) -> str:
        r"""The id as a webhook gets it: in a header, where no control character may stand and no header has room for a
        slice's whole value. Two ids never have one key.

        >>> Alert("incident/ab/mismatch:tenant=a\r\nb-7", {}).key
        'incident/ab/mismatch:tenant=a%0D%0Ab-7'
        """
        quoted = quote(self.id, safe=_KEY_SAFE)
        if len(quoted) <= KEY_CHARS_MAX:
            return quoted
        return f"{quoted[:_KEY_CHARS_CUT]}~{hashlib.sha256(self.id.encode()).hexdigest()}"

    @property
    def incident(self) -> str | None:
        """The incident that it tells of; None for a reject."""
        named: str | None = self.payload.get("incident")
        return named


def incident_alert_id(revision: str, incident: str) -> str:
    """The id of an incident's alert. An incident is named by rate and window: two revisions may share its name.

    >>> incident_alert_id("ab" * 32, "mismatch-1372651200000")
    'incident/abababababababab/mismatch-1372651200000'
    """
    return f"incident/{revision[:REVISION_CHARS]}/{incident}"


def alert_of(name: str, kind: str, record: dict[str, Any], notes: Sequence[str] = ()) -> Alert | None:
    """The alert that a drift or verdict record of trial `name` calls for, if any.

    >>> alert_of("fraud", "verdict", {"decision": "not_yet", "revision": "ab", "reasons": []}) is None
    True
    """
    if kind == "drift" and record["event"] == "opened":
        return _incident(name, record, notes)
    if kind == "verdict" and record["decision"] == "reject":
        return _reject(name, record)
    return None


def _incident(name: str, record: dict[str, Any], notes: Sequence[str]) -> Alert:
    # A slice or a field of a criterion is named behind it, and so is the part of the trial that it counts.
    outcome = _OUTCOMES.get(re.split("[:@]", record["criterion"], maxsplit=1)[0])
    return Alert(
        incident_alert_id(record["revision"], record["incident"]),
        {
            "kind": "incident",
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
            "look": "shadowstream diff CONFIG" + (f" --outcome {outcome}" if outcome else ""),
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
            "criteria": [{field: one[field] for field in fields} for one in record["criteria"]],
            "look": f"shadowstream gate CONFIG --revision {record['revision'][:REVISION_CHARS]} --json",
        },
    )
