"""The records that `prove` predicts, against whole trials with such a candidate on the demo's flights."""

from statistics import median

import numpy as np
import pytest

from shadowstream.sensitivity.planted_joiner import planted_config
from shadowstream.sensitivity.planted_runs import Ending, PlantedRuns
from shadowstream.sensitivity.planting import Planted
from shadowstream.sensitivity.plants import Kind, Plant
from shadowstream.sensitivity.rewriting import Rewriter
from tests.conftest import Say
from tests.joiner.joiner_world import REVISION
from tests.sensitivity.demo_pairs import comparing, demo_config, pairs_of, records_until_reject, shifted

SHIFT = 0.05
AGREES_WITHIN = 0.2


def predicted(plant: Plant, share: float, runs: int, pairs: int) -> list[int]:
    """Records until the reject in each run of `prove`."""
    settings = demo_config()
    compare = comparing(settings)
    of_trial = pairs_of(pairs, settings)
    planted = Planted(of_trial, plant, Rewriter(compare.decoder(1)))  # type: ignore[arg-type]  # a side is its number
    made = PlantedRuns(planted_config(settings), REVISION, compare, of_trial, 50_000)
    found = [made.run(planted, seed, share) for seed in range(1, runs + 1)]
    assert {one.ending for one in found} == {Ending.REJECTED}
    return [one.records for one in found]


def actual(share: float, runs: int, flights: int, *, drops: bool = False) -> list[int]:
    """Records until the reject in trials of a candidate that is wrong on a random share of the flights."""
    found = []
    for run in range(runs):
        wrong = np.random.default_rng([7, run]).random(flights) < share
        until = records_until_reject(
            demo_config(),
            flights,
            lambda n, answer: (None if drops else shifted(answer, SHIFT)) if wrong[n] else answer | {"model": "new"},  # noqa: B023  called in this turn of the loop
        )
        assert until is not None
        found.append(until)
    return found


def test_predicted_records_agree_with_trials(say: Say) -> None:
    """A short version: many plants at once need few records, so that few runs show the median."""
    found, needed = (
        median(predicted(Plant(Kind.SHIFTED, "score", SHIFT), 0.1, 16, 1_000)),
        median(actual(0.1, 16, 1_500)),
    )
    say(f"10 % shifted: predicted {found:.0f} records, needed {needed:.0f}")
    assert abs(found - needed) <= AGREES_WITHIN * needed


@pytest.mark.long
@pytest.mark.parametrize(
    ("plant", "share", "runs"),
    [
        (Plant(Kind.SHIFTED, "score", SHIFT), 0.05, 200),
        (Plant(Kind.DROPPED), 0.05, 100),
    ],
)
def test_predicted_medians_agree_with_many_trials(plant: Plant, share: float, runs: int, say: Say) -> None:
    found = median(predicted(plant, share, runs, 2_000))
    needed = median(actual(share, runs, 9_000, drops=plant.kind is Kind.DROPPED))
    say(f"{plant.words} in {share:.0%}: predicted {found:.0f} records, needed {needed:.0f}")
    assert abs(found - needed) <= AGREES_WITHIN * needed
