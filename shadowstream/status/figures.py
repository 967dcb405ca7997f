"""Figures of a running trial at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shadowstream.judge.verdict.outlook import Outlook


@dataclass(frozen=True, slots=True)
class Side:
    """The inputs or one side: records read, their rate, records not read yet, first offset by partition."""

    name: str
    records: int
    per_s: float | None
    lag: int | None
    begins: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """A window that has not closed: compared pairs, those that differ, and all outcomes."""

    start_ms: int
    end_ms: int
    pairs: int
    differ: int
    outcomes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Role:
    """A role: when it last wrote a record, and whether it is healthy; None for a role whose topics do not show it."""

    name: str
    last_ms: int | None
    healthy: bool | None
    shown_by: str


@dataclass(frozen=True, slots=True)
class Status:
    """Status of one revision of a trial.

    `began`: the sentence on its start, None before it began. `windows`: the open ones. `passed_ms`: the event time that
    every task has passed. `holding`: the task that holds the next window open. `so_far`: outcomes, reasons and fields.
    `problem`: why the figures are old, if the last look failed. `expiring`: needed records that retention deletes soon.
    `steered`: the pause and the share that people's commands have set.
    """

    name: str
    revision: str
    candidate: str
    now_ms: int
    decision: str
    final: bool
    answer: Sequence[str]
    began: str | None
    sides: Sequence[Side] = ()
    windows: Sequence[OpenWindow] = ()
    windows_closed: int = 0
    passed_ms: int | None = None
    holding: str = ""
    so_far: Mapping[str, Mapping[str, int]] | None = None
    criteria: Sequence[Outlook] = ()
    incidents: Sequence[str] = ()
    roles: Sequence[Role] = ()
    problem: str | None = None
    expiring: Sequence[str] = ()
    steered: Sequence[str] = ()
