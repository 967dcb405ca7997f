"""AUC with a margin, measured: candidates exactly at the margin, equal ones and worse ones. Part of `make calibrate`.

Each side's score is normal, with a higher mean for true labels, so the AUC of each is known. Both sides agree in part.
How many labels are true, and how high all scores of a window are, changes from window to window.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.stats import norm

from shadowstream.judge.step import JudgeStep
from shadowstream.labels.auc_blocks import differences
from shadowstream.labels.store import WaitingEntry
from shadowstream.protocol.signed_means import SignedSums
from shadowstream.protocol.task_names import task_of
from tests.judge.calibration_of_losses import (
    Course,
    LossSetting,
    at_the_margin,
    beyond_the_margin,
    within_the_margin,
)
from tests.judge.claims import Part
from tests.judge.stats_records import HOUR_MS, REVISION, cell, stats
from tests.labels.labelled_trial import TASK, config_of

AUC = 0.8
"""That of production."""
AGREEMENT = 0.7
"""Correlation of the scores of both sides."""


@dataclass(frozen=True)
class AucSetting(LossSetting):
    """Runs of one kind; the shape names the share of true labels. `worse_by`: the AUC that the candidate lacks."""

    def all(self, seed: int) -> list[Course]:
        """Each run by its own seed."""
        return [self._run(np.random.default_rng([seed, run])) for run in range(self.runs)]

    def _run(self, dice: np.random.Generator) -> Course:
        criterion = {"rate": "loss", "loss": "auc", "margin": self.margin}
        settings = config_of(criterion, alpha=self.alpha)
        step, firsts, pairs = JudgeStep(settings, REVISION, [TASK, task_of(TASK)]), dict[str, int](), 0
        for hour in range(self.windows):
            sums = SignedSums(settings.judge.criteria[0].threshold, 1.0)
            sums.add(np.array(differences(self._labelled(dice))))
            pairs += sums.n
            labelled = cell(hour * HOUR_MS, label_both_right=self.units, label_ranked=self.units)
            labelled |= {"means": [{"path": "loss:auc", **sums.record()}]}
            joined = cell(hour * HOUR_MS, match=self.units, input=self.units)
            end = {"watermark_ms": (hour + 1) * HOUR_MS}
            step.step(0, 2 * hour, stats(task_of(TASK), hour + 1, labelled, **end))
            step.step(0, 2 * hour + 1, stats(TASK, hour + 1, joined, **end))
            firsts.setdefault(step.verdict(0)["decision"], pairs)
            if "reject" in firsts or ("promote" in firsts and self.worse_by < self.margin):
                break
        return Course(firsts.get("promote"), firsts.get("reject"))

    def _labelled(self, dice: np.random.Generator) -> Iterator[WaitingEntry]:
        positive = dice.random(self.units) < SHARES[self.shape] * dice.uniform(0.5, 1.5)
        shifts = [sqrt(2.0) * float(norm.ppf(auc)) for auc in (AUC, AUC - self.worse_by)]
        level, noise = dice.normal(), dice.normal(size=(3, self.units))
        for at, true in enumerate(positive.tolist()):
            scores = (
                level + true * shift + sqrt(AGREEMENT) * noise[0, at] + sqrt(1 - AGREEMENT) * own
                for shift, own in zip(shifts, noise[1:, at], strict=True)
            )
            yield WaitingEntry(b"%d" % at, 0, "", "", *map(str, scores), truth=str(true).lower())

    @property
    def words(self) -> str:
        """The setting as text."""
        return (
            f"AUC {AUC:g} of production, {SHARES[self.shape]:g} of the labels true, worse by {self.worse_by:g}, margin "
            f"{self.margin:g}, {self.runs} runs of {self.windows} windows of {self.units} labelled pairs"
        )


SHARES = {"even": 0.5, "rare": 0.05}

PARTS = (
    Part("auc", at_the_margin, AucSetting("even", 0.02, 0.02, units=100, windows=30, runs=300)),
    Part("auc", at_the_margin, AucSetting("rare", 0.05, 0.05, units=300, windows=30, runs=300)),
    Part("auc", within_the_margin, AucSetting("even", 0.0, 0.02, units=500, windows=60, runs=100)),
    Part("auc", within_the_margin, AucSetting("rare", 0.0, 0.05, units=500, windows=60, runs=100)),
    Part("auc", within_the_margin, AucSetting("even", -0.02, 0.02, units=500, windows=40, runs=100)),
    Part("auc", beyond_the_margin, AucSetting("even", 0.1, 0.02, units=500, windows=40, runs=100)),
)
