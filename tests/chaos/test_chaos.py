"""Kills, zombies and members that come and go, under load: nothing is lost, nothing said twice, nothing invented.

`make chaos KILLS=200` is the same with more of it.
"""

import json
from collections import Counter
from pathlib import Path

import pytest

from shadowstream.testing import Broker
from tests.chaos.conftest import KILLS, LIMIT_S, PER_S
from tests.chaos.phase_map import PHASES
from tests.chaos.role_process import PlannedFault
from tests.chaos.role_processes import ROLES
from tests.chaos.run import LoadedTrial, RunFigures, loaded_trial
from tests.conftest import Say


def test_twenty_kills_lose_nothing_double_nothing_and_invent_nothing(
    played: tuple[LoadedTrial, RunFigures], say: Say
) -> None:
    loaded, figures = played
    say(figures.table())
    assert figures.report.right, figures.report.table()
    assert figures.schedule.done, f"the plan was not fulfilled within {LIMIT_S:g} s"
    assert figures.aborts[0] > 0
    assert figures.aborts[1] > 0
    assert {code for code, _ in figures.ended.values()} == {0}
    assert loaded.processes.zombies == [], "a zombie whose place was taken lives on"


def test_the_log_of_deaths_names_every_role_in_every_phase(played: tuple[LoadedTrial, RunFigures]) -> None:
    loaded, _ = played
    lines = (loaded.trial.folder / "deaths.jsonl").read_text("utf-8").splitlines()
    killed = Counter((one["role"], one["phase"]) for one in map(json.loads, lines) if one["exit_code"] == -9)
    assert killed.total() >= KILLS
    assert all(killed[role, phase] for role in ROLES for phase in PHASES)


@pytest.mark.parametrize(
    ("commit_fault", "found"),
    [("offsets-first", "lost"), pytest.param("outcomes-first", "double", marks=pytest.mark.long)],
)
def test_a_joiner_that_commits_and_produces_apart_is_caught(
    commit_fault: str, found: str, kafka: Broker, tmp_path: Path
) -> None:
    """It commits before it produces, or the other way round, and is killed in between."""
    with loaded_trial(kafka.bootstrap, tmp_path, PER_S, sum(commit_fault.encode())) as loaded:
        processes = loaded.processes
        processes.commit_fault = commit_fault
        processes.fault_for = lambda role: (
            PlannedFault("die", "offsets_sent", 4) if role == "join" and not processes.deaths else None
        )
        for role in ROLES:
            processes.start(role, fault=processes.fault_for(role))
        loaded.turn_until(
            lambda: len(processes.recoveries.get("join", [])) == 1, "the joiner has been killed and is back"
        )
        loaded.rest(5.0)
        assert [(death.role, death.phase) for death in processes.deaths if death.killed] == [("join", "offsets_sent")]
        processes.end()
        report = loaded.check()
    outcomes = report.accounts["outcomes"]
    assert getattr(outcomes, found), report.table()
    assert all(one.right for name, one in report.accounts.items() if name != "outcomes"), report.table()
