"""A trial as its pairs, each with all that is counted of it, and the stats records that may report it.

`task_logs` permutes pairs inside windows, gives them to any task in any commit, and lays the tasks into any partitions
of the stats topic; the joiner's own cells do the counting. Labels and corrections come when they come.
"""

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from shadowstream.compare.dimension_codes import Coded, coded
from shadowstream.config import Config
from shadowstream.joiner.accounting.pair_columns import PairColumns
from shadowstream.joiner.accounting.pair_metrics import PairMetrics
from shadowstream.joiner.accounting.signed_differences import SignedDifferences
from shadowstream.joiner.accounting.slice_counts import SliceCounts
from shadowstream.joiner.accounting.value_distributions import BinnedPairs
from shadowstream.labels.losses import LabelledLosses
from shadowstream.protocol.key_buckets import KeyOutcomes, bucket_of
from shadowstream.protocol.task_names import task_of
from shadowstream.protocol.value_bins import FINE_MAX, NAN, fine_bins
from shadowstream.records import SUB_WINDOWS
from tests.judge.stats_records import HOUR_MS, REVISION, config, stats

Array: TypeAlias = npt.NDArray[Any]
Logs: TypeAlias = list[list[dict[str, Any]]]
"""The stats topic: records by partition."""

LABELLED_WITHIN = 6
CARRIERS = ("AA", "DL", "UA", "WN", "B6")
LABELS = ("label_both_right", "label_production_only", "label_candidate_only", "label_neither", "label_unlabelled")
CRITERIA = [
    {"rate": "missing", "limit": 0.02},
    {"rate": "error", "limit": 0.02},
    {"rate": "field", "path": "score", "limit": 0.02},
    {"rate": "slower", "limit": 0.6, "unit": "block"},
    {"rate": "over", "limit": 0.05},
    {"rate": "latency", "quantile": 0.9, "ratio": 1.5},
    {"rate": "cost", "reference_ms": 2.0, "ratio": 1.5, "limit": 0.05},
    {"rate": "mean", "path": "score", "bound": 1.0, "limit": 0.05},
    {"rate": "check", "check": "null", "path": "score", "limit": 0.02},
    {"rate": "loss", "loss": "cost", "path": "score", "bound": 0.5, "margin": 0.05},
    {"rate": "labels", "limit": 0.5},
    {"rate": "loss", "loss": "brier", "bound": 1.0, "margin": 0.05},
]
LATE = ("labels", "loss:brier")
"""Criteria by labels."""
RIGHT, WRONG = "0.9", "0.2"
ANSWERS = dict(zip(LABELS, [(RIGHT, RIGHT), (RIGHT, WRONG), (WRONG, RIGHT), (WRONG, WRONG)], strict=False))
"""Answers of both sides where the label is true."""


def settings_of(unit: str, values_max: int = 3) -> Config:
    """A judge of everything, its mismatches, missing records and errors by that unit, and labels if it is key."""
    mismatch = {"rate": "mismatch", "limit": 0.02, "unit": unit}
    rates = ("missing", "error", *(("labels", "loss") if unit == "key" else ()))
    by_unit = [
        one | ({"unit": unit} if one["rate"] in rates and ("path" not in one or unit != "key") else {})
        for one in CRITERIA
    ]
    judged = config(criteria=[mismatch, *by_unit], drift={"min_records": 60}, min_duration_ms=0)
    own_settings = judged.model_dump(exclude_unset=True)
    dimensions = [{"name": "carrier", "path": "carrier"}, {"name": "origin", "path": "origin"}]
    distributions = [{"path": "score", "bins": 4}, {"path": "carrier", "categories": 3}]
    compare = {"dimensions": dimensions, "values_max": values_max, "distributions": distributions}
    return Config.model_validate(own_settings | {"compare": own_settings["compare"] | compare})


@dataclass
class Pairs:
    """Columns of what happened, in the order of its hours. `comes`: for a record said missing that comes after all the
    hour in which it does, else -1. `becomes`: what it then is. `labelled`: the hour in which its label is told."""

    settings: Config
    hour: Array
    outcome: Array
    becomes: Array
    comes: Array
    key: Array
    carrier: Array
    origin: Array
    latency: Array
    late_by: Array
    score: Array
    null: Array
    label: Array
    labelled: Array

    @property
    def hours(self) -> int:
        """How many there are."""
        return int(self.hour[-1]) + 1

    def cells(self, chosen: Array, outcomes: Array) -> list[dict[str, Any]]:
        """The windows of a stats record that tells of these pairs as these outcomes."""
        cells = SliceCounts(self.settings)
        times = self.hour[chosen] * HOUR_MS
        measured = PairMetrics(
            (self.latency[chosen], self.latency[chosen] + self.late_by[chosen]),
            {"checked:score": np.ones(len(chosen), np.bool_), "null:score": self.null[chosen]},
            {"score": (self.score[chosen], 0.05, 1.0)},
            signed={"loss:cost:score": SignedDifferences(self.score[chosen] - 0.01, 0.55, 0.5)},
            bins=self._bins(chosen),
        )
        keys = [b"%d" % key for key in self.key[chosen].tolist()]
        dimensions = [coded(self.carrier[chosen].tolist()), coded(self.origin[chosen].tolist())]
        revisions = Coded.of_one(REVISION, len(chosen))
        columns = PairColumns(times, keys, revisions, coded(outcomes.tolist()), dimensions, measured)
        cells.add(columns)
        for time_ms, key, outcome in zip(times.tolist(), keys, outcomes.tolist(), strict=True):
            cells.keyed.add((time_ms, REVISION), outcome, bucket_of(key))
        windows = []
        for hour in sorted(set(self.hour[chosen].tolist())):
            here = self.hour[chosen] == hour
            own_settings = Counter(outcomes[here].tolist())
            bad = chosen[(outcomes == "mismatch") & here]
            fields = {"score": len(bad), "late": int(np.count_nonzero(bad % 2))} if len(bad) else {}
            at = (hour * HOUR_MS, REVISION)
            windows.append(
                {
                    "start_ms": at[0],
                    "revision": REVISION,
                    "outcomes": dict(own_settings) | cells.outcomes(at),
                    "fields": fields,
                    "width_ms": HOUR_MS,
                    "sub_windows": sub_windows(chosen[here], outcomes[here]),
                    **cells.record(at),
                }
            )
        return windows

    def _bins(self, chosen: Array) -> dict[str, BinnedPairs]:
        """The candidate repeats production's carrier, and its score unless the pair is bad."""
        score, carrier = self.score[chosen], coded(self.carrier[chosen].tolist())
        sides = [fine_bins(values) + FINE_MAX for values in (score, score + self.null[chosen])]
        for codes in sides:
            codes[np.isnan(score)] = 2 * FINE_MAX + 1
        names = [*map(str, range(-FINE_MAX, FINE_MAX + 1)), NAN]
        return {
            "score": BinnedPairs(*sides, names),
            "carrier": BinnedPairs(carrier.codes, carrier.codes, carrier.values, is_learnt=True),
        }

    def task_logs(self, draw: random.Random, tasks: int = 1, commits_max: int = 1, partitions: int = 1) -> Logs:
        """The trial in one of its tellings, as the records of each partition of the stats topic."""
        telling = _Telling(self, draw, [f"scores/{task}" for task in range(tasks)])
        for hour in range(self.hours):
            telling.hour(hour, commits_max)
        return telling.logs(partitions)


def sub_windows(pairs: npt.NDArray[np.int64], outcomes: npt.NDArray[Any]) -> list[dict[str, Any]]:
    """The outcomes of an hour by sub-window; a pair's number says when it came."""
    found: dict[int, Counter[str]] = {}
    for pair, outcome in zip(pairs.tolist(), outcomes.tolist(), strict=True):
        found.setdefault(pair % SUB_WINDOWS, Counter())[outcome] += 1
    return [{"number": number, "outcomes": dict(counts)} for number, counts in sorted(found.items())]


class _Telling:
    def __init__(self, pairs: Pairs, draw: random.Random, names: list[str]) -> None:
        self._pairs, self._draw, self._names = pairs, draw, names
        self._records: dict[str, list[dict[str, Any]]] = {name: [] for name in (*names, *map(task_of, names))}

    def _say(self, name: str, *cells: dict[str, Any], **more: Any) -> None:
        self._records[name].append(stats(name, len(self._records[name]) + 1, *cells, **more))

    def hour(self, hour: int, commits_max: int) -> None:
        """All pairs of an hour, and what comes in it after all, dealt to tasks and commits."""
        pairs, draw = self._pairs, self._draw
        hands: dict[tuple[str, int], list[list[int]]] = {
            (name, commit): [[], []] for name in self._names for commit in range(draw.randint(1, commits_max))
        }
        here = np.flatnonzero(pairs.hour == hour).tolist()
        draw.shuffle(here)
        for late, dealt in enumerate((here, np.flatnonzero(pairs.comes == hour).tolist())):
            for pair in dealt:
                hands[draw.choice(list(hands))][late].append(pair)
        for (name, commit), (on_time, late_ones) in hands.items():
            last = (name, commit + 1) not in hands
            windows = [*self._on_time(on_time), *self._corrected(late_ones)]
            self._say(name, *windows, watermark_ms=(hour + 1) * HOUR_MS if last else None)
        self._labelled(hour)

    def _on_time(self, chosen: list[int]) -> list[dict[str, Any]]:
        pairs, at = self._pairs, np.array(chosen, np.int64)
        windows = pairs.cells(at, pairs.outcome[at]) if chosen else []
        for window in windows:
            outcomes = window["outcomes"]
            outcomes["input"] = len(chosen)
            outcomes["input_failed"] = outcomes.get("candidate_error", 0)
            outcomes["cost_measured:3ms"] = len(chosen)
            outcomes["cost_over:3ms"] = int(np.count_nonzero(pairs.latency[at] > 80))
        return windows

    def _corrected(self, chosen: list[int]) -> list[dict[str, Any]]:
        pairs, at = self._pairs, np.array(chosen, np.int64)
        windows = pairs.cells(at, pairs.becomes[at]) if chosen else []
        for window in windows:
            here = pairs.hour * HOUR_MS == window["start_ms"]
            of = np.count_nonzero(here[at])
            window["outcomes"]["missing"] = -int(of)
            back = Counter(bucket_of(b"%d" % pairs.key[pair]) for pair in chosen if here[pair])
            window["outcome_buckets"] = [{"outcome": "missing", "bucket": b, "n": -n} for b, n in back.items()]
        return windows

    def _labelled(self, hour: int) -> None:
        """Labels that come in this hour, of it and of earlier ones, told by any task of the labels role."""
        pairs, by_task = self._pairs, {name: dict[int, Counter[tuple[str, int]]]() for name in self._names}
        losses = LabelledLosses(pairs.settings)
        for pair in np.flatnonzero((pairs.labelled == hour) & (pairs.label != "")).tolist():
            found = by_task[self._draw.choice(self._names)].setdefault(int(pairs.hour[pair]), Counter())
            found[str(pairs.label[pair]), bucket_of(b"%d" % pairs.key[pair])] += 1
        for name, windows in by_task.items():
            cells = []
            for of, found in windows.items():
                outcomes, keyed = Counter[str](), KeyOutcomes()
                at = (name, of * HOUR_MS, REVISION)
                for (label, bucket), n in found.items():
                    outcomes[label] += n
                    keyed.add((of,), label, bucket, n)
                    for _ in range(n if label in ANSWERS else 0):
                        losses.add(at, *ANSWERS[label], "true", bucket)
                one = {"start_ms": at[1], "revision": REVISION, "outcomes": dict(outcomes), "fields": {}}
                cells.append(one | {"outcome_buckets": keyed.of((of,)), "means": losses.of(at)})
            done_ms = (hour + 1 - LABELLED_WITHIN) * HOUR_MS
            self._say(task_of(name), *cells, watermark_ms=done_ms, idle=True)

    def logs(self, partitions: int) -> Logs:
        """Each task's records in order in one partition, mixed with those of others there."""
        for name in self._records:
            self._say(name, complete=True, idle=True)
        logs: Logs = [[] for _ in range(partitions)]
        turns = [name for name, records in self._records.items() for _ in records]
        self._draw.shuffle(turns)
        of = {name: self._draw.randrange(partitions) for name in self._records}
        streams = {name: iter(records) for name, records in self._records.items()}
        for name in turns:
            logs[of[name]].append(next(streams[name]))
        return logs


def made(seed: int, unit: str, hours: int, levels: list[float]) -> Pairs:
    """A trial of that many hours in which the rate of mismatches goes through these levels; one carrier has most of
    it, the scores differ with it, records said missing come after all, and labels favour either side."""
    dice = np.random.default_rng(seed)
    hour = np.repeat(np.arange(hours), dice.integers(0, 120, hours))
    if not len(hour):
        hour = np.zeros(1, np.int64)
    size = len(hour)
    carrier, origin = dice.integers(0, len(CARRIERS), size), dice.integers(0, 3, size)
    level = np.array(levels)[hour * len(levels) // (int(hour[-1]) + 1)]
    bad = dice.random(size) < level * np.where(carrier == 0, 3.0, 0.5)
    outcome = np.where(bad, "mismatch", np.where(dice.random(size) < 0.1, "tolerated", "match")).astype("<U20")
    own_settings = dice.random(size)
    outcome[own_settings < 0.05] = "missing"
    outcome[own_settings > 0.99] = "candidate_error"
    comes = hour + dice.integers(1, 8, size)
    comes[(outcome != "missing") | (comes > hour[-1]) | (dice.random(size) < 0.2)] = -1
    score = np.minimum(dice.exponential(0.02, size) + 0.3 * bad, 1.0)
    score[dice.random(size) < 0.05] = np.nan
    label = np.array(["", *LABELS])[dice.choice(6, size, p=[0.4, 0.3, 0.08, 0.07, 0.1, 0.05])]
    return Pairs(
        settings_of(unit),
        hour,
        outcome,
        np.where(bad, "mismatch", "match").astype("<U20"),
        comes,
        dice.integers(0, 400, size),
        np.array(CARRIERS)[carrier],
        np.array(["EWR", "JFK", "LGA"])[origin],
        dice.exponential(20.0, size).round(),
        dice.normal(0.0, 10.0 + 200.0 * level, size).round(),
        score,
        dice.random(size) < level / 2,
        label,
        np.minimum(hour + dice.integers(0, LABELLED_WITHIN, size), hour[-1]),
    )
