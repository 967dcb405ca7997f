"""The gate as a release pipeline asks it: a process, an exit code. Exit codes 1 and 2: test_cli_errors.py."""

import json

from tests.pipeline.conftest import MakeTrial
from tests.pipeline.demo_run import Demo
from tests.pipeline.test_external_candidate import running
from tests.pipeline.written_records import await_that

CODES = {"same": 0, "worse": 3, "late-bug": 3}


def test_the_exit_code_follows_the_candidates_own_fresh_verdict(demo: Demo) -> None:
    asked = demo.gate()
    assert asked.returncode == CODES[demo.candidate], asked.stderr
    answer = json.loads(asked.stdout)
    assert (answer["decision"], answer["revision"]) == (demo.verdict["decision"], demo.verdict["revision"])

    foreign = demo.gate("--revision", "0" * 64)
    assert foreign.returncode == 4
    assert demo.verdict["revision"][:16] in json.loads(foreign.stdout)["reasons"][0]

    stale = demo.gate("--max-age", "0")
    assert stale.returncode == 4
    answer = json.loads(stale.stdout)
    assert (answer["decision"], answer["gate"]["judged"]) == ("not_yet", demo.verdict["decision"])


def test_before_any_window_has_closed_it_is_4(make_trial: MakeTrial) -> None:
    trial = make_trial("gate-early")
    early = trial.ask("gate", "--json")
    assert (early.returncode, json.loads(early.stdout)["gate"]["judged"]) == (4, None)

    with running(trial, "judge"):
        await_that("the judge has spoken", lambda: bool(trial.records("verdict")))
        asked = trial.ask("gate", "--json")
    answer = json.loads(asked.stdout)
    assert (asked.returncode, answer["windows_closed"], answer["gate"]["judged"]) == (4, 0, "not_yet")
    assert "no window" in answer["reasons"][0]
