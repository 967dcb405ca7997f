"""Facts of a report: the last verdict, its history, drift events, and examples of differences."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

from shadowstream.config import Config
from shadowstream.judge.verdict.explain import Explanation
from shadowstream.protocol.outcomes import BAD
from shadowstream.status.differing_rows import Tally, TypicalDelta, paths_of
from shadowstream.status.pair_values import FieldOfInput
from shadowstream.status.words import time_text

POINTS_MAX = 400
PATHS_MAX = 1_000
"""Paths with examples: those with the smallest hashes."""
Record = Mapping[str, Any]


class Point(NamedTuple):
    """One evaluation. `time_ms`: event time up to which it had read everything. `criteria`: by criterion the counts,
    the estimate with its limits, and ln E against "the rate reaches the limit"."""

    time_ms: int
    decision: str
    criteria: dict[str, Record]


class ExampleInput(NamedTuple):
    """The input of an example. `where`: its place, or why it could not be read. `left_out`: fields not shown."""

    where: str
    fields: Sequence[FieldOfInput] = ()
    left_out: int = 0


@dataclass(frozen=True)
class Facts:
    """All data of a report, of one moment: what came after the verdict is left out.

    `verdict`: None without one for the revision; the rest is empty then. `decision`: that of the gate, as in
    `explanation`. `override`: decision of an operator instead (schemas/command.avsc). `drift`: events of the revision.
    `examples`: rows of diff.
    """

    name: str
    revision: str
    explanation: Explanation
    about: Mapping[str, str] = field(default_factory=dict)
    """Who, what and when, by title (`about`)."""
    verdict: Record | None = None
    history: Sequence[Point] = ()
    drift: Sequence[Record] = ()
    examples: Sequence[Record] = ()
    examples_left: int = 0
    inputs: Mapping[str, ExampleInput] = field(default_factory=dict)
    """Inputs of examples by pair id."""
    typical: Mapping[str, TypicalDelta] = field(default_factory=dict)
    """Typical delta of each field that has numbers."""
    command: str = "CONFIG"
    override: Record | None = None
    signed: Record | None = None
    """The verdict as it was written, in base64, and its signature."""

    @property
    def decision(self) -> str:
        return self.explanation.decision.replace("_", " ")

    @property
    def reasons(self) -> list[str]:
        """Reasons of the verdict if the gate follows it, those of the gate otherwise."""
        if self.verdict and not self.override and self.verdict["decision"] == self.explanation.decision:
            return list(self.verdict["reasons"])
        return list(self.explanation.blockers)

    @property
    def todo(self) -> list[str]:
        """Next steps, with the config path of the command."""
        return [sentence.replace("CONFIG", self.command) for sentence in self.explanation.todo]


def about(config: Config, verdict: Record | None, config_file: str, digest: str, made_ms: int) -> dict[str, str]:
    """Return who, what and when of a report. `digest`: SHA-256 of the config as it is on disk."""
    candidate, production = config.candidate, config.production
    version = f", version {candidate.version}" if candidate.version else ""
    group = f", group {production.group}" if production.group else ""
    group += f", its answer at {production.answer}" if production.answer else ""
    found = {
        "trial": config.name,
        "release": "" if verdict is None or not verdict["release"] else verdict["release"],
        "attempt": "" if verdict is None or not verdict["release"] else str(verdict["attempt"]),
        "candidate": f"{candidate.shown}{version}",
        "production": f"{', '.join(production.outputs)}{group}",
        "inputs": ", ".join(config.inputs),
        "config": f"{config_file}, SHA-256 {digest}",
        "evidence until": "" if verdict is None or verdict["to_ms"] is None else f"{time_text(verdict['to_ms'])} UTC",
        "judged": "" if verdict is None else f"{time_text(verdict['evaluated_at_ms'])} UTC",
        "report made": f"{time_text(made_ms)} UTC",
    }
    return {title: text for title, text in found.items() if text}


def until(verdict: Record | None, points: Iterable[Point], drift: Iterable[Record]) -> tuple[list[Point], list[Record]]:
    """Return the evaluations and drift events up to the moment of a verdict, and those of its open incidents."""
    if verdict is None or verdict["to_ms"] is None:
        return [], list(drift)
    end_ms, is_open = verdict["to_ms"], frozenset(verdict["incidents_open"])
    return (
        [point for point in points if point.time_ms <= end_ms],
        [event for event in drift if event["window_end_ms"] <= end_ms or event["incident"] in is_open],
    )


class History:
    """Evaluations of one revision, at most `POINTS_MAX`, evenly thinned; the last one is always kept."""

    def __init__(self, revision: str) -> None:
        self._revision = revision
        self._points: list[Point] = []
        self._every, self._seen = 1, 0
        self._last: Point | None = None

    def take(self, verdict: Record) -> None:
        """Take a record of audit, in the topic's order."""
        if verdict["revision"] != self._revision or verdict["to_ms"] is None:
            return
        criteria = {criterion["rate"]: criterion for criterion in verdict["criteria"]}
        self._last = Point(verdict["to_ms"], verdict["decision"], criteria)
        if self._seen % self._every == 0:
            self._points.append(self._last)
        self._seen += 1
        if len(self._points) > POINTS_MAX:
            self._points, self._every = self._points[::2], self._every * 2

    @property
    def points(self) -> list[Point]:
        last_is_kept = self._last is None or (self._points and self._points[-1] is self._last)
        return list(self._points) if last_is_kept or self._last is None else [*self._points, self._last]


class Examples:
    """Rows of diff whose last outcome is bad: for each path those with the smallest hashes of their pair ids.

    So a replay shows the same rows in any order of reading. A row without a path is kept under its outcome. `per_path`:
    rows kept for each path. `rows` returns at most `rows_max`, the first of each path before the second of any.
    """

    def __init__(self, revision: str, rows_max: int, per_path: int) -> None:
        self._revision, self._maximum, self._each = revision, rows_max, per_path
        self._kept: dict[str, Record] = {}
        self._by_path: dict[str, list[_Ranked]] = {}
        self._paths: list[_Ranked] = []
        self._bad = 0
        self._tally = Tally()

    def take(self, row: Record) -> None:
        """Take a row of diff; the last row of a pair id wins."""
        id_ = row["pair_id"]
        if (before := self._kept.pop(id_, None)) is not None:
            self._bad -= 1
            for ranked in self._lists(before):
                if _ranked(id_) in ranked:
                    ranked.remove(_ranked(id_))
        if row["revision"] != self._revision or row["outcome"] not in BAD:
            return
        self._bad += 1
        self._tally.add(row)
        newcomer = _ranked(id_)
        self._kept[id_] = row
        gone = [newcomer]
        for path in _paths(row):
            if path not in self._by_path:
                self._by_path[path] = []
                insort(self._paths, _ranked(path))
            ranked = self._by_path[path]
            insort(ranked, newcomer)
            if len(ranked) > self._each:
                gone.append(ranked.pop())
            if len(self._paths) > PATHS_MAX:
                gone += self._by_path.pop(self._paths.pop()[1])
        for evicted in gone:
            example = self._kept.get(evicted[1])
            if example is not None and not any(evicted in ranked for ranked in self._lists(example)):
                del self._kept[evicted[1]]

    def _lists(self, row: Record) -> list[list[_Ranked]]:
        return [self._by_path[path] for path in _paths(row) if path in self._by_path]

    @property
    def rows(self) -> list[Record]:
        """Return the rows, the newest event time first."""
        wanted: dict[str, None] = {}
        for turn in range(self._each):
            for _, ranked in sorted(self._by_path.items()):
                if turn < len(ranked):
                    wanted.setdefault(ranked[turn][1])
        chosen = [self._kept[id_] for id_ in list(wanted)[: self._maximum]]
        return sorted(chosen, key=lambda row: (-row["time_ms"], row["pair_id"]))

    @property
    def typical(self) -> Mapping[str, TypicalDelta]:
        """Return the typical delta of each field."""
        return self._tally.summary().deltas

    @property
    def left(self) -> int:
        """Return the number of bad rows beyond those of `rows`."""
        return self._bad - len(self.rows)


_Ranked = tuple[bytes, str]
"""Hash of a pair id, and the id."""


def _ranked(id_: str) -> _Ranked:
    return blake2b(id_.encode(), digest_size=8).digest(), id_


def _paths(row: Record) -> list[str]:
    return list(paths_of(row)) or [f"({row['outcome']})"]


class Interval(NamedTuple):
    """Units between two evaluations."""

    time_ms: int
    n: int
    s: int


def intervals(history: Iterable[Point], criterion: str, units_min: int) -> list[Interval]:
    """Split the history into intervals of at least `units_min` units each. If corrections have taken back more units
    than came, the interval is extended to the next evaluation."""
    stretches: list[Interval] = []
    n = s = 0
    for point in history:
        record = point.criteria.get(criterion)
        if record is None or record["n"] - n < units_min or record["s"] < s:
            continue
        stretches.append(Interval(point.time_ms, record["n"] - n, record["s"] - s))
        n, s = record["n"], record["s"]
    return stretches
