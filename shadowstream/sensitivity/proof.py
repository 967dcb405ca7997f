"""Proof of one config's sensitivity: each plant in copies of real pairs, seen or not, found or not, and how soon."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from shadowstream.compare.comparer import Comparing
from shadowstream.config import Config
from shadowstream.judge.verdict.guard_criteria import declared
from shadowstream.records import Side
from shadowstream.sensitivity.agreeing_pairs import AgreeingPairs
from shadowstream.sensitivity.planted_joiner import planted_config
from shadowstream.sensitivity.planted_runs import Ending, PlantedRuns, Run, differing
from shadowstream.sensitivity.planting import Planted
from shadowstream.sensitivity.plants import FIELDS_MAX, OF_RECORDS, Kind, Plant, paths_of, plants_of
from shadowstream.sensitivity.rewriting import Rewriter

SEEN_PAIRS = 500
"""Pairs of which each gets the plant, to see whether the rules of comparison show it."""
EXAMPLES = 200
"""Pairs whose values show which fields there are."""
LIMITS = (2, 5, 20)
"""The shares in which differences are planted, in multiples of the smallest limit, unless others are given."""


class Asked(NamedTuple):
    """What is planted. `shares`: of the records; empty for multiples of the smallest limit. `fields`: empty for all.

    `sizes`: shares of a number's spread. `runs` of each plant and share, of at most `records_max` records each.
    """

    shares: Sequence[float] = ()
    sizes: Sequence[float] = (0.01, 1.0)
    fields: Sequence[str] = ()
    runs: int = 20
    records_max: int = 20_000


class Spread(NamedTuple):
    """The median of runs, and the values that 5 % and 95 % of them do not exceed."""

    low: float
    median: float
    high: float


@dataclass(frozen=True, slots=True)
class Found:
    """Runs with a plant in `share` of the records that it can be in; `affected`: the share of all records.

    `records` and `span_ms` are those until the reject, of the runs that ended so. `why`: the first obstacle of a run
    that was held back.
    """

    share: float
    affected: float
    endings: Mapping[str, int]
    records: Spread | None
    span_ms: Spread | None
    why: str = ""

    @property
    def runs(self) -> int:
        return sum(self.endings.values())


@dataclass(frozen=True, slots=True)
class Finding:
    """One plant in the pairs of one topic. `planted`: copies that got it, of the pairs that were tried.

    `seen`: the share of these that does not agree. `outcomes`: those of all tried copies.
    """

    topic: str
    plant: Plant
    planted: int
    seen: float
    outcomes: Mapping[str, int]
    found: Sequence[Found] = field(default=())


def spread_of(values: Sequence[float]) -> Spread | None:
    """Return the spread of some runs; None without any.

    >>> spread_of([1, 5, 3])
    Spread(low=1, median=3, high=5)
    """
    if not values:
        return None
    ordered, last = sorted(values), len(values) - 1
    middle = (ordered[last // 2] + ordered[(last + 1) // 2]) / 2
    return Spread(ordered[round(0.05 * last)], middle if last % 2 else ordered[last // 2], ordered[round(0.95 * last)])


def shares_of(config: Config) -> list[float]:
    """Return the shares of differences to plant: multiples of the smallest limit on whole records."""
    limits = [one.limit for one in declared(config).judge.criteria if not (one.muted or one.where or one.path)]
    least = min((limit for limit in limits if limit), default=0.01)
    return sorted({min(1.0, multiple * least) for multiple in LIMITS})


class Proof:
    """The plants of one topic's pairs. `findings` computes them; `left_out` names fields beyond the limit."""

    def __init__(self, config: Config, revision: str, pairs: AgreeingPairs, compare: Comparing, asked: Asked) -> None:
        self._pairs, self._asked = pairs, asked
        self._shares = list(asked.shares) or shares_of(config)
        self._config = planted_config(config)
        compare = compare.of(pairs.topic)
        self._rewriter = Rewriter(compare.decoder(Side.SHADOW))
        self._runs = PlantedRuns(self._config, revision, compare, pairs, asked.records_max)
        shadow = pairs.copies.shadow
        self._examples = [one for one in compare.decode(Side.SHADOW, shadow.values[:EXAMPLES]) if isinstance(one, dict)]
        paths = paths_of(self._examples)
        self._paths = [path for path in paths if path in asked.fields] if asked.fields else paths[:FIELDS_MAX]
        self.left_out = [] if asked.fields else paths[FIELDS_MAX:]
        self.unknown = [path for path in asked.fields if path not in paths]
        # Where no criterion looks at a field, plants that every copy shows as a mismatch end their runs alike.
        self._by_field = any(one.path for one in config.judge.criteria)
        self._alike: dict[tuple[Plant, float], Found] = {}

    def findings(self, progress: Callable[[Plant], None] = lambda _: None) -> Iterator[Finding]:
        """Yield the findings, those of slices last. Raises `RegistryError` while a schema is unavailable."""
        visible: Plant | None = None
        for plant in plants_of(self._examples, self._paths, self._asked.sizes):
            progress(plant)
            finding = self._finding(plant, self._shares)
            if visible is None and plant.kind not in OF_RECORDS and finding.seen == 1:
                visible = plant
            yield finding
        if visible is None:
            return
        for dimension, values in self._pairs.slices.items():
            counted = Counter(values)
            largest = max(counted, key=counted.__getitem__)
            plant = replace(visible, slice=(dimension, largest))
            progress(plant)
            yield self._finding(plant, [1.0])

    def _finding(self, plant: Plant, shares: Sequence[float]) -> Finding:
        planted = Planted(self._pairs, plant, self._rewriter)
        n, outcomes = self._runs.seen(planted, SEEN_PAIRS)
        seen = min(1.0, differing(outcomes) / n) if n else 0.0
        if not seen:
            return Finding(self._pairs.topic, plant, n, seen, outcomes)
        alike = plant.kind not in OF_RECORDS and outcomes == {"mismatch": n} and not self._by_field
        kind = Plant(Kind.CHANGED, slice=plant.slice) if alike else plant
        for share in shares:
            if (kind, share) not in self._alike:
                self._alike[kind, share] = self._found(planted, share)
        return Finding(self._pairs.topic, plant, n, seen, outcomes, [self._alike[kind, share] for share in shares])

    def _found(self, planted: Planted, share: float) -> Found:
        runs = [self._runs.run(planted, seed, share) for seed in range(1, self._asked.runs + 1)]
        rejected = [run for run in runs if run.ending is Ending.REJECTED]
        endings = {ending.value: sum(run.ending is ending for run in runs) for ending in Ending}
        return Found(
            share,
            share * planted.reach,
            endings,
            spread_of([run.records for run in rejected]),
            spread_of([run.span_ms for run in rejected]),
            _why(runs),
        )


def _why(runs: Sequence[Run]) -> str:
    return next((run.why for run in runs if run.ending is Ending.HELD), "")


def as_data(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON."""
    plant = finding.plant
    return {
        "topic": finding.topic,
        "plant": plant.words,
        "kind": plant.kind.value,
        "path": plant.path,
        "size": plant.size,
        "slice": None if plant.slice is None else dict([plant.slice]),
        "planted": finding.planted,
        "seen": finding.seen,
        "outcomes": dict(finding.outcomes),
        "found": [
            {
                "share": one.share,
                "affected": one.affected,
                **one.endings,
                "records": one.records and one.records._asdict(),
                "span_ms": one.span_ms and one.span_ms._asdict(),
                "why": one.why,
            }
            for one in finding.found
        ],
    }
