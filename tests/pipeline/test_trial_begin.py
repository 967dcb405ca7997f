"""A trial begins where it says: what arrives while production's first output is waited for is part of it, and a name is
bound to the topics that it began with."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shadowstream.testing.topics import create_topics, read_all
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.role_processes import Running
from tests.pipeline.trial_fixture import PARTITIONS, Trial
from tests.pipeline.written_records import await_that

ORDERS = 300
EACH = ORDERS // PARTITIONS


@pytest.fixture
def trial(make_trial: MakeTrial) -> Trial:
    return make_trial("begins-", start=None, bounded=False)


@pytest.fixture
def running(trial: Trial) -> Iterator[Running]:
    with Running(trial) as running:
        yield running


def logged(trial: Trial, event: str) -> list[dict[str, Any]]:
    return [one for one in trial.logged("run") if one["event"] == event]


def begins(trial: Trial, *offsets: int) -> list[str]:
    return [f"{trial.input}/{partition}@{offset}" for partition, offset in enumerate(offsets)]


@pytest.mark.parametrize("killed", [pytest.param(False, marks=pytest.mark.long), True])
def test_inputs_before_productions_first_output_are_part_of_the_trial(
    trial: Trial, running: Running, killed: bool
) -> None:
    running.start("run")
    await_that("the runner waits", lambda: bool(logged(trial, "waiting_for_production")))
    (line,) = logged(trial, "trial_begins")
    assert line["at"] == begins(trial, 0, 0, 0)
    waits = trial.ask("explain")
    where = ", ".join(begins(trial, 0, 0, 0))
    assert f"  begins at {where}; no input since; waits for production's first outputs" in waits.stdout
    if killed:
        running.kill("run")
    trial.answered(ORDERS)
    if killed:
        running.start("run")
    running.start("join")
    await_that("all are compared", lambda: trial.outcomes()["match"] == ORDERS)
    assert trial.outcomes() == {"match": ORDERS}
    (line,) = logged(trial, "trial_started")
    assert line["began"] == begins(trial, 0, 0, 0)
    assert f"  began at {where}; {ORDERS} inputs since\n" in trial.ask("explain").stdout


def test_an_empty_trial_names_its_begin_and_that_nothing_came(trial: Trial, running: Running) -> None:
    trial.answered(ORDERS)
    running.start("run")
    await_that("the trial has begun", lambda: bool(logged(trial, "trial_started")))
    result = trial.ask("explain")
    assert result.stdout.splitlines()[1] == f"  began at {', '.join(begins(trial, EACH, EACH, EACH))}; no input since"
    asked = json.loads(trial.ask("explain", "--json").stdout)
    assert asked["began"]["at"] == {f"{trial.input}/{partition}": EACH for partition in range(PARTITIONS)}


def begin_bounded(trial: Trial) -> None:
    """Run the trial to its end, so that it has evidence."""
    trial.settings = {"start": "earliest", "bounded": True}
    trial.write_config()
    trial.answered(30).play("run", "join", "judge")


def test_a_known_name_with_other_topics_is_refused_everywhere(trial: Trial) -> None:
    begin_bounded(trial)
    other = f"{trial.name}-pay2", f"{trial.name}-sc2"
    create_topics(trial.bootstrap, {other[0]: PARTITIONS, other[1]: PARTITIONS})
    before = {kind: len(read_all(trial.bootstrap, trial.topic(kind))) for kind in ("stats", "progress", "starts")}
    production = {"outputs": [other[1]], "group": trial.group, "commits": "after_output"}
    trial.write_config(inputs=[other[0]], production=production)
    message = (
        f"inputs: trial '{trial.name}' began with inputs {trial.input}, production.outputs {trial.output}, and this "
        f"config has inputs {other[0]}, production.outputs {other[1]}. Evidence is bound to its topics, so nothing was "
        "read. Give this trial another name, or restore those topics in the config"
    )
    commands = ["run", "join", "judge", "up", "gate", "explain", "diff", "replay"]
    processes = {command: trial.start(command, log=f"other-{command}") for command in commands}
    for command, process in processes.items():
        process.communicate(timeout=90)
        assert process.returncode == 2, command
        assert trial.log_text(f"other-{command}").splitlines()[-1] == f"error: {message}", command
        assert "Traceback" not in trial.log_text(f"other-{command}")
    (mark,) = [one for one in trial.records("starts") if one["kind"] == "start"]
    bound = {one["side"]: one["topic"] for one in mark["topics"] if one["side"] != "own"}
    assert bound == {"input": trial.input, "production": trial.output}
    after = {kind: len(read_all(trial.bootstrap, trial.topic(kind))) for kind in before}
    assert after == before
    trial.write_config()
    assert trial.ask("gate").returncode in (0, 4)
