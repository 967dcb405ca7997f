"""Approval of a promote by a person, where the config asks for it (`judge.approval: manual`).

A promote by evidence begins with the first evaluation that says promote, and ends with the first that does not. The
command `approve` names that begin, so it stands for this promote only: a reject, or an evaluation that says not yet,
ends it, and a later promote waits again. An approval is no evidence. It turns neither a reject nor a not yet into a
promote; `override` does that.
"""

from collections.abc import Mapping
from typing import Any

from shadowstream.config import Config
from shadowstream.judge.utc_text import utc_text

WAITS = "waits for approval: "
"""Beginning of the reason of a promote that nobody has approved."""
Approval = Mapping[str, Any]


class PromoteApproval:
    """Approval of one revision, followed by the judge. `command`: the last command `approve`, or none."""

    def __init__(self, config: Config) -> None:
        self._is_manual = config.judge.approval == "manual"
        self._since_ms: int | None = None
        self.command: dict[str, Any] | None = None

    def noted(self, verdict: dict[str, Any]) -> dict[str, Any]:
        """Return the newest verdict with its approval, None where the config asks for none."""
        if verdict["decision"] != "promote":
            self._since_ms = None
        elif self._since_ms is None:
            self._since_ms = verdict["evaluated_at_ms"]
        return verdict | {"approval": approval_of(self._since_ms, self.command) if self._is_manual else None}

    def snapshot(self) -> list[Any]:
        """Return the state as JSON."""
        return [self._since_ms, self.command]

    def restore(self, snapshot: list[Any]) -> None:
        """Restore the state from a snapshot."""
        self._since_ms, self.command = snapshot


def approval_of(since_ms: int | None, command: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the approval (schemas/verdict.avsc) of the promote that began at `since_ms`, by the last command.

    >>> command = {"by": "ana", "reason": "fine", "at_ms": 9, "promote_since_ms": 5}
    >>> approval_of(5, command)["approved"], approval_of(7, command)["approved"], approval_of(None, command)["approved"]
    (True, False, False)
    """
    given = command or {"by": None, "reason": None, "at_ms": None}
    return {
        "promote_since_ms": since_ms,
        "approved": command is not None and since_ms is not None and command.get("promote_since_ms") == since_ms,
        **{name: given[name] for name in ("by", "reason", "at_ms")},
    }


def waiting(approval: Approval, path: str) -> list[str]:
    """Return why a promote waits, as reasons with the command for the config at `path`."""
    return [
        f"{WAITS}the evidence says promote since {utc_text(approval['promote_since_ms'])}; approve it by `shadowstream "
        f"approve {path} --by NAME --reason TEXT`",
        *([_lapsed(approval)] if approval["by"] is not None else []),
    ]


def approval_notes(verdict: Mapping[str, Any]) -> list[str]:
    """Return who approved a verdict, or that a promote will need an approval, as notes; none while one waits."""
    approval: Approval | None = verdict.get("approval")
    if approval is None:
        return []
    if approval["approved"]:
        return [f"approved by {approval['by']} at {utc_text(approval['at_ms'])}: {approval['reason']}"]
    if approval["promote_since_ms"] is not None:
        return []
    if approval["by"] is not None:
        return [_lapsed(approval)]
    return ["a promote will wait for approval (judge.approval: manual)"]


def _lapsed(approval: Approval) -> str:
    return (
        f"the approval by {approval['by']} at {utc_text(approval['at_ms'])} ({approval['reason']}) was for an earlier "
        "promote: the evidence has said otherwise since, or the judge began anew; a promote needs a new approval"
    )
