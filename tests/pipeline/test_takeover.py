"""A later run of one trial and instance takes over for good: the older one says so, ends and does not come back."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shadowstream.testing import Broker
from tests.pipeline.trial_fixture import PARTITIONS, Production, Trial
from tests.pipeline.written_records import await_that, records

LIMIT_S = 60.0


@pytest.fixture
def trial(kafka: Broker, topic_prefix: str, tmp_path: Path) -> Trial:
    name = f"over-{topic_prefix.rpartition('-')[2].rstrip('.')}"
    trial = Trial(kafka.bootstrap, name, tmp_path, settings={"start": "earliest", "bounded": False})
    trial.create_topics()
    trial.write_orders(range(30))
    Production(trial).work(dict.fromkeys(range(PARTITIONS), 10))
    return trial


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def judged(trial: Trial) -> list[dict[str, object]]:
    return records(trial.bootstrap, trial.topic("verdict"))


def test_a_second_up_ends_the_first_for_good_and_goes_on(trial: Trial, started: list[subprocess.Popen[str]]) -> None:
    path = str(trial.config_path)
    started.append(trial.start("up", path, log="first"))
    await_that("the first one judges", lambda: bool(judged(trial)))
    started.append(trial.start("up", path, log="second"))
    assert started[0].wait(LIMIT_S) == 5, trial.log_text("first")[-4_000:]
    log_text = trial.log_text("first")
    whose = f"another run of trial '{trial.name}', instance 0, has taken over; stop one of the two, or give --instance"
    single = f"another run of the judge role of trial '{trial.name}' has taken over: a trial has one"
    last = log_text.splitlines()[-1]
    assert last == f"error: {whose}" or last.startswith(f"error: {single}")
    assert log_text.count("has taken over") == 1
    for log in ("first", "second"):
        assert not [line for line in trial.log_text(log).splitlines() if line.startswith("%")]
        assert "Traceback" not in trial.log_text(log)
    seen = len(judged(trial))
    await_that("the second one judges", lambda: len(judged(trial)) > seen)
    assert started[1].poll() is None
    assert not [one for one in trial.logged("second") if one["event"] in ("failed", "restarting")]


@pytest.mark.parametrize("delivery", ["exactly_once", "at_least_once"])
def test_a_second_judge_takes_over_whatever_its_instance(
    trial: Trial, started: list[subprocess.Popen[str]], delivery: str
) -> None:
    trial.write_config(delivery=delivery)
    path = str(trial.config_path)
    started.append(trial.start("judge", path, "--instance", "0", log="first"))
    await_that("the first one is there", lambda: bool(judged(trial)))
    started.append(trial.start("judge", path, "--instance", "other", log="second"))
    assert started[0].wait(LIMIT_S) == 5, trial.log_text("first")[-4_000:]
    assert trial.log_text("first").splitlines()[-1] == (
        f"error: another run of the judge role of trial '{trial.name}' has taken over: a trial has one, whatever its "
        "--instance; stop one of the two"
    )
    assert started[1].poll() is None


@pytest.mark.parametrize(("role", "protocol"), [("run", "classic"), ("join", "classic"), ("run", "consumer")])
def test_a_second_runner_or_joiner_of_the_instance_takes_over(
    trial: Trial, started: list[subprocess.Popen[str]], role: str, protocol: str
) -> None:
    trial.write_config(kafka={"bootstrap": trial.bootstrap, "group_protocol": protocol})
    path = str(trial.config_path)
    if role == "join":
        started.append(trial.start("run", path, log="runner"))
    started.append(trial.start(role, path, log="first"))
    first = started[-1]
    await_that("the first one works", lambda: any(one["event"] == "assigned" for one in trial.logged("first")))
    started.append(trial.start(role, path, log="second"))
    assert first.wait(LIMIT_S) == 5, trial.log_text("first")[-4_000:]
    assert trial.log_text("first").splitlines()[-1] == (
        f"error: another run of trial '{trial.name}', instance 0, has taken over; stop one of the two, or give "
        "--instance"
    )
    await_that("the second one works", lambda: any(one["event"] == "assigned" for one in trial.logged("second")))
    assert started[-1].poll() is None
