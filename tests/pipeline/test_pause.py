"""`pause`, `resume` and `sample set` on a running trial with a real broker: inputs wait, and each ends exactly once."""

import json
import time
from collections import Counter
from typing import Any

from shadowstream.runner.selection import is_in_sample
from shadowstream.testing.topics import Write, produce_all
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.role_processes import OBSERVED_S, Running
from tests.pipeline.trial_fixture import UNBOUNDED, Production, Trial
from tests.pipeline.written_records import await_that

DECLARED, SHARE = 0.8, 0.3
FIRST, SECOND, ALL = 120, 240, 360
WHO = ("--by", "ana", "--reason", "quarter end")


def of_share(orders: range, share: float) -> Counter[str]:
    """What orders end as where the candidate is called on this share of the keys."""
    return Counter("match" if is_in_sample(b"order-%d" % n, share) else "sampled_out" for n in orders)


def answered(trial: Trial, to: int) -> None:
    """Production answers the orders from the last ones on."""
    Production(trial).work(to)


def events(trial: Trial, name: str) -> list[dict[str, Any]]:
    return [event for event in trial.logged("run") if event["event"] == name]


def ask(trial: Trial, *words: str) -> str:
    done = trial.ask(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def status(trial: Trial) -> dict[str, Any]:
    found = json.loads(ask(trial, "status", "--json").splitlines()[-1])
    assert isinstance(found, dict)
    return found


def test_a_paused_runner_leaves_nothing_out_and_a_smaller_share_is_counted(make_trial: MakeTrial) -> None:
    candidate = {"call": "trial_candidate:judge", "trusted": True, "isolation": "in-process", "sample": DECLARED}
    trial = make_trial("pause-", **UNBOUNDED, candidate=candidate).answered(FIRST)
    first, second = of_share(range(FIRST), DECLARED), of_share(range(FIRST, SECOND), DECLARED)
    with Running(trial) as running:
        for role in ("run", "join", "judge"):
            running.start(role)
        trial.await_outcomes(first)
        # A record that none can read, and a command of a later release, stop neither.
        strange = [Write(b"no command", b"x", 0), Write(b"", b"y", 0)]
        produce_all(trial.bootstrap, trial.topic("commands"), strange)
        ask(trial, "pause", *WHO)
        await_that("the runner has paused", lambda: bool(events(trial, "runner_steered")))
        trial.write_orders(range(FIRST, SECOND))
        answered(trial, SECOND)
        time.sleep(OBSERVED_S)
        running.kill("run")
        running.start("run")
        await_that("the next runner has paused", lambda: bool(trial.records("progress")[-1]["texts"]))
        time.sleep(OBSERVED_S)
        assert trial.outcomes() == first
        await_that("the verdict says so", lambda: trial.records("verdict")[-1]["steered"] != [])
        shown = status(trial)
        assert shown["sides"][0]["lag"] == SECOND - FIRST
        assert "by ana: quarter end" in shown["steered"][0]
        assert "by ana: quarter end" in ask(trial, "explain")

        ask(trial, "resume", *WHO)
        trial.await_outcomes(first + second)
        ask(trial, "sample set", str(SHARE), *WHO)
        await_that("the runner has the share", lambda: str(SHARE) in events(trial, "runner_steered")[-1]["note"])
        trial.write_orders(range(SECOND, ALL))
        answered(trial, ALL)
        third = of_share(range(SECOND, ALL), SHARE)
        trial.await_outcomes(first + second + third)
        await_that("the verdict is whole", lambda: f"on {SHARE} of" in trial.records("verdict")[-1]["steered"][0])
    (verdict,) = trial.records("verdict")[-1:]
    pairs = (first + second + third)["match"]
    assert (verdict["remainder"], verdict["coverage"]) == (0, 1.0)
    assert all(0 < criterion["n"] <= pairs for criterion in verdict["criteria"] if criterion["rate"] == "mismatch")
    by_key = Counter(key for mark in trial.records("progress") if mark["kind"] == "range" for key in _read(mark))
    assert set(by_key.values()) == {1}, "each input is accounted for by one transaction"
    assert len(by_key) == ALL


def _read(mark: dict[str, Any]) -> list[tuple[int, int]]:
    return [(mark["input_partition"], offset) for offset in range(mark["from_offset"], mark["to_offset"])]
