"""The judge's ADWIN is river's own, and its import costs a judge's start nothing else of river."""

import subprocess
import sys

import river.drift

from shadowstream.judge.drift.river_adwin import ADWIN

ASK = """
import sys
import shadowstream.judge.step
from shadowstream.judge.drift.river_adwin import ADWIN
assert "scipy.stats" not in sys.modules
import river.drift
assert river.drift.ADWIN is ADWIN
assert river.drift.KSWIN().drift_detected is False
"""


def test_it_is_the_class_of_river() -> None:
    assert ADWIN is river.drift.ADWIN


def test_a_judge_does_not_load_scipy_stats_and_river_drift_stays_whole() -> None:
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
