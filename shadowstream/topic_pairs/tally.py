"""The tally of a comparison: each record read has exactly one place in it."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from shadowstream.compare.result import Difference
from shadowstream.protocol.outcomes import Outcome
from shadowstream.status.differing_rows import DELTAS_MAX, PATHS_MAX, TypicalDelta, ranked, typical_of
from shadowstream.topic_pairs.pairing import Fate, OrderBreaks
from shadowstream.topic_pairs.stored_record import StoredRecord

EXPLAINED_MAX = 100_000
"""Pairs whose differing fields are looked up one by one; further ones count by their outcome only."""
EQUAL = frozenset({Outcome.MATCH, Outcome.TOLERATED, Outcome.IGNORED, Outcome.EXPECTED})
UNEQUAL_FATES = (Fate.UNMATCHED, Fate.REPEATED)


class Answer(StrEnum):
    """The result of a comparison of two topics."""

    EQUAL = "equal"
    DIFFER = "differ"
    UNKNOWN = "unknown"
    """Nothing was compared, or a part could not be, and what was compared is equal."""


class Example(NamedTuple):
    """A pair or a single record, as it may be shown. `places` are texts: topic/partition@offset."""

    what: str
    key: str | None
    places: tuple[str, ...]
    time_ms: int
    differences: tuple[Difference, ...]
    reason: str | None


@dataclass(slots=True)
class SideCounts:
    """The records of one topic. `read` is the sum of all others: paired, single, waiting, without_id and outside."""

    read: int = 0
    paired: int = 0
    without_id: int = 0
    outside: int = 0
    """Records before or after the range, within the margin: they may be partners, and count for nothing else."""
    waiting: int = 0
    """Records whose partner may still come, while both topics are followed."""
    undecodable_ids: int = 0
    """Those of `without_id` whose value holds the id and cannot be decoded."""
    single: Counter[Fate] = field(default_factory=Counter)

    @property
    def unequal(self) -> int:
        """The records that lack a partner in the other topic."""
        return sum(self.single[fate] for fate in UNEQUAL_FATES)

    @property
    def remainder(self) -> int:
        """The records that have no place, or have two; 0 unless this program is wrong."""
        return self.read - self.paired - self.without_id - self.outside - self.waiting - self.single.total()


class Tally:
    """Counts, differing fields and examples of one comparison.

    `examples_max` bounds the examples of each field or fate. Fields beyond `PATHS_MAX` are not counted by name.
    """

    def __init__(self, examples_max: int) -> None:
        self._examples_max = examples_max
        self.sides = (SideCounts(), SideCounts())
        self.outcomes: Counter[Outcome] = Counter()
        self.paths: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.order: OrderBreaks | None = None
        self.explained = 0
        self.hidden = 0
        """Ids of the range that were not compared, since only their last record counts, and it is after the range."""
        self._deltas: dict[str, deque[float]] = {}
        self._examples: dict[str, list[Example]] = {}

    def pairs(self, outcomes: Iterable[Outcome]) -> None:
        """Count compared pairs."""
        counts = Counter(outcomes)
        self.outcomes.update(counts)
        for side in self.sides:
            side.paired += counts.total()

    def single(self, record: StoredRecord, fate: Fate) -> None:
        self.sides[record.side].single[fate] += 1

    @property
    def explains(self) -> bool:
        """Whether the fields of a further pair are counted."""
        return self.explained < EXPLAINED_MAX

    def explain(self, outcome: Outcome, differences: Sequence[Difference], reason: str | None) -> str | None:
        """Count the fields of a pair that is not equal; return the name under which an example is still wanted."""
        self.explained += 1
        paths = dict.fromkeys(one.path for one in differences)
        for path in paths:
            if path in self.paths or len(self.paths) < PATHS_MAX:
                self.paths[path] += 1
        for one in differences:
            if one.delta is not None and math.isfinite(one.delta) and one.path in self.paths:
                self._deltas.setdefault(one.path, deque(maxlen=DELTAS_MAX)).append(one.delta)
        if reason:
            self.reasons[f"{outcome}: {reason.partition(':')[0]}"] += 1
        return next((name for name in paths or [str(outcome)] if self.wants(name)), None)

    def wants(self, name: str) -> bool:
        """Whether a further example of a field or a fate is kept."""
        kept = self._examples.get(name)
        return self._examples_max > 0 if kept is None else len(kept) < self._examples_max

    def show(self, name: str, example: Example) -> None:
        if name in self._examples or len(self._examples) < PATHS_MAX:
            self._examples.setdefault(name, []).append(example)

    def examples(self) -> list[Example]:
        """Return the kept examples: those of the commonest fields first, then those of single records."""
        ranked = sorted(self._examples, key=lambda name: (-self.paths[name], name))
        return [example for name in ranked for example in self._examples[name]]

    def typical(self) -> dict[str, TypicalDelta]:
        """Return the typical delta of each field that has numbers: second topic minus first."""
        return {path: typical_of(deltas) for path, deltas in self._deltas.items()}

    @property
    def unequal(self) -> int:
        """Pairs that differ, and records without a partner."""
        single = sum(side.unequal for side in self.sides)
        return self.outcomes[Outcome.MISMATCH] + single + (self.order.broken if self.order else 0)

    @property
    def not_compared(self) -> int:
        """Pairs and ids that could not be compared, and records without an id or that still wait."""
        pairs = sum(n for outcome, n in self.outcomes.items() if outcome not in EQUAL and outcome != Outcome.MISMATCH)
        return pairs + self.hidden + sum(side.without_id + side.waiting for side in self.sides)

    @property
    def answer(self) -> Answer:
        if self.unequal:
            return Answer.DIFFER
        return Answer.UNKNOWN if self.not_compared or not self.outcomes.total() else Answer.EQUAL

    def record(self) -> dict[str, Any]:
        """The tally as JSON."""
        return {
            "answer": self.answer,
            "pairs": ranked(self.outcomes),
            "topics": [
                {
                    "read": side.read,
                    "paired": side.paired,
                    "single": ranked(side.single),
                    "without_id": side.without_id,
                    "outside": side.outside,
                    "waiting": side.waiting,
                    "remainder": side.remainder,
                }
                for side in self.sides
            ],
            "fields": ranked(self.paths),
            "deltas": {path: one._asdict() for path, one in self.typical().items()},
            "reasons": ranked(self.reasons),
            "explained": self.explained,
            "hidden": self.hidden,
            "order": None if self.order is None else self.order._asdict(),
            "examples": [
                {**one._asdict(), "differences": [difference.record() for difference in one.differences]}
                for one in self.examples()
            ],
        }
