"""Kills, zombies and members that come and go, under load: nothing is lost, nothing said twice, nothing invented.

`make chaos KILLS=200` is the same with more of it.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from shadowstream.testing import Broker
from tests.chaos.conftest import KILLS, LIMIT_S, PER_S
from tests.chaos.phase_map import PHASES
from tests.chaos.role_process import Fate
from tests.chaos.role_processes import ROLES
from tests.chaos.run import RunFigures, Stage, staged
from tests.conftest import Say


def test_twenty_kills_lose_nothing_double_nothing_and_invent_nothing(
    played: tuple[Stage, RunFigures], say: Say
) -> None:
    stage, figures = played
    say(figures.table())
    assert figures.report.right, figures.report.table()
    assert figures.director.done, f"the plan was not fulfilled within {LIMIT_S:g} s"
    assert figures.aborts[0] > 0
    assert figures.aborts[1] > 0
    assert {code for code, _ in figures.ended.values()} == {0}
    assert stage.cast.zombies == [], "a zombie whose place was taken lives on"


def test_the_log_of_deaths_names_every_role_in_every_phase(played: tuple[Stage, RunFigures]) -> None:
    stage, _ = played
    lines = (stage.trial.folder / "deaths.jsonl").read_text("utf-8").splitlines()
    killed = Counter((one["role"], one["phase"]) for one in map(json.loads, lines) if one["exit_code"] == -9)
    assert killed.total() >= KILLS
    assert all(killed[role, phase] for role in ROLES for phase in PHASES)


@pytest.mark.parametrize(
    ("sabotage", "found"),
    [
        ("offsets-first", "lost"),
        pytest.param("outcomes-first", "double", marks=pytest.mark.long),
    ],
)
def test_a_joiner_that_commits_and_produces_apart_is_caught(
    sabotage: str, found: str, kafka: Broker, tmp_path: Path
) -> None:
    """It commits before it produces, or the other way round, and is killed in between."""
    with staged(kafka.bootstrap, tmp_path, PER_S, sum(sabotage.encode())) as stage:
        cast = stage.cast
        cast.sabotage = sabotage
        cast.fate_of = lambda role: Fate("die", "offsets_sent", 4) if role == "join" and not cast.deaths else None
        for role in ROLES:
            cast.start(role, fate=cast.fate_of(role))
        stage.turn_until(lambda: len(cast.recoveries.get("join", [])) == 1, "the joiner has been killed and is back")
        stage.rest(5.0)
        assert [(death.role, death.phase) for death in cast.deaths if death.killed] == [("join", "offsets_sent")]
        cast.end()
        report = stage.check()
    outcomes = report.accounts["outcomes"]
    assert getattr(outcomes, found), report.table()
    assert all(one.right for name, one in report.accounts.items() if name != "outcomes"), report.table()
