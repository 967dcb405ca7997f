"""A whole trial is promoted and handed over by the printed lines alone, and back, whoever is killed on the way."""

import json
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Say
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.kafka_tools import Shell
from tests.pipeline.role_processes import Running
from tests.pipeline.takeover_run import Takeover, lines_of, offsets_of
from tests.pipeline.trial_fixture import PARTITIONS, UNBOUNDED, Trial, time_ms
from tests.pipeline.written_records import await_that

ECHO = "def judge(order):\n    return order\n"
JUDGE = {"window_ms": 3_600_000, "min_duration_ms": 0, "criteria": [{"rate": "mismatch", "limit": 0.02}]}
OLD_TIMES = ("--max-age", "20000d")
ORDERS = 1_000
AT_ONCE_S = 120.0


def plan_of(trial: Trial, *more: str) -> tuple[int, dict[str, Any]]:
    done = trial.ask("handover", "--by", "ann", "--watch", "1s", *OLD_TIMES, *more, "--json")
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def final_plan(trial: Trial, *more: str) -> dict[str, Any]:
    """The plan once it is final: a killed member stays for its session, its transaction for its time-out."""
    deadline = time.monotonic() + AT_ONCE_S
    while True:
        code, plan = plan_of(trial, *more)
        if code == 0:
            return plan
        assert (code, plan["final"], plan["recorded"]) == (4, False, None)
        assert time.monotonic() < deadline, plan["obstacles"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("how", "new_group", "seed"),
    [("killed", None, 1), ("killed", None, 2), ("killed", "next", 3), ("killed", "next", 4), ("stopped", None, 5)],
)
def test_every_input_is_answered_once_over_both_versions_and_back(
    make_trial: MakeTrial, tmp_path: Path, say: Say, how: str, new_group: str | None, seed: int
) -> None:
    dice = random.Random(f"{seed} {how} {new_group}")
    trial = make_trial("handover-", ECHO, judge=JUDGE, **UNBOUNDED)
    end = signal.SIGTERM if how == "stopped" else signal.SIGKILL
    group = f"{trial.name}-{new_group}" if new_group else trial.group
    more = ("--new-group", group) if new_group else ()
    with (
        Running(trial) as running,
        Takeover(trial.bootstrap, trial.input, trial.output, Shell(trial.folder), PARTITIONS, time_ms) as takeover,
    ):
        old = takeover.start("old", trial.group, "earliest")
        takeover.write(ORDERS)
        for role in ("run", "join", "judge"):
            running.start(role)
        await_that("the gate says promote", lambda: trial.ask("gate", *OLD_TIMES).returncode == 0, AT_ONCE_S)
        assert plan_of(trial, *more)[0] == 4
        takeover.write(300)
        time.sleep(dice.random())
        takeover.stop(old, end)
        takeover.write(dice.randrange(1, 200))

        plan = final_plan(trial, *more)
        await_that("audit has it", lambda: trial.records("audit")[-1]["handover"] is not None)
        recorded = trial.records("audit")[-1]["handover"]
        assert (recorded["by"], recorded["group"], recorded["offsets"]) == (
            *("ann", trial.group),
            plan["recorded"]["offsets"],
        )
        for role in ("run", "join", "judge"):
            running.stop(role)
        takeover.shell.run(lines_of(plan["steps"]))
        new = takeover.start("new", group)
        takeover.await_answers(takeover.written - 100)
        assert all(first >= offsets_of(plan)[at] for at, first in takeover.firsts("new").items())
        takeover.write(400)
        time.sleep(dice.random())
        takeover.stop(new, end)
        await_empty(takeover, group)
        takeover.shell.run(lines_of(plan["way_back"], but=("Only where the new version's answers must be replaced",)))
        takeover.write(50)
        takeover.start("again", trial.group)
        takeover.check_each_once(["old", "new", "again"])
        answered = Counter(version for _, version in takeover.answers().elements())
        shares = ", ".join(f"{version} {answered[version]:,}" for version in ("old", "new", "again"))
        say(f"{takeover.written:,} inputs, each answered once ({shares}); the versions {how}, group {group}")


def await_empty(takeover: Takeover, group: str) -> None:
    """As the printed check says: until the group is empty and no transaction holds its commits."""
    line = f"kafka-consumer-groups --bootstrap-server {takeover.bootstrap} --describe --state --group {group}"
    await_that("the group is empty", lambda: "Empty" in takeover.shell.run([line]), AT_ONCE_S)
