"""A finding of the doctor: the obstacle or risk, its evidence, and the command that removes it."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """The consequence of a finding: `REFUSE`, no role starts; `WARN`, the trial may fail or say less; `NOTE`, none."""

    REFUSE = "refuse"
    WARN = "warn"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """`check`: the name of the check. `fix`: the command or change that removes the finding; empty if there is none."""

    check: str
    severity: Severity
    text: str
    evidence: str = ""
    fix: str = ""

    def plain(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        parts = (self.text, self.evidence and f"({self.evidence})", self.fix and f"fix: {self.fix}")
        return "; ".join(part for part in (" ".join(filter(None, parts[:2])), parts[2]) if part)
