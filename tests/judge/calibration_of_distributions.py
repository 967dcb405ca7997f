"""Distributions: how often the index of equal distributions is beyond its null law, and alarms by chance.

The assumption printed beside: records are independent, or come in clusters within a window. Part of `make calibrate`
(tests/judge/calibration.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shadowstream.codecs.own import decode
from shadowstream.config import Config
from shadowstream.judge.distributions.stability import Samples, stability_of
from shadowstream.judge.distributions.watch import levels
from shadowstream.judge.step import JudgeStep
from shadowstream.protocol.value_bins import Doubles, fine_bins
from tests.judge.claims import Line, Part, bounded
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats

TASK = "scores/0"
Drawn = tuple[Doubles, Doubles]
Counts = npt.NDArray[np.int64]
Lines = Iterator[Line]


@dataclass(frozen=True)
class Values:
    """Windows of paired values of both sides with one normal distribution, unless `shift` moves the candidate's.

    `agree`: correlation of the two values of a pair. `burst`: so many pairs in a row share their values. `later`: shift
    of both sides from the middle of the run on.
    """

    units: int = 500
    windows: int = 72
    runs: int = 100
    agree: float = 0.0
    burst: int = 1
    shift: float = 0.0
    later: float = 0.0
    season: int = 6
    budget: float = 1_000.0
    psi_min: float = 0.0
    bins: int = 10

    def window(self, dice: np.random.Generator, index: int) -> Drawn:
        shared, first, second = (
            dice.standard_normal(-(-self.units // self.burst)).repeat(self.burst) for _ in range(3)
        )
        mean = self.later if index >= self.windows // 2 else 0.0
        sign = np.sign(self.agree)
        both, own = np.sqrt(abs(self.agree)), np.sqrt(1.0 - abs(self.agree))
        production, candidate = both * shared + own * first, sign * both * shared + own * second
        return production[: self.units] + mean, candidate[: self.units] + mean + self.shift

    @property
    def settings(self) -> Config:
        judge = {"false_alarms_per_year": self.budget, "psi_min": self.psi_min}
        return settings_of([{"path": "score", "bins": self.bins}], judge, min_duration_ms=self.season * HOUR_MS)

    def run(self, seed: int, number: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the drift events and the last rows of one run."""
        dice = np.random.default_rng([seed, number])
        step = JudgeStep(self.settings, REVISION, [TASK])
        for index in range(self.windows):
            step.step(0, index, record_of(index, {"score": fine_counts(*self.window(dice, index))}, self.units))
        return events_of(step), step.distributions.rows()


def settings_of(fields: list[dict[str, Any]], alarms: dict[str, Any], **judge: Any) -> Config:
    """A judge of mismatches alone that watches these fields."""
    plain = config(criteria=[{"rate": "mismatch", "limit": 0.5}], **judge).model_dump(exclude_unset=True)
    own = {"compare": {"distributions": fields}, "judge": {**plain["judge"], "distributions": alarms}}
    return Config.model_validate({**plain, **own})


def fine_counts(production: Doubles, candidate: Doubles) -> dict[str, list[int]]:
    """Counts by fine bin as the joiner makes them."""
    one, other = fine_bins(production), fine_bins(candidate)
    low = int(min(one.min(), other.min()))
    size = int(max(one.max(), other.max())) - low + 1
    sides = [np.bincount(codes - low, minlength=size) for codes in (one, other, one[one == other])]
    return {str(code + low): [int(n[code]) for n in sides] for code in np.flatnonzero(sides[0] + sides[1]).tolist()}


def record_of(index: int, bins: dict[str, dict[str, list[int]]], pairs: int, **more: Any) -> dict[str, Any]:
    held = cell(index * HOUR_MS, match=pairs, input=pairs)
    held["distributions"] = [
        {"path": path, "bin": name, **dict(zip(("production", "shadow", "same"), counts, strict=True))}
        for path, of_path in bins.items()
        for name, counts in of_path.items()
    ]
    return stats(TASK, index + 1, held, watermark_ms=(index + 1) * HOUR_MS, **more)


def events_of(step: JudgeStep) -> list[dict[str, Any]]:
    """The drift events since the last evaluation."""
    return [decode(write.value or b"")[1] for write in step.evaluate(0).writes if write.topic.endswith(".drift")]


@dataclass(frozen=True)
class Law:
    """Comparisons of two samples of one distribution over bins of these shares; `pairs`: correlation of pairs."""

    shares: tuple[float, ...]
    first: int
    second: int
    pairs: float | None = None
    runs: int = 20_000

    def drawn(self, dice: np.random.Generator) -> Samples:
        ordered = len(self.shares)
        if self.pairs is None:
            return Samples(
                dice.multinomial(self.first, self.shares).tolist(), dice.multinomial(self.second, self.shares).tolist(),
                ordered,
            )  # fmt: skip
        edges = np.cumsum(self.shares)[:-1]
        one = dice.random(self.first)
        # A pair agrees, or mirrors production's value, or is a draw of its own: each leaves the distribution as it is.
        mirrored = one if self.pairs > 0 else (one + 0.5) % 1.0
        other = np.where(dice.random(self.first) < abs(self.pairs), mirrored, dice.random(self.first))
        codes = [np.searchsorted(edges, side, side="right") for side in (one, other)]
        size = len(self.shares)
        counts = [np.bincount(side, minlength=size).tolist() for side in (*codes, codes[0][codes[0] == codes[1]])]
        return Samples(counts[0], counts[1], ordered, counts[2])


def of_the_law(law: Law, seed: int) -> Lines:
    """The index of equal distributions beside its null law, and the whole rule of an alarm, by level."""
    dice = np.random.default_rng([seed, 1])
    drawn = [law.drawn(dice) for _ in range(law.runs)]
    kind = "independent samples" if law.pairs is None else f"pairs, of which {law.pairs:+.0%} agree"
    yield f"PSI of one distribution: {len(law.shares)} bins, {law.first} and {law.second} values, {kind}", True
    for level in (0.05, 0.01, 0.001):
        found = [stability_of(samples, level) for samples in drawn]
        beyond = sum(one is not None and one.psi > one.by_chance for one in found)
        alarms = sum(one is not None and one.alarms(level, 0.0) for one in found)
        named = f"at level {level:g}"
        # A limit law: not beyond its level by more than a fifth.
        yield bounded(f"beyond its null law {named}", beyond, law.runs, 1.2 * level, kind)
        yield bounded(f"alarms {named}", alarms, law.runs, level, kind)


def of_the_judge(setting: Values, seed: int, *, name: str) -> Lines:
    """Incidents of equal distributions through the judge's own step, beside the comparisons that were made."""
    opened = {"sides": 0, "over time": 0}
    tests = {"sides": 0, "over time": 0}
    for number in range(setting.runs):
        events, rows = setting.run(seed, number)
        for row in rows:
            tests["sides" if row["compared"] == "sides" else "over time"] += row["tests"]
        for event in events:
            kind = "sides" if event["criterion"].endswith(":sides") else "over time"
            opened[kind] += event["event"] == "opened"
    yield (
        f"distributions without a change, {name}: {setting.runs} runs of {setting.windows} windows of {setting.units} "
        f"pairs, seasons of {setting.season}",
        True,
    )
    for kind, level in zip(opened, levels(setting.settings), strict=True):
        yield bounded(f"incidents, {kind}", opened[kind], tests[kind], level, name)


def power(setting: Values, seed: int, compared: str, comparisons_max: int) -> Lines:
    """How soon a change is alarmed at the default budget of one false alarm a year."""
    soon = []
    for number in range(setting.runs):
        events, _ = setting.run(seed, number)
        at = [event["window_end_ms"] for event in events if event["criterion"].endswith(compared)]
        soon.append(at[0] // HOUR_MS if at else setting.windows + 1)
    begun = setting.windows // 2 if setting.later else 0
    median = float(np.median(soon)) - begun
    yield (
        f"shift of {setting.shift or setting.later:g} sd, {compared}: {setting.units} pairs a window, one false alarm "
        f"a year: alarmed after {median:g} windows (median of {setting.runs}); claim: at most {comparisons_max}",
        median <= comparisons_max,
    )


TEN = (0.1,) * 10
PARTS = (
    Part("distributions", of_the_law, Law(TEN, 500, 500)),
    Part("distributions", of_the_law, Law((0.9, 0.08, 0.015, 0.005), 12_000, 500)),
    Part("distributions", of_the_law, Law((0.02,) * 50, 5_000, 1_000)),
    Part("distributions", of_the_law, Law(TEN, 500, 500, pairs=0.9)),
    Part("distributions", of_the_law, Law((0.5, 0.5), 500, 500, pairs=-1.0)),
    *(
        Part("distributions", of_the_judge, values, {"name": name})
        for name, values in {
            "independent sides": Values(),
            "sides that agree": Values(agree=0.9),
            "sides that disagree": Values(agree=-0.9),
            "clusters of 10 within a window": Values(burst=10),
            "clusters of 50 within a window": Values(burst=50, units=1_000),
        }.items()
    ),
    *(
        Part("distributions", power, values, {"compared": compared, "comparisons_max": comparisons_max})
        for compared, comparisons_max, values in (
            ("sides", 20, Values(shift=0.5, budget=1.0, psi_min=0.1, windows=40, runs=20)),
            ("production", 12, Values(later=0.5, budget=1.0, psi_min=0.1, windows=72, runs=20)),
        )
    ),
)
