"""The simulator's trials with tasks that spill values in the midst of it: every outcome is the oracle's."""

import pytest

from shadowstream.joiner.matching.spilled_values import SpilledValues
from shadowstream.testing.simulation.run import SPILLING, run, run_seed

SEEDS, SEEDS_LONG = 20, 200
WITHIN = 40


@pytest.mark.parametrize("seeds", [SEEDS, pytest.param(SEEDS_LONG, marks=pytest.mark.long)])
def test_where_values_lie_changes_no_outcome(seeds: int) -> None:
    well, lines = run(0, seeds, 1, SPILLING)
    assert well, lines
    (spilled,) = [line for line in lines if line.startswith("bytes spilled")]
    assert int(spilled.split()[-1]) > 10_000


def test_the_simulator_sees_values_that_come_back_in_another_order(monkeypatch: pytest.MonkeyPatch) -> None:
    values = SpilledValues.values
    monkeypatch.setattr(SpilledValues, "values", lambda on_disk: values(on_disk)[::-1])
    assert any(run_seed(seed, SPILLING).offences for seed in range(WITHIN))
