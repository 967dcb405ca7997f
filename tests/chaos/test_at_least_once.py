"""Without transactions, killed at random: repeats there are, and what is left without them is right."""

from pathlib import Path

import pytest

from shadowstream.testing import Broker
from shadowstream.testing.topics import read_all
from tests.chaos.fault_schedule import Plan
from tests.chaos.run import loaded_trial, play

KILLS = (6, pytest.param(10, marks=pytest.mark.long))
PER_S = 75
SEED = 23
LIMIT_S = 120.0


@pytest.mark.parametrize("kills", KILLS)
def test_kills_without_transactions_leave_repeats_and_no_wrong_count(
    kills: int, kafka: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two runners, two joiners and a judge, each with deaths in the middle of its commits."""
    plan = Plan(kills, each=0, zombies=0, changes=1, kill_every_s=1.5, change_every_s=8.0)
    with loaded_trial(kafka.bootstrap, tmp_path, PER_S, SEED, delivery="at_least_once") as loaded:
        figures = play(loaded, plan, SEED, lambda _: None, LIMIT_S)
        outputs = len(read_all(kafka.bootstrap, loaded.trial.topic(f"out.{loaded.trial.output}")))
        shadow = figures.report.accounts["shadow"].expected
        with capsys.disabled():
            print(f"\n{figures.table()}\n{outputs - shadow:,} outputs of {shadow:,} were written more than once")
    assert figures.report.right, figures.report.table()
    assert figures.schedule.kills.total() >= kills
