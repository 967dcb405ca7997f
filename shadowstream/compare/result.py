"""What comparing a pair gives: an outcome, and the paths that made it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from shadowstream.records import Side

Outcome = Literal["match", "ignored", "tolerated", "mismatch", "expected"]
OUTCOMES: tuple[Outcome, ...] = ("match", "ignored", "tolerated", "mismatch")
"""By precedence: the outcome of a pair is the last of these that any of its paths has."""
MATCH, IGNORED, TOLERATED, MISMATCH = range(4)
"""Places in `OUTCOMES`: the levels that both executions of the rules compute."""

DIFFERENCES_MAX = 32
TEXT_CHARS_MAX = 256


class Difference(NamedTuple):
    """One path that differs in one pair, as in schemas/diff.avsc.

    `kind`: value, type, null, missing, extra, length, order or tombstone; missing and extra are fields of the
    candidate's value, or elements of a list that is compared in any order. `production` and `shadow` are JSON of at
    most 256 characters, the last an ellipsis where it was cut; None where there is nothing. `delta` is shadow minus
    production for numbers, for kind length that of the lengths; None where it is not finite.
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
    the tolerated, of an ignored one the ignored. They are worked out when first asked for.
    """

    __slots__ = ("_differences", "_explain", "_reason", "outcome")

    def __init__(
        self,
        outcome: Outcome,
        differences: Sequence[Difference] = (),
        explain: Callable[[], PairResult] | None = None,
        reason: str | None = None,
    ) -> None:
        self.outcome: Outcome = outcome
        self._differences = tuple(differences)
        self._reason = reason
        self._explain = explain

    def _explained(self) -> None:
        if self._explain is not None:
            whole, self._explain = self._explain(), None
            self._differences, self._reason = whole.differences, whole.reason

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

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PairResult):
            return NotImplemented
        ours, theirs = (self.outcome, self.differences, self.reason), (other.outcome, other.differences, other.reason)
        return ours == theirs

    def __hash__(self) -> int:
        return hash((self.outcome, self.differences))

    def __repr__(self) -> str:
        return f"PairResult({self.outcome!r}, {list(self.differences)!r})"


PLAIN_MATCH = PairResult("match")
"""Every plain match: one object for all of them."""


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A pair that cannot be compared because a value cannot be decoded. If neither can, production's is named.

    Blaming the candidate for what production cannot do either would be wrong: only the shadow's counts as an error.
    """

    side: Side
    reason: str
    """As of `RecordError`: framing, schema, decode or bounds."""
    message: str

    @property
    def outcome(self) -> str:
        """undecodable_production or undecodable_shadow."""
        return f"undecodable_{self.side.word}"

    @property
    def differences(self) -> tuple[Difference, ...]:
        """None: nothing was compared."""
        return ()
