"""What comparing a pair gives: an outcome, and the paths that made it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shadowstream.protocol.outcomes import Outcome, undecodable
from shadowstream.records import Side

OUTCOMES = (Outcome.MATCH, Outcome.IGNORED, Outcome.TOLERATED, Outcome.UNCOMPARED, Outcome.MISMATCH)
"""By precedence: the outcome of a pair is the last of these that any of its paths has."""
MATCH, IGNORED, TOLERATED, UNCOMPARED, MISMATCH = range(5)
"""Places in `OUTCOMES`: the levels that both executions of the rules compute."""

DIFFERENCES_MAX = 32
TEXT_CHARS_MAX = 256
NOWHERE: frozenset[str] = frozenset()


class Difference(NamedTuple):
    """One path that differs in one pair, as in schemas/diff.avsc.

    `kind`: value, type, null, missing, extra, length, order or tombstone; missing and extra are fields of the
    candidate's value, or elements of a list that is compared in any order. `production` and `shadow` are JSON of at
    most 256 characters, the last an ellipsis where it was cut, with a hash behind it where both begin alike; None
    where there is nothing. `delta` is shadow minus production for numbers, for kind length that of the lengths; None
    where it is not finite.
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
    """How a pair compares. Equal results have equal outcomes, differences and reasons.

    `differences` are those that made the outcome, at most 32: of a mismatch the real ones only, of a tolerated pair
    the tolerated, of an ignored one the ignored, of an uncompared one those that a function did not answer for. They
    are worked out when first asked for.
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
        """Paths, in production's field order, then those that only the shadow has."""
        self._explained()
        return self._differences

    @property
    def reason(self) -> str | None:
        """Why, where outcome and differences do not say: a function of the config that failed, a declared change."""
        self._explained()
        return self._reason

    @property
    def touched(self) -> frozenset[str]:
        """The watched paths (`RuleSet.watch`) at, above or below which a mismatch differs, found among all its
        differences and not only the first 32."""
        self._explained()
        return self._touched

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PairResult):
            return NotImplemented
        ours, theirs = (self.outcome, self.differences, self.reason), (other.outcome, other.differences, other.reason)
        return ours == theirs

    def __hash__(self) -> int:
        return hash((self.outcome, self.differences))

    def __repr__(self) -> str:
        return f"PairResult({self.outcome!r}, {list(self.differences)!r})"


PLAIN_MATCH = PairResult(Outcome.MATCH)
"""Every plain match: one object for all of them."""


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A pair that cannot be compared because a value cannot be decoded. If neither can, production's is named.

    Blaming the candidate for what production cannot do either would be wrong: only the shadow's counts as an error.
    """

    side: Side
    why: str
    """As `RecordError.reason`: framing, schema, decode or bounds."""
    message: str

    @property
    def outcome(self) -> Outcome:
        """undecodable_production or undecodable_shadow."""
        return undecodable(self.side)

    @property
    def reason(self) -> str:
        """Why, in at most 500 characters."""
        return f"{self.why}: {self.message}"[:500]

    @property
    def differences(self) -> tuple[Difference, ...]:
        """None: nothing was compared."""
        return ()

    @property
    def declared(self) -> tuple[str, ...]:
        """None: no declared change explains it."""
        return ()


NAMES = (*OUTCOMES, Outcome.EXPECTED, undecodable(Side.PRODUCTION), undecodable(Side.SHADOW))
"""Outcomes of a comparison by their places in `Results.places`: the levels first."""
_NAMES = np.array(NAMES, object)


class Results(Sequence["PairResult | Undecodable"]):
    """One result a pair. Most are never looked at, so a result is made when it is first asked for.

    `places` says the outcome of each as its place in `NAMES`; `known` holds results that are made already; `explain`
    makes the whole result of the pair at a place that is not among them. `changes` says by place what had changed
    between the writer schemas of a pair: whoever enters the pair counts it.
    """

    __slots__ = ("_explain", "changes", "known", "places")

    def __init__(
        self,
        places: npt.NDArray[np.uint8],
        known: dict[int, PairResult | Undecodable],
        explain: Callable[[int], PairResult],
    ) -> None:
        self.places, self.known, self._explain = places, known, explain
        self.changes: dict[int, tuple[str, ...]] = {}

    def changed(self) -> Counter[str]:
        """How many pairs were compared across each kind of change."""
        counts: Counter[str] = Counter()
        for kinds, n in Counter(self.changes.values()).items():
            counts.update(dict.fromkeys(kinds, n))
        return counts

    @property
    def outcomes(self) -> list[Outcome]:
        """The outcome of each pair."""
        return _NAMES[self.places].tolist()  # type: ignore[no-any-return]  # an array of objects

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        place %= len(self)
        level = int(self.places[place])
        if level == MATCH:
            return PLAIN_MATCH
        found = self.known.get(place)
        if found is None:
            found = self.known[place] = PairResult(OUTCOMES[level], explain=partial(self._explain, place))
        return found

    def __eq__(self, other: object) -> bool:
        return list(self) == other if isinstance(other, list) else self is other

    __hash__ = None  # type: ignore[assignment]  # as of a list
