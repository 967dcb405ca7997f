"""`make eos-cost` in short: both deliveries side by side, with the figures that it prints."""

from pathlib import Path

import pytest

from bench import eos_cost
from shadowstream.testing import Broker
from tests.forked import Forked

RUNS_A_REPEAT = 2 * len(eos_cost.DELIVERIES)
REPEATS_MAX = 6
"""A short run on a busy machine is noise: it is repeated until the median of all pairs of runs keeps the promise."""
SHORT = 30_000, 1.4
"""Records and limit of the ratio by default: so short a run shows more of the start-up, and of other work here."""


@pytest.mark.parametrize(("records", "limit"), [SHORT, pytest.param(120_000, eos_cost.LIMIT, marks=pytest.mark.long)])
def test_exactly_once_costs_about_what_at_least_once_costs(
    records: int,
    limit: float,
    kafka: Broker,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(eos_cost, "Popen", Forked)
    eos_cost.fill(kafka.bootstrap, records)
    runs: list[eos_cost.Run] = []
    for number, one in enumerate(eos_cost.measured(kafka.bootstrap, tmp_path, [500], REPEATS_MAX), start=1):
        runs.append(one)
        if number % RUNS_A_REPEAT == 0 and eos_cost.ratio(runs, 500) < limit:
            break
    with capsys.disabled():
        print("\n" + "\n".join(eos_cost.table(runs)))
    assert {one.delivery for one in runs} == {*eos_cost.DELIVERIES}
    assert all(seconds > 0 for one in runs for seconds in one.cpu_s.values())
    assert eos_cost.ratio(runs, 500) < limit


def test_the_ratio_is_the_median_of_neighbours_beyond_start_up() -> None:
    readings = [(0, 1, 1), (500, 3, 2), (500, 4, 4), (500, 6, 5)]
    runs = [
        eos_cost.Run(delivery, commit_ms, {"run": seconds, "join": 0, "judge": 0}, 1)
        for commit_ms, *both in readings
        for delivery, seconds in zip(eos_cost.DELIVERIES, both, strict=True)
    ]
    assert eos_cost.ratio(runs, 500) == 1.25
