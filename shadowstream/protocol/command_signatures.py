"""Signatures of people's commands: an HMAC of a key that the runner does not have.

The signature covers the trial and every field, so a command of another trial, or a changed one, is refused. So is an
older command on the same subject that comes again: a copy needs no key.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

FIELDS = ("command", "subject", "by", "reason", "at_ms", "decision", "until_ms")
UNSIGNED = "it has no signature"
FORGED = "its signature is not of judge.commands_key"
UNKNOWN_KEY = "this process lacks judge.commands_key, so it cannot check it"
REPEATED = "a later command on the same subject came before it"
NO_FIELDS: dict[str, Any] = {"reason": "", "decision": "", "until_ms": None}


def signature_of(record: Mapping[str, Any], trial: str, key: str) -> str:
    """Return the signature of a command of a trial, 64 hex digits (HMAC-SHA256)."""
    covered = [trial, *({**NO_FIELDS, **record}[name] for name in FIELDS)]
    if record.get("share") is not None:  # commands of earlier releases have none
        covered.append(record["share"])
    if record.get("promote_since_ms") is not None:
        covered.append({"promote_since_ms": record["promote_since_ms"]})
    if record.get("group"):
        offsets = [[one["topic"], one["partition"], one["offset"]] for one in record["offsets"]]
        covered.append([record["group"], offsets])
    text = json.dumps(covered, ensure_ascii=True, separators=(",", ":"))
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


class CommandCheck:
    """Check of commands in the order of their topic.

    `key`: None where the trial has none, and all are accepted; empty where this process lacks it, and none is.
    """

    def __init__(self, trial: str, key: str | None) -> None:
        self._trial, self._key = trial, key
        self._newest: dict[tuple[str, str], int] = {}

    def refusal(self, record: Mapping[str, Any]) -> str | None:
        """Return the reason why a command does not count; None if it counts."""
        if self._key is None:
            return None
        if not self._key:
            return UNKNOWN_KEY
        given = record.get("signature", "")
        if not given:
            return UNSIGNED
        if not hmac.compare_digest(given.encode(), signature_of(record, self._trial, self._key).encode()):
            return FORGED
        about = (record["command"], record["subject"])
        if record["at_ms"] <= self._newest.get(about, -1):
            return REPEATED
        self._newest[about] = record["at_ms"]
        return None
