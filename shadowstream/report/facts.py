"""What a report is made of: the last verdict, how it came about, what drifted, and examples of what differs."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from shadowstream.judge.verdict.explain import Explanation

POINTS_MAX = 400
PATHS_MAX = 1_000
"""Paths with examples: those with the smallest hashes."""
BAD = ("mismatch", "cardinality", "missing", "extra", "candidate_error", "timeout", "crashed", "undecodable_shadow")
"""Outcomes that a report shows examples of."""
Record = Mapping[str, Any]


class Point(NamedTuple):
    """One evaluation: `time_ms` is the event time up to which it had seen everything; by criterion the counts, the
    estimate with its limits, and ln E against "the rate reaches the limit"."""

    time_ms: int
    decision: str
    criteria: dict[str, Record]


@dataclass(frozen=True)
class Facts:
    """Everything that a report shows. `verdict` is None where there is none for the revision; the rest is empty then.
    `override`: what a person has decided instead (schemas/command.avsc).

    `decision` is the gate's, in `explanation` too. `drift`: events of the revision. `examples`: rows of diff.
    """

    name: str
    revision: str
    explanation: Explanation
    verdict: Record | None = None
    history: Sequence[Point] = ()
    drift: Sequence[Record] = ()
    examples: Sequence[Record] = ()
    examples_left: int = 0
    command: str = "CONFIG"
    override: Record | None = None

    @property
    def decision(self) -> str:
        """In words."""
        return self.explanation.decision.replace("_", " ")

    @property
    def reasons(self) -> list[str]:
        """Why: those of the verdict where the gate stands behind it, the gate's otherwise."""
        if self.verdict and not self.override and self.verdict["decision"] == self.explanation.decision:
            return list(self.verdict["reasons"])
        return list(self.explanation.blockers)

    @property
    def todo(self) -> list[str]:
        """What to do, with the command's own config."""
        return [sentence.replace("CONFIG", self.command) for sentence in self.explanation.todo]


class History:
    """The evaluations of one revision, at most `POINTS_MAX` of them, evenly thinned; the last is always there."""

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
        """In order of evaluation."""
        last_is_kept = self._last is None or (self._points and self._points[-1] is self._last)
        return list(self._points) if last_is_kept or self._last is None else [*self._points, self._last]


class Examples:
    """Rows of diff whose last word is bad: of each path those with the smallest hashes of their pair ids, `each` of
    them, so that a replay shows the same in whatever order it reads. A row without a path stands under its outcome.

    `rows` are at most `most` of them, the first of each path before the second of any.
    """

    def __init__(self, revision: str, rows_max: int, per_path: int) -> None:
        self._revision, self._most, self._each = revision, rows_max, per_path
        self._kept: dict[str, Record] = {}
        self._by_path: dict[str, list[_Ranked]] = {}
        self._paths: list[_Ranked] = []
        self._bad = 0

    def take(self, row: Record) -> None:
        """Take a row of diff; the last of a pair id wins."""
        id_ = row["pair_id"]
        if (before := self._kept.pop(id_, None)) is not None:
            self._bad -= 1
            for ranked in self._lists(before):
                if _ranked(id_) in ranked:
                    ranked.remove(_ranked(id_))
        if row["revision"] != self._revision or row["outcome"] not in BAD:
            return
        self._bad += 1
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
        for released in gone:
            self._let_go(released)

    def _lists(self, row: Record) -> list[list[_Ranked]]:
        return [self._by_path[path] for path in _paths(row) if path in self._by_path]

    def _let_go(self, evicted: _Ranked) -> None:
        """Keep the row only while it is an example of some path."""
        row = self._kept.get(evicted[1])
        if row is not None and not any(evicted in ranked for ranked in self._lists(row)):
            del self._kept[evicted[1]]

    @property
    def rows(self) -> list[Record]:
        """The newest event time first."""
        wanted: dict[str, None] = {}
        for turn in range(self._each):
            for _, ranked in sorted(self._by_path.items()):
                if turn < len(ranked):
                    wanted.setdefault(ranked[turn][1])
        chosen = [self._kept[id_] for id_ in list(wanted)[: self._most]]
        return sorted(chosen, key=lambda row: (-row["time_ms"], row["pair_id"]))

    @property
    def left(self) -> int:
        """Bad rows beyond those of `rows`."""
        return self._bad - len(self.rows)


_Ranked = tuple[bytes, str]
"""Hash of a pair id, and the id."""


def _ranked(id_: str) -> _Ranked:
    return blake2b(id_.encode(), digest_size=8).digest(), id_


def _paths(row: Record) -> list[str]:
    return list(dict.fromkeys(difference["path"] for difference in row["differences"])) or [f"({row['outcome']})"]


class Interval(NamedTuple):
    """Units that came between two evaluations."""

    time_ms: int
    n: int
    s: int


def intervals(history: Iterable[Point], criterion: str, units_min: int) -> list[Interval]:
    """What came from evaluation to evaluation, merged until each holds `least` units.

    Where corrections have taken more back than came, the interval waits for the next.
    """
    stretches: list[Interval] = []
    n = s = 0
    for point in history:
        record = point.criteria.get(criterion)
        if record is None or record["n"] - n < units_min or record["s"] < s:
            continue
        stretches.append(Interval(point.time_ms, record["n"] - n, record["s"] - s))
        n, s = record["n"], record["s"]
    return stretches
