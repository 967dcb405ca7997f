"""Losses with a margin, measured: candidates exactly at the margin, equal ones and better ones, looked at after each
window. Part of `make calibrate` (tests/judge/calibration.py)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shadowstream.config import Config
from shadowstream.judge.step import JudgeStep
from shadowstream.protocol.signed_means import SignedSums
from tests.judge.claims import Line, Part, bounded, share_of
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats

TASK = "scores/0"
BOUND = 1.0
MARTINGALE = "the mean of each difference, given the past, is the margin"
CRITERION = {"rate": "loss", "loss": "cost", "path": "price", "bound": BOUND}
Shape = Callable[[np.random.Generator, int], npt.NDArray[np.float64]]
"""Differences of so many pairs, with a mean of 0 and within a bound of 1 after a shift by a few hundredths."""


def narrow(dice: np.random.Generator, pairs: int) -> npt.NDArray[np.float64]:
    """A regression: differences of a tenth of the bound."""
    return np.clip(dice.normal(0.0, 0.1, pairs), -0.9, 0.9)


def right_or_wrong(dice: np.random.Generator, pairs: int) -> npt.NDArray[np.float64]:
    """A classifier with a Brier loss: one pair in five is won or lost as a whole."""
    return 0.9 * dice.choice([-1.0, 0.0, 1.0], pairs, p=[0.1, 0.8, 0.1])


def seldom_dear(dice: np.random.Generator, pairs: int) -> npt.NDArray[np.float64]:
    """A small gain in most pairs, and a great loss in one of a hundred."""
    return np.where(dice.random(pairs) < 0.01, 0.9 + 0.9 / 99, 0.0) - 0.01 * (0.9 + 0.9 / 99)


SHAPES: dict[str, Shape] = {shape.__name__: shape for shape in (narrow, right_or_wrong, seldom_dear)}


class Course(NamedTuple):
    """The pairs at which a run was first promoted and first rejected; None where it never was."""

    promoted: int | None
    rejected: int | None


@dataclass(frozen=True)
class LossSetting:
    """Runs of one kind: the shape of the differences, how much worse the candidate is, and the margin."""

    shape: str
    worse_by: float
    margin: float
    units: int
    windows: int
    runs: int
    alpha: float = 0.05

    def all(self, seed: int) -> list[Course]:
        """Each run by its own seed."""
        settings = config(criteria=[CRITERION | {"margin": self.margin}], alpha=self.alpha, min_duration_ms=0)
        return [self.one(settings, np.random.default_rng([seed, run])) for run in range(self.runs)]

    def one(self, settings: Config, dice: np.random.Generator) -> Course:
        """One run, with a verdict after each window."""
        step, criterion = JudgeStep(settings, REVISION, [TASK]), settings.judge.criteria[0]
        firsts: dict[str, int] = {}
        for index in range(self.windows):
            sums = SignedSums(criterion.threshold, BOUND)
            sums.add(SHAPES[self.shape](dice, self.units) + self.worse_by)
            window = cell(index * HOUR_MS, match=self.units, input=self.units)
            window |= {"means": [{"path": criterion.sums, **sums.record()}]}
            step.step(0, index, stats(TASK, index + 1, window, watermark_ms=(index + 1) * HOUR_MS))
            firsts.setdefault(step.verdict(0)["decision"], (index + 1) * self.units)
            if "reject" in firsts or ("promote" in firsts and self.worse_by < self.margin):
                break
        return Course(firsts.get("promote"), firsts.get("reject"))

    @property
    def words(self) -> str:
        """The setting as text."""
        return (
            f"{self.shape.replace('_', ' ')}, worse by {self.worse_by:g}, margin {self.margin:g} of the bound, "
            f"{self.runs} runs of {self.windows} windows of {self.units} pairs"
        )


def at_the_margin(setting: LossSetting, seed: int) -> Iterator[Line]:
    """A candidate that is worse by just the margin is promoted, and rejected, in at most alpha of all runs."""
    runs = setting.all(seed)
    yield f"loss at the margin: {setting.words}", True
    for word in ("promoted", "rejected"):
        happened = sum(getattr(run, word) is not None for run in runs)
        yield bounded(f"falsely {word}", happened, setting.runs, setting.alpha, MARTINGALE)


def within_the_margin(setting: LossSetting, seed: int, least: float = 0.9) -> Iterator[Line]:
    """An equal or a better candidate is promoted in `least` of all runs, and at most alpha are rejected before."""
    yield f"loss within the margin: {setting.words}", True
    yield from _decided(setting, seed, ("promoted", "rejected"), least)


def beyond_the_margin(setting: LossSetting, seed: int, least: float = 0.9) -> Iterator[Line]:
    """A candidate that is clearly worse is rejected in `least` of all runs, and at most alpha are promoted before."""
    yield f"loss beyond the margin: {setting.words}", True
    yield from _decided(setting, seed, ("rejected", "promoted"), least)


def _decided(setting: LossSetting, seed: int, words: tuple[str, str], least: float) -> Iterator[Line]:
    right, wrong = ([pairs for run in setting.all(seed) if (pairs := getattr(run, word)) is not None] for word in words)
    median, ninth = (int(np.quantile(right, share)) if right else None for share in (0.5, 0.9))
    yield (
        f"  {words[0]}: {share_of(len(right), setting.runs)}; claim: at least {least:g}; after {median} pairs "
        f"(median), {ninth} (nine in ten)",
        len(right) >= least * setting.runs,
    )
    yield (
        f"  {words[1]}: {share_of(len(wrong), setting.runs)}; claim: at most alpha {setting.alpha:g}",
        len(wrong) <= setting.alpha * setting.runs,
    )


PARTS = (
    Part("loss", at_the_margin, LossSetting("narrow", 0.01, 0.01, units=200, windows=30, runs=500)),
    Part("loss", at_the_margin, LossSetting("right_or_wrong", 0.05, 0.05, units=100, windows=30, runs=500)),
    Part("loss", at_the_margin, LossSetting("seldom_dear", 0.02, 0.02, units=200, windows=30, runs=500)),
    Part("loss", within_the_margin, LossSetting("narrow", 0.0, 0.01, units=200, windows=40, runs=200)),
    Part("loss", within_the_margin, LossSetting("narrow", -0.01, 0.01, units=200, windows=40, runs=200)),
    Part("loss", within_the_margin, LossSetting("right_or_wrong", 0.0, 0.05, units=200, windows=60, runs=200)),
    Part("loss", within_the_margin, LossSetting("right_or_wrong", -0.05, 0.05, units=200, windows=40, runs=200)),
    Part("loss", within_the_margin, LossSetting("seldom_dear", 0.0, 0.02, units=200, windows=60, runs=200)),
    Part("loss", beyond_the_margin, LossSetting("narrow", 0.03, 0.01, units=200, windows=40, runs=200)),
)
