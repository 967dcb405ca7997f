"""Incident of one monitor, and the flags of its detectors."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

Detector = Literal["adwin", "sr"]


class Flag(NamedTuple):
    """Alarm of a detector. `width` and `estimation` are as in schemas/drift.avsc.

    `counted`: units and bad units since `since_ms`, if not those of the recent windows.
    """

    detector: Detector
    direction: str
    before: float
    after: float
    width: int
    estimation: float
    reason: str
    since_ms: int | None = None
    counted: tuple[float, float] | None = None


@dataclass(slots=True)
class Incident:
    """Open incident of one monitor.

    `windows`: windows fed since it opened. `quiet`: consecutive last windows under the exit rate.
    """

    id: str
    opened_ms: int
    detector: Detector
    before: float
    after: float
    reason: str
    windows: int = 0
    quiet: int = 0
    flags: int = 1
    adwin_shown: bool = False
    sr_shown: bool = False
