"""Result of comparing a pair: an outcome, and the differing paths that cause it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from shadowstream.compare.column_differences import ColumnDifferences
from shadowstream.compare.dimension_codes import Coded
from shadowstream.protocol.outcomes import Outcome, undecodable
from shadowstream.records import Side

OUTCOMES = (Outcome.MATCH, Outcome.IGNORED, Outcome.TOLERATED, Outcome.UNCOMPARED, Outcome.MISMATCH)
"""By precedence: a pair's outcome is the last of these among its paths."""
MATCH, IGNORED, TOLERATED, UNCOMPARED, MISMATCH = range(5)
"""Indexes in `OUTCOMES`: the levels that both executions of the rules compute."""

DIFFERENCES_MAX = 32
TEXT_CHARS_MAX = 256
NOWHERE: frozenset[str] = frozenset()


class PlainText(str):
    """JSON of a value without texts, bytes and names: numbers, booleans, null, times, and lists of them."""

    __slots__ = ()


class Difference(NamedTuple):
    """One differing path of one pair, as in schemas/diff.avsc.

    `kind`: value, type, null, missing, extra, length, order or tombstone. Missing and extra are fields of the
    candidate's value, or elements of a list that is compared in any order. `production` and `shadow` are JSON of at
    most 256 characters; None if absent. A cut text ends in an ellipsis, followed by a hash if both begin alike.
    `delta` is shadow minus production for numbers, and for kind length the difference of the lengths; None if not
    finite.
    """

    path: str
    kind: str
    production: str | None
    shadow: str | None
    delta: float | None = None

    def record(self) -> dict[str, Any]:
        """The record of schemas/diff.avsc."""
        return self._asdict()


class PairResult:
    """Result of comparing a pair. Equal results have equal outcomes, differences and reasons.

    `differences` are the causes of the outcome, at most 32: of a mismatch only the real ones, of a tolerated pair
    the tolerated, of an ignored one the ignored, of an uncompared one those that a function did not answer for. They
    are computed on first access.
    """

    __slots__ = ("_differences", "_explain", "_reason", "_touched", "declared", "outcome")

    def __init__(
        self,
        outcome: Outcome,
        differences: Sequence[Difference] = (),
        explain: Callable[[], PairResult] | None = None,
        reason: str | None = None,
        touched: frozenset[str] = NOWHERE,
        declared: tuple[str, ...] = (),
    ) -> None:
        self.outcome = outcome
        self._touched = touched
        self._differences = tuple(differences)
        self._reason = ", ".join(declared) if declared else reason
        self.declared = declared
        """Names of the declared changes that explain the pair, each of which has a bound of its own."""
        self._explain = explain

    def _explained(self) -> None:
        if self._explain is not None:
            whole, self._explain = self._explain(), None
            self._differences, self._reason = whole.differences, whole.reason
            self._touched = whole.touched

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Differing paths, in production's field order, then those that only the shadow has."""
        self._explained()
        return self._differences

    @property
    def reason(self) -> str | None:
        """The reason, in addition to outcome and differences: a failed function of the config, or a declared change."""
        self._explained()
        return self._reason

    @property
    def touched(self) -> frozenset[str]:
        """The watched paths (`RuleSet.watch`) at, above or below which a mismatch differs. All differences count, not
        only the first 32."""
        self._explained()
        return self._touched

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PairResult):
            return NotImplemented
        return (self.outcome, self.differences, self.reason) == (other.outcome, other.differences, other.reason)

    def __hash__(self) -> int:
        return hash((self.outcome, self.differences))

    def __repr__(self) -> str:
        return f"PairResult({self.outcome!r}, {list(self.differences)!r})"


PLAIN_MATCH = PairResult(Outcome.MATCH)
"""The result of every plain match: a single shared object."""


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A pair with an undecodable value, which cannot be compared. If neither value is decodable, production's is named.

    The candidate is not blamed for a record that production fails on too: only `undecodable_shadow` counts as an
    error.
    """

    side: Side
    why: str
    """`RecordError.reason`: framing, schema, decode or bounds."""
    message: str
    differences: ClassVar[tuple[Difference, ...]] = ()
    declared: ClassVar[tuple[str, ...]] = ()

    @property
    def outcome(self) -> Outcome:
        return undecodable(self.side)

    @property
    def reason(self) -> str:
        return f"{self.why}: {self.message}"[:500]


NAMES = (*OUTCOMES, Outcome.EXPECTED, undecodable(Side.PRODUCTION), undecodable(Side.SHADOW), Outcome.UNSTABLE)
"""Outcomes of a comparison by their codes in `Results.places`: the levels first."""
_NAMES = np.array(NAMES, object)


def _explained(explain: Callable[[Sequence[int]], Sequence[PairResult]], index: int) -> PairResult:
    return explain([index])[0]


class Results(Sequence["PairResult | Undecodable"]):
    """One result a pair. Most are never accessed, so each result is created on first access.

    `places` holds each pair's outcome as an index in `NAMES`. `known` holds finished results. `explain` computes the
    complete results of pairs that are not in `known`. `columns` holds the differences of most mismatches. `changes`
    holds, by index, the kinds of change between the writer schemas of a pair, to be counted by the caller.
    """

    __slots__ = ("_explain", "changes", "columns", "known", "places")

    def __init__(
        self,
        places: npt.NDArray[np.uint8],
        known: dict[int, PairResult | Undecodable],
        explain: Callable[[Sequence[int]], Sequence[PairResult]],
        columns: ColumnDifferences,
    ) -> None:
        self.places, self.known, self._explain, self.columns = places, known, explain, columns
        self.changes: dict[int, tuple[str, ...]] = {}

    def changed(self) -> Counter[str]:
        """The number of pairs compared across each kind of schema change."""
        counts: Counter[str] = Counter()
        for kinds, n in Counter(self.changes.values()).items():
            counts.update(dict.fromkeys(kinds, n))
        return counts

    @property
    def outcomes(self) -> list[Outcome]:
        return _NAMES[self.places].tolist()  # type: ignore[no-any-return]  # an array of objects

    def coded(self) -> Coded:
        """Return the outcomes as a column."""
        return Coded(self.places.astype(np.int64), NAMES).by_appearance()

    def in_columns(self) -> npt.NDArray[np.bool_]:
        """Return the mask of the mismatches whose differences are in `columns`: no pair with a result of its own."""
        mask = self.columns.mask.copy()
        mask[list(self.known)] = False
        return mask

    def put(self, index: int, result: PairResult) -> None:
        """Replace the result of a pair."""
        self.places[index], self.known[index] = NAMES.index(result.outcome), result

    def where(self, indexes: Sequence[int]) -> Results:
        """Return the results of some pairs, in order; later changes here do not change them."""
        at = list(indexes)
        known = {place: self.known[index] for place, index in enumerate(at) if index in self.known}
        columns = self.columns.where(np.array(at, np.int64))
        part = Results(self.places[at], known, lambda places: self._explain([at[place] for place in places]), columns)
        part.changes = {place: self.changes[index] for place, index in enumerate(at) if index in self.changes}
        return part

    def explain(self, indexes: Sequence[int]) -> None:
        """Complete the results of some pairs at once, which costs less than one after the other."""
        new = [index for index in indexes if self.places[index] != MATCH and index not in self.known]
        if new:
            self.known.update(zip(new, self._explain(new), strict=True))

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        level = int(self.places[index])
        if level == MATCH:
            return PLAIN_MATCH
        result = self.known.get(index)
        if result is None:
            explain = partial(_explained, self._explain, index)
            result = self.known[index] = PairResult(OUTCOMES[level], explain=explain)
        return result

    def __eq__(self, other: object) -> bool:
        return list(self) == other if isinstance(other, list) else self is other

    __hash__ = None  # type: ignore[assignment]  # as of a list
