"""A rate that moves under its limit takes no promote back; bad units that come together still hold it back."""

import json
import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import pytest

from shadowstream.judge.evidence.design_effect import NO_SQUARES, Clusters, design_effect, squared
from shadowstream.judge.evidence.varying_rate import VaryingRate
from shadowstream.judge.step import JudgeStep
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats

TASK = "scores/0"
LIMIT = 0.01


def verdicts(bad: list[int], units: int = 1000, kind: str = "mismatch", first: int = 0) -> list[dict[str, Any]]:
    """Verdicts after each hour from `first` on; of so many units an hour, so many of them bad."""
    step = JudgeStep(config(), REVISION, [TASK])
    found = []
    for hour, s in enumerate(bad):
        held = cell(hour * HOUR_MS, match=units - s, input=units, **{kind: s})
        step.step(0, hour, stats(TASK, hour + 1, held, watermark_ms=(hour + 1) * HOUR_MS))
        if hour >= first:
            found.append(step.verdict(0))
    return found


def season(low: float, high: float, hours: int) -> list[int]:
    middle, swing = (low + high) / 2, (high - low) / 2
    return [round(1000 * (middle - swing * math.cos(2 * math.pi * hour / 24))) for hour in range(hours)]


UNDER = {
    "mended at 60 h": [8] * 60 + [1] * 60,
    "mended twice": [9] * 80 + [4] * 40 + [0] * 40,
    "worse for a while, under the limit": [1] * 60 + [8] * 30 + [1] * 30,
    "ever better": [max(0, 8 - hour // 12) for hour in range(120)],
    "a day's season": season(0.001, 0.008, 120),
    "a season that ends": season(0.002, 0.008, 72) + [0] * 48,
    "weekends": [6 if hour // 24 % 7 > 4 else 1 for hour in range(14 * 24)],
}
SHORT = ("mended at 60 h", "a season that ends")
"""Those by which a rate of all production records, not of pairs, is put to the test by default."""


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        pytest.param(
            bad, kind, id=f"{name}-{kind}", marks=() if kind == "mismatch" or name in SHORT else pytest.mark.long
        )
        for kind in ("mismatch", "missing")
        for name, bad in UNDER.items()
    ],
)
def test_a_change_under_the_limit_takes_no_promote_back(bad: list[int], kind: str) -> None:
    decisions = [one["decision"] for one in verdicts(bad, kind=kind)]
    first = decisions.index("promote")
    assert set(decisions[first:]) == {"promote"}, first


def test_chance_around_such_rates_takes_it_back_seldom() -> None:
    dice = np.random.default_rng(20_261_128)
    looks = kept = 0
    for _ in range(12):
        bad = [int(dice.binomial(1000, 0.006 if hour < 50 else 0.001)) for hour in range(90)]
        later = [one["decision"] for one in verdicts(bad, first=60)]
        looks, kept = looks + len(later), kept + later.count("promote")
    assert kept / looks > 0.95


def _bursts(dice: np.random.Generator, size: int) -> int:
    return size * int(dice.binomial(500 // size, LIMIT))


CLUSTERED: dict[str, Callable[[np.random.Generator, int], int]] = {
    "bursts of 10": lambda dice, _: _bursts(dice, 10),
    "bursts of 3": lambda dice, _: _bursts(dice, 3),
    "outages of three windows": lambda _, hour: 100 if hour % 60 in (40, 41, 42) else 0,
    "a season around the limit": lambda dice, hour: int(
        dice.binomial(500, LIMIT * (1 - 0.8 * math.cos(2 * math.pi * hour / 24)))
    ),
}


@pytest.mark.parametrize("draw", CLUSTERED.values(), ids=CLUSTERED)
def test_what_comes_together_at_the_limit_is_still_clustered(draw: Callable[[np.random.Generator, int], int]) -> None:
    held, runs = 0, 20
    for seed in range(runs):
        dice = np.random.default_rng(seed)
        regimes, blocks = VaryingRate(LIMIT), []
        for hour in range(96):
            blocks.append((500, draw(dice, hour)))
            regimes.add(blocks[-1])
        n, s = sum(one[0] for one in blocks), sum(one[1] for one in blocks)
        whole = design_effect(n, s, reduce(squared, blocks, NO_SQUARES))
        held += Clusters(regimes.design_effect(whole, n, s), len(blocks), s).shown
    assert held >= 0.9 * runs


def test_once_over_the_limit_the_whole_spread_counts() -> None:
    better, worse = VaryingRate(LIMIT), VaryingRate(LIMIT)
    for hour in range(60):
        better.add((1000, 8 if hour < 30 else 0))
        worse.add((1000, 30 if hour < 30 else 0))
    assert not better.over
    assert better.design_effect(9.0, 60_000, 240) < 1
    assert worse.over
    assert worse.design_effect(9.0, 60_000, 900) == 9.0


def test_the_sums_survive_a_restart_and_numbers_of_other_units_are_none() -> None:
    whole, halves = VaryingRate(LIMIT), VaryingRate(LIMIT)
    for hour in range(40):
        window = (500, hour % 7)
        whole.add(window)
        halves.add(window)
        halves.add((3, 4, 5))
        again = VaryingRate(LIMIT)
        again.restore(json.loads(json.dumps(halves.snapshot())))
        halves = again
    assert halves == whole
    assert whole.copy() == whole


def test_a_rate_over_the_limit_now_is_not_good_lately() -> None:
    last = verdicts([1] * 100 + [18], first=100)[-1]
    (mismatch,) = (one for one in last["criteria"] if one["rate"] == "mismatch")
    assert (last["decision"], mismatch["shown_good"]) == ("not_yet", True)
    why = "mismatch: lately 1.8 % wrong (18 of 1,000 newest pairs), not under the limit 1 %, whatever came before"
    assert last["reasons"][0].startswith(why)
