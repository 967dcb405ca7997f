"""A candidate that hangs or ends its process on an input: the input is named, the stream goes on, whoever restarts."""

import json
import time
from collections import Counter

from shadowstream.kafka.call_watch import EXIT_TIMEOUT
from tests.conftest import Say
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.trial_fixture import PARTITIONS, Trial

ORDERS = 60
BAD = {"exits": 10, "ends": 20, "killed": 30, "sleeps": 40, "raises": 50}
CANDIDATE = f"""
import os
import signal
import sys
import time


def judge(order):
    n = order["n"]
    if n == {BAD["exits"]}:
        os._exit(0)
    if n == {BAD["ends"]}:
        sys.exit(0)
    if n == {BAD["killed"]}:
        os.kill(os.getpid(), signal.SIGKILL)
    if n == {BAD["sleeps"]}:
        time.sleep(60)
    if n == {BAD["raises"]}:
        return missing_name
    return {{"id": n, "score": 1.0}}
"""


def by_hand(trial: Trial, restarts_max: int = 12) -> list[int]:
    """The runner, started again whenever it ends, as a person or Kubernetes does; its exit codes."""
    codes: list[int] = []
    while len(codes) < restarts_max and (not codes or codes[-1] != 0 or not _is_done(trial)):
        process = trial.start("run")
        process.communicate(timeout=120)
        codes.append(process.returncode)
    return codes


def _is_done(trial: Trial) -> bool:
    return len({mark["input_partition"] for mark in trial.records("progress") if mark["kind"] == "end"}) == PARTITIONS


def alike(value: bytes) -> bytes:
    return b'{"id": %d, "score": 1.0}' % json.loads(value)["n"]


def test_each_such_input_is_one_outcome_with_its_reason(make_trial: MakeTrial, say: Say) -> None:
    trial = make_trial("ending", CANDIDATE).answered(ORDERS, say=alike)
    trial.write_config(candidate={"call": trial.call, "isolation": "in-process", "trusted": True, "timeout_ms": 2_000})
    began = time.monotonic()
    codes = by_hand(trial)
    say(f"exit codes {codes} in {time.monotonic() - began:.0f} s")
    trial.play("join")
    found = dict(trial.outcomes())
    assert found == {"match": ORDERS - len(BAD), "candidate_error": 2, "crashed": 2, "timeout": 1}
    rows = {row["key"]: row["reason"] for row in trial.records("diff")}
    crashed = "the process ended while the candidate worked on this input alone, twice"
    rows_of_inputs = {name: rows[b"order-%d" % n] for name, n in BAD.items()}
    assert rows_of_inputs == {
        "exits": crashed,
        "ends": "SystemExit: 0",
        "killed": crashed,
        "sleeps": "no answer within candidate.timeout_ms: 2000",
        "raises": "NameError: name 'missing_name' is not defined",
    }
    events = Counter(event["event"] for event in trial.logged("run"))
    assert (events["candidate_crashed"], events["candidate_timeout"]) == (2, 1)
    (timeout,) = [event for event in trial.logged("run") if event["event"] == "candidate_timeout"]
    assert (timeout["topic"], timeout["partition"]) == (trial.input, BAD["sleeps"] % PARTITIONS)
    assert timeout["offset"] == BAD["sleeps"] // PARTITIONS
    assert "time.sleep(60)" in timeout["stack"]
    raised = {event["reason"] for event in trial.logged("run") if event["event"] == "candidate_raised"}
    assert raised == {rows_of_inputs["raises"], rows_of_inputs["ends"]}


SLEEPS = """
import time


def judge(order):
    if order["n"] == 20:
        time.sleep(60)
    return {"id": order["n"], "score": 1.0}
"""


def test_a_call_beyond_the_poll_interval_ends_only_its_own_runner(make_trial: MakeTrial, say: Say) -> None:
    trial = make_trial("outlasting", SLEEPS).answered(ORDERS, say=alike)
    cluster = {"bootstrap": trial.bootstrap, "client": {"max.poll.interval.ms": 46_000}}
    trial.write_config(
        kafka=cluster, candidate={"call": trial.call, "isolation": "in-process", "trusted": True, "timeout_ms": 3_000}
    )
    roles = {one: trial.start("run", "--instance", one, log=f"run{one}") for one in "01"}
    began = time.monotonic()
    try:
        for one in roles.values():
            one.communicate(timeout=120)
    finally:
        for one in roles.values():
            one.kill()
            one.communicate()
    say(f"both ended after {time.monotonic() - began:.0f} s")
    assert sorted(one.returncode for one in roles.values()) == [0, EXIT_TIMEOUT]
    logs = trial.log_text("run0") + trial.log_text("run1")
    assert "give each process an --instance of its own" not in logs
    # On a slow machine the other may have come to its end before; `up` would start the one that ended again. Its own
    # transaction stays open until then, and the joiner would wait for the broker to end it.
    ended = next(name for name, one in roles.items() if one.returncode == EXIT_TIMEOUT)
    again = trial.start("run", "--instance", ended, log="again")
    again.communicate(timeout=120)
    assert again.returncode == 0
    trial.play("join")
    found = dict(trial.outcomes())
    assert found == {"match": ORDERS - 1, "timeout": 1}
    (row,) = [row for row in trial.records("diff") if row["outcome"] == "timeout"]
    assert (row["key"], row["reason"]) == (b"order-20", "no answer within candidate.timeout_ms: 3000")
