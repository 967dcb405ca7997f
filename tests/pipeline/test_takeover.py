"""A later run of one trial and instance takes over for good: the older one says so, ends and does not come back."""

import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.pipeline.conftest import MakeTrial
from tests.pipeline.role_processes import Running
from tests.pipeline.trial_fixture import UNBOUNDED, Trial
from tests.pipeline.written_records import await_that

LIMIT_S = 60.0


@pytest.fixture
def trial(make_trial: MakeTrial) -> Trial:
    return make_trial("over-", **UNBOUNDED).answered(30)


@pytest.fixture
def started(trial: Trial) -> Iterator[dict[str, subprocess.Popen[str]]]:
    with Running(trial) as running:
        yield running.processes


def judges(trial: Trial, _log: str) -> bool:
    return bool(trial.records("verdict"))


def works(trial: Trial, log: str) -> bool:
    return any(one["event"] == "assigned" for one in trial.logged(log))


def taken_over(
    trial: Trial,
    started: dict[str, subprocess.Popen[str]],
    role: str,
    is_there: Callable[[Trial, str], bool],
    instances: tuple[str, ...] = ("", ""),
) -> str:
    """What the first one has logged at its end, once a second has been started beside it, which lives."""
    for log, instance in zip(("first", "second"), instances, strict=True):
        started[log] = trial.start(role, *(["--instance", instance] if instance else []), log=log)
        await_that(f"the {log} one is there", lambda log=log: is_there(trial, log))
    assert started["first"].wait(LIMIT_S) == 5, trial.log_text("first")[-4_000:]
    assert started["second"].poll() is None
    return trial.log_text("first")


def test_a_second_up_ends_the_first_for_good_and_goes_on(
    trial: Trial, started: dict[str, subprocess.Popen[str]]
) -> None:
    log_text = taken_over(trial, started, "up", judges)
    whose = f"another run of trial '{trial.name}', instance 0, has taken over; stop one of the two, or give --instance"
    single = f"another run of the judge role of trial '{trial.name}' has taken over: a trial has one"
    last = log_text.splitlines()[-1]
    assert last == f"error: {whose}" or last.startswith(f"error: {single}")
    assert log_text.count("has taken over") == 1
    for log in ("first", "second"):
        assert not [line for line in trial.log_text(log).splitlines() if line.startswith("%")]
        assert "Traceback" not in trial.log_text(log)
    seen = len(trial.records("verdict"))
    await_that("the second one judges", lambda: len(trial.records("verdict")) > seen)
    assert started["second"].poll() is None
    assert not [one for one in trial.logged("second") if one["event"] in ("failed", "restarting")]


@pytest.mark.parametrize("delivery", ["exactly_once", pytest.param("at_least_once", marks=pytest.mark.long)])
def test_a_second_judge_takes_over_whatever_its_instance(
    trial: Trial, started: dict[str, subprocess.Popen[str]], delivery: str
) -> None:
    trial.write_config(delivery=delivery)
    log_text = taken_over(trial, started, "judge", judges, ("0", "other"))
    assert log_text.splitlines()[-1] == (
        f"error: another run of the judge role of trial '{trial.name}' has taken over: a trial has one, whatever its "
        "--instance; stop one of the two"
    )


@pytest.mark.parametrize(
    ("role", "protocol"),
    [pytest.param("run", "classic", marks=pytest.mark.long), ("join", "classic"), ("run", "consumer")],
)
def test_a_second_runner_or_joiner_of_the_instance_takes_over(
    trial: Trial, started: dict[str, subprocess.Popen[str]], role: str, protocol: str
) -> None:
    trial.write_config(kafka={"bootstrap": trial.bootstrap, "group_protocol": protocol})
    if role == "join":
        started["runner"] = trial.start("run", log="runner")
    assert taken_over(trial, started, role, works).splitlines()[-1] == (
        f"error: another run of trial '{trial.name}', instance 0, has taken over; stop one of the two, or give "
        "--instance"
    )
