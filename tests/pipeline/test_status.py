"""A running trial as `status`, `explain` and `up` show it: through `up`, on a real broker."""

import json
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from shadowstream.testing import Broker
from tests.metrics.test_up import end, stop
from tests.pipeline.trial_fixture import STEP_MS, UNBOUNDED, Production, Trial
from tests.pipeline.written_records import await_that

ORDERS = 300
WINDOW_MS = ORDERS * STEP_MS * 2


def seen(trial: Trial) -> dict[str, Any]:
    done = trial.ask("status", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_a_trial_is_shown_before_its_first_window_closes(kafka: Broker, tmp_path: Path) -> None:
    settings = {**UNBOUNDED, "judge": {"window_ms": WINDOW_MS}}
    trial = Trial(kafka.bootstrap, f"shown-{uuid4().hex[:8]}", tmp_path, settings=settings)
    trial.create_topics()
    up = trial.start("up")
    try:
        await_that("the roles run", lambda: trial.log_text("up").count('"started"') == 3)
        began = time.monotonic()
        before = seen(trial)
        print(f"answered {time.monotonic() - began:.1f} s after `up` had started its roles")
        assert before["decision"] == "not_yet"
        assert [role["name"] for role in before["roles"]] == ["runner", "joiner", "judge"]

        trial.write_orders(range(ORDERS))
        Production(trial).work(ORDERS)
        await_that("every order has ended once", lambda: trial.outcomes().total() >= ORDERS)
        now = seen(trial)
        sides = {side["name"]: side for side in now["sides"]}
        assert {name: side["records"] for name, side in sides.items()} == {
            "inputs": ORDERS,
            "production": ORDERS,
            "candidate": ORDERS,
        }
        assert all(side["per_s"] > 0 for side in sides.values())
        assert (sides["inputs"]["lag"], sides["production"]["lag"]) == (0, 0)
        (window,) = now["windows"]
        assert (window["pairs"], window["differ"], now["windows_closed"]) == (ORDERS, 0, 0)
        assert now["so_far"]["outcomes"] == {"match": ORDERS}
        assert now["began"].startswith("began at ")
        assert all(role["healthy"] for role in now["roles"]), now["roles"]

        text = trial.ask("status").stdout
        assert f"outcomes so far: match {ORDERS} (100 %)" in text
        assert "\x1b" not in text
        explained = trial.ask("explain").stdout
        assert "so far, open windows included: no verdict counts what is open" in explained
        assert f"0 of {ORDERS} pairs differ (0 %)" in explained

        def logged() -> list[dict[str, Any]]:
            return [line for line in trial.logged("up") if line["event"] == "status"]

        await_that("`up` has logged a line", lambda: len(logged()) > 0)
        assert set(logged()[0]["records"]) == {"inputs", "production", "candidate"}
        stop(trial, up)
        last = logged()[-1]
        assert (last["outcomes"], last["verdict"]) == ({"match": ORDERS}, "not_yet")
        assert last["line"].startswith(
            f"inputs {ORDERS} (all read); production {ORDERS} (all read); candidate {ORDERS}"
        )
    finally:
        end(up)
