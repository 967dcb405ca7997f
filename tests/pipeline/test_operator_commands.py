"""What people say by the command line, to a running judge on a real broker: it is in the verdict, and no evidence."""

import json
import time
from typing import Any

import pytest

from shadowstream.protocol.command_signatures import REPEATED
from shadowstream.testing.topics import Write, produce_all, read_all
from tests.pipeline.candidates import SAME
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.role_processes import Running
from tests.pipeline.trial_fixture import UNBOUNDED
from tests.pipeline.written_records import await_that

ORDERS, WRONG_FROM = 1_000, 600
LATE_WRONG = (
    SAME
    + f"""

def turns_wrong(order):
    said = judge(order)
    if order["n"] >= {WRONG_FROM}:
        said["score"] += 1
    return said
"""
)
# Not critical: else it would be rejected, and nobody could open the gate but by hand.
CRITERION = {"rate": "mismatch", "limit": 0.01, "unit": "block", "critical": False}


def test_acknowledged_muted_and_overridden_by_command_until_it_ends(
    make_trial: MakeTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNING_KEY", "another key of 16 characters")
    keys = {"commands_key": "a key of 16 characters", "signing_keys": ["${SIGNING_KEY}"]}
    settings = {**UNBOUNDED, "judge": {"criteria": [CRITERION], **keys}}
    trial = make_trial("people", LATE_WRONG, "turns_wrong", **settings).answered(ORDERS)

    def last() -> dict[str, Any]:
        found = trial.records("verdict")
        return found[-1] if found else {"incidents_open": []}

    def refusals() -> list[str]:
        return [event["reason"] for event in trial.logged("judge") if event["event"] == "command_refused"]

    def ask(*words: str, code: int = 0) -> str:
        done = trial.ask(*words)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    with Running(trial) as running:
        for role in ("run", "join", "judge"):
            running.start(role)
        await_that("an incident is open", lambda: bool(last()["incidents_open"]))
        before = last()
        (row,) = (json.loads(line) for line in ask("alerts list", "--json").splitlines())
        (incident,) = before["incidents_open"]
        assert (row["incident"], row["state"], row["acknowledged_by"]) == (incident, "open", None)
        assert "not acknowledged yet" in ask("explain")
        assert "is not proven" not in ask("gate", code=4)
        assert ask("verify").startswith("genuine: ")

        ask("alerts ack", incident, "--by", "ann", "--reason", "rolled back")
        ask("alerts mute", incident, "--by", "bob", "--for", "1h")
        await_that("the judge has heard both", lambda: last()["incidents"][0]["muted_by"] == "bob")
        found = last()["incidents"][0]
        assert (found["acknowledged_by"], found["acknowledged_reason"]) == ("ann", "rolled back")
        text = ask("explain")
        assert "ann acts on it: rolled back; muted by bob until 20" in text
        assert f"incident {incident} is open" in ask("gate", code=4), "whoever acts on it, it is open"

        who = ("--by", "cem", "--reason", "the new scores are right")
        answer = json.loads(ask("override", "--decision", "promote", *who, "--for", "12s", "--json"))
        assert "overridden to promote by cem" in ask("gate")
        await_that("the judge has heard it", lambda: last()["override"] is not None)
        assert last()["override"] == {name: answer[name] for name in ("decision", "by", "reason", "at_ms", "until_ms")}
        running.kill("judge")
        running.start("judge")
        first = read_all(trial.bootstrap, trial.topic("commands"))[0]
        produce_all(trial.bootstrap, trial.topic("commands"), [Write(first.value, first.key, 0)])
        await_that("the judge refuses a copy of an older command", lambda: refusals() == [REPEATED])
        time.sleep(max(0.0, answer["until_ms"] / 1000 - time.time()))
        assert "the override to promote by cem ended at" in ask("gate", code=4)

        ask("alerts mute", incident, "--by", "bob", "--for", "0")
        await_that("the judge continues", lambda: last()["incidents"][0]["muted_until_ms"] != found["muted_until_ms"])
        after = last()
    assert (after["decision"], after["evidence_digest"]) == (before["decision"], before["evidence_digest"])
    assert after["incidents"][0]["acknowledged_by"] == "ann", "it remembers what it was told before it was killed"
    names = ("event", "detector", "criterion", "window_end_ms")
    events = [tuple(event[name] for name in names) for event in trial.records("drift")]
    assert len(events) == len(set(events))
