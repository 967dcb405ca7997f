"""The simulator's trials by the real roles, on the broker in memory: `make sim-loop`, a short version of it."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from shadowstream.config import Config
from shadowstream.kafka.reading.runner_snapshots import read_counters
from shadowstream.kafka.roles import runner
from shadowstream.protocol import marks
from shadowstream.records import Partition
from shadowstream.runner import commit_metadata
from shadowstream.testing.simulation import run
from shadowstream.testing.simulation.__main__ import main
from shadowstream.testing.simulation.generator import history
from shadowstream.testing.simulation.history import IDENTITIES
from shadowstream.testing.simulation.on_broker.faults import AT_LEAST_ONCE, COMMITTED, TORN, UNHEARD
from shadowstream.testing.simulation.on_broker.play import AT_LEAST_ONCE as AT_LEAST_ONCE_WAY
from shadowstream.testing.simulation.on_broker.play import ON_BROKER, BrokerTrial
from shadowstream.testing.simulation.run import Way

SEEDS = 12
SEEDS_LONG = 2_000
DYING = range(6, 12)
"""Seeds of every identity in which processes die at each of the calls that matter, wake up as zombies, and have commits
that fail."""
REPEATING = range(25, 32)
"""Seeds without transactions in which a process dies at each of the calls that may repeat records."""
COMMAND = [sys.executable, "-m", "shadowstream.testing.simulation", "--on-broker"]


def trials(*arguments: str) -> subprocess.CompletedProcess[str]:
    """As the make target runs them: one hash seed in all processes."""
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, env=environment, check=False)


def well(*arguments: str) -> str:
    """What is printed of trials of which none shows anything wrong."""
    done = trials(*arguments, "--processes", "1")  # few seeds: a pool would spend more on its imports
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def number_in(text: str, line: str) -> int:
    """The figure of a line of the report, 0 where there is none."""
    found = re.search(rf"^{re.escape(line)} +(\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else 0


def test_whatever_dies_and_wherever_nothing_is_lost_or_repeated() -> None:
    printed = well("--seeds", str(len(DYING)), "--first-seed", str(DYING[0]))
    assert {history(seed).setup.identity for seed in DYING} == {*IDENTITIES}
    deaths = [f"died {phase} {call}" for phase, call in (*TORN, UNHEARD, ("before", "consume"), ("after", "consume"))]
    troubles = [f"trouble: commit_transaction {what}" for what in ("abort", "late")]
    for line in (*deaths, "a zombie woke up", *troubles):
        assert number_in(printed, line), f"no {line}: these seeds prove nothing of it"


def test_without_transactions_crashes_repeat_records_and_no_count_is_wrong() -> None:
    printed = well("--at-least-once", "--seeds", str(len(REPEATING)), "--first-seed", str(REPEATING[0]))
    for phase, call in (*AT_LEAST_ONCE, COMMITTED):
        line = f"died {phase} {call}"
        assert number_in(printed, line), f"no process {line}: these seeds prove nothing of it"


def offences_without_room(
    monkeypatch: pytest.MonkeyPatch, way: Way, seeds: range, read: Callable[..., dict[Partition, marks.Counters]]
) -> tuple[list[str], int]:
    """What was wrong where the counters of no commit of the runner fit its metadata; and how many were read back."""
    named = 0

    def reading(config: Config, wanted: Mapping[Partition, Any], at: Mapping[Partition, int]) -> Any:
        nonlocal named
        named += len(wanted)
        return read(config, wanted, at)

    monkeypatch.setattr(commit_metadata, "METADATA_CHARS_MAX", 0)
    monkeypatch.setattr(runner, "read_counters", reading)
    wrong = [f"{seed}: {offence}" for seed in seeds for offence in run.run_seed(seed, way).offences]
    return wrong, named


def test_counters_that_fit_no_commit_come_back_whatever_dies_and_wherever(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong, named = offences_without_room(monkeypatch, ON_BROKER, range(SEEDS // 3), read_counters)
    assert wrong == []
    assert named >= SEEDS // 3


def test_the_test_before_would_see_counters_that_do_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgets(_: Config, wanted: Mapping[Partition, Any], __: Mapping[Partition, int]) -> Any:
        return dict.fromkeys(wanted, marks.Counters())

    assert offences_without_room(monkeypatch, ON_BROKER, range(SEEDS // 6), forgets)[0]


def test_without_transactions_they_come_back_from_the_mark_that_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong, named = offences_without_room(monkeypatch, AT_LEAST_ONCE_WAY, range(SEEDS // 6), read_counters)
    assert (wrong, named) == ([], 0)


@pytest.mark.long
@pytest.mark.parametrize(
    "arguments", [("--seeds", str(SEEDS_LONG)), ("--at-least-once", "--seeds", str(SEEDS_LONG // 2))], ids=" ".join
)
def test_thousands_of_seeds_show_nothing_wrong(arguments: tuple[str, ...]) -> None:
    print(well(*arguments).splitlines()[-1])


@pytest.mark.parametrize("seeds", ["1", pytest.param("12", marks=pytest.mark.long)])
def test_a_seed_is_the_same_whenever_it_is_played(seeds: str) -> None:
    outputs = (trials("--seeds", seeds, "--first-seed", "20", "--processes", n).stdout for n in ("1", "2"))
    one, other = (re.sub(r"[\d.]+ s in \d processes", "", text) for text in outputs)
    assert one == other


def test_a_failing_seed_prints_its_shrunk_history_and_how_to_repeat_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(BrokerTrial, "offences", lambda self: iter(["planted"] if self.history.inputs else []))
    assert main(["--on-broker", "--seeds", "1", "--first-seed", "9", "--processes", "1"]) == 1
    text = capsys.readouterr().out
    assert "make sim-loop SEEDS=1 FIRST_SEED=9" in text
    small = text.partition("shrunk history:")[2]
    assert small.count(" input ") == 1 < len(history(9).inputs)


def test_an_error_that_a_role_does_not_expect_is_an_offence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shadowstream.kafka.roles.joiner.JoinerRole.tick", lambda self, now_ms: 1 // 0)
    assert any("ZeroDivisionError" in offence for offence in run.run_seed(9, ON_BROKER).offences)
