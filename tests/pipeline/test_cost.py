"""On the broker: a candidate that burns CPU time on a known share of inputs is rejected for it, a cheap one is not."""

import json
from typing import Any

import pytest

from shadowstream.judge.evidence.rate_bounds import percent
from tests.conftest import Say
from tests.pipeline.candidates import SAME
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.written_records import remainders, totals

ORDERS = 1_200
EACH = 10
BURNT_MS = 12
BURNING = (
    SAME
    + f"""
import time


def burning(order):
    if order["n"] % {EACH} == 0:
        began = time.thread_time()
        while time.thread_time() - began < {BURNT_MS / 1000}:
            pass
    else:
        time.sleep(0.0001)  # waiting is no CPU time
    return judge(order)
"""
)
CRITERIA: list[dict[str, Any]] = [
    {"rate": "mismatch", "limit": 0.01},
    {"rate": "cost", "reference_ms": 4.0, "ratio": 2.0, "limit": 0.05},
]


@pytest.mark.parametrize(
    ("call", "decision", "costly"), [("burning", "reject", ORDERS // EACH), ("judge", "promote", 0)]
)
def test_inputs_that_take_too_long_decide(
    call: str, decision: str, costly: int, make_trial: MakeTrial, say: Say
) -> None:
    trial = make_trial(f"cost-{call}", BURNING, call, judge={"criteria": CRITERIA}).answered(ORDERS)
    trial.play("run", "join", "judge")

    stats = trial.records("stats")
    counted = totals(stats)
    assert counted["cost_measured:8ms"] == counted["input"] == ORDERS
    # No input but those that burn takes so long; a pause of the collector or of the machine may make it a few more.
    assert costly <= counted["cost_over:8ms"] <= costly + ORDERS // 200
    assert remainders(stats) == {}
    judged_verdict = trial.records("verdict")[-1]
    (cost,) = [one for one in judged_verdict["criteria"] if one["rate"] == "cost"]
    assert (cost["n"], cost["s"]) == (ORDERS, counted["cost_over:8ms"])
    assert (cost["shown_bad"], cost["shown_good"]) == (decision == "reject", decision == "promote")
    assert judged_verdict["decision"] == decision, judged_verdict["reasons"]

    explained = trial.ask("explain", "--max-age", "1d").stdout
    state = "shown bad" if decision == "reject" else "shown good"
    share = percent(cost["s"] / ORDERS, 3)
    line = f"  cost: {state}: {share} bad ({cost['s']:,} of {ORDERS:,} inputs answered), limit 5 %"
    assert line in explained, explained
    assert "note: cost: that production takes 4 ms of CPU time an input is the config's word" in explained
    # The counts stand in the marks, so judging again measures nothing again.
    for more in ((), ("--from-topics",)) if decision == "reject" else ():
        again = json.loads(trial.ask("replay", "--json", *more).stdout)
        assert again["evidence_digest"] == judged_verdict["evidence_digest"]
    say(f"{call}: {cost['s']} of {cost['n']} inputs over 8 ms, {judged_verdict['decision']}: {line.strip()}")
