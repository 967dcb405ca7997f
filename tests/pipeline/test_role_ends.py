"""On a real broker: a candidate that ends the runner's process loses nothing, whatever the exit code says."""

import pytest

from tests.pipeline.conftest import MakeTrial

ORDERS = 60
ENDS_ONCE = """
import os, signal, sys
from pathlib import Path

END = {end!r}

def judge(order):
    flag = Path(__file__).with_name("ended")
    if order["n"] == 30 and not flag.exists():
        flag.write_text("")
        eval(END)
    return {{"score": order["amount"] / 1000, "customer": {{"id": order["customer"], "model": 2}}}}
"""


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("os._exit(0)", "ended with exit code 0 without having finished"),
        pytest.param("os.kill(os.getpid(), signal.SIGSEGV)", "ended by SIGSEGV", marks=pytest.mark.long),
    ],
)
def test_a_candidate_that_ends_the_process_is_named_and_retried(make_trial: MakeTrial, end: str, reason: str) -> None:
    trial = make_trial("ends-", ENDS_ONCE.format(end=end))
    trial.isolation = "in-process"
    trial.write_config()
    trial.answered(ORDERS)
    result = trial.ask("up", limit_s=120)
    assert result.returncode == 0, result.stderr[-3_000:]
    assert result.stderr.count('"restarting"') == 1
    (line,) = [line for line in result.stderr.splitlines() if '"restarting"' in line]
    assert '"role": "run"' in line
    assert f'"reason": "{reason}"' in line
    assert sum(trial.outcomes().values()) == ORDERS
