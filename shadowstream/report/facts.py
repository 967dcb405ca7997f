"""What a report is made of: the last verdict, how it came about, what drifted, and examples of what differs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from shadowstream.judge.explain import Explanation

POINTS_MAX = 400
BAD = ("mismatch", "cardinality", "missing", "extra", "candidate_error", "undecodable_shadow")
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
        return [one.replace("CONFIG", self.command) for one in self.explanation.todo]


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
        criteria = {one["rate"]: one for one in verdict["criteria"]}
        self._last = Point(verdict["to_ms"], verdict["decision"], criteria)
        if self._seen % self._every == 0:
            self._points.append(self._last)
        self._seen += 1
        if len(self._points) > POINTS_MAX:
            self._points, self._every = self._points[::2], self._every * 2

    @property
    def points(self) -> list[Point]:
        """In order of evaluation."""
        whole = self._last is None or (self._points and self._points[-1] is self._last)
        return list(self._points) if whole or self._last is None else [*self._points, self._last]


class Examples:
    """The newest rows of diff whose last word is bad, at most `most`; `left` counts the bad ones beyond those."""

    def __init__(self, revision: str, most: int) -> None:
        self._revision, self._most = revision, most
        self._kept: OrderedDict[str, Record] = OrderedDict()
        self.left = 0

    def take(self, row: Record) -> None:
        """Take a row of diff; the last of a pair id wins."""
        self._kept.pop(row["pair_id"], None)
        if row["revision"] != self._revision or row["outcome"] not in BAD:
            return
        self._kept[row["pair_id"]] = row
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
            self.left += 1

    @property
    def rows(self) -> list[Record]:
        """The newest event time first."""
        return sorted(self._kept.values(), key=lambda row: (-row["time_ms"], row["pair_id"]))


class Interval(NamedTuple):
    """Units that came between two evaluations."""

    time_ms: int
    n: int
    s: int


def intervals(history: Iterable[Point], criterion: str, least: int) -> list[Interval]:
    """What came from evaluation to evaluation, merged until each holds `least` units.

    Where corrections have taken more back than came, the interval waits for the next.
    """
    found: list[Interval] = []
    n = s = 0
    for point in history:
        one = point.criteria.get(criterion)
        if one is None or one["n"] - n < least or one["s"] < s:
            continue
        found.append(Interval(point.time_ms, one["n"] - n, one["s"] - s))
        n, s = one["n"], one["s"]
    return found
