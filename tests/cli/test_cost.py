"""CPU of the commands that people wait for, as a fresh process spends it."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked
from tests.cli.test_diff import Stored, row
from tests.cli.verdict_topic import Judged

HELP_S = 0.5
LIMITS_S = {"validate": 0.6, "gate": 0.6, "diff": 0.6, "status": 2.0}
TRIES = 3
"""Runs of each command; the cheapest counts: a loaded machine makes each CPU second do less."""


def cpu_s(*words: str, cwd: Path | None = None) -> float:
    """The least CPU seconds of the program over several runs."""
    spent = []
    for _ in range(TRIES):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "shadowstream", *words]
        env = {**os.environ, "PYTHONPATH": str(forked.ROOT)}
        done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=60, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stderr
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


def test_the_help_costs_less_than_half_a_cpu_second() -> None:
    assert cpu_s("--help") < HELP_S


@pytest.mark.parametrize(("word", "limit_s"), LIMITS_S.items())
def test_the_commands_people_wait_for_cost_less_than_their_limit(word: str, limit_s: float, judged: Judged) -> None:
    judged.say("promote")
    Stored(judged.path, judged.bootstrap).store(row("scores/0/1"), row("scores/0/2", "missing"))
    assert cpu_s(word, str(judged.path), cwd=judged.path.parent) < limit_s
