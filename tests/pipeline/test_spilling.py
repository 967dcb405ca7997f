"""kill -9 of joiners whose values lie in a file: it dies with the process, and Kafka has everything still."""

import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from shadowstream.testing.topics import Write, produce_all
from tests.conftest import Say
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.role_processes import Running, commit, last_words
from tests.pipeline.trial_fixture import FIRST_MS, PARTITIONS, Trial, below
from tests.pipeline.written_records import await_that, ended, remainders

ORDERS = 9_000
"""More than a batch of the joiner in each partition, or one side would be read in one go."""
TEXT_BYTES = 600
BOUND = 1_000_000
"""Bytes; half of either side waits at once, whichever is held: three times as much."""
KILLS = 2
SAME = "def same(order):\n    return order\n"


def asked(n: int) -> Write:
    text = f"{n * 2_654_435_761 % 2**64:x}".rjust(TEXT_BYTES, "x")
    return Write(json.dumps({"n": n, "text": text}).encode(), b"order-%d" % n, n % PARTITIONS, FIRST_MS + n)


def spilled(trial: Trial) -> Counter[str]:
    """What the joiners have said of their files, by event."""
    return Counter(line["event"] for line in trial.logged("join"))


def spilling_events(trial: Trial, times: int) -> bool:
    """Whether so many joiners have said that they spill."""
    return spilled(trial)["values_spilled"] >= times


def test_joiners_killed_with_spilled_values_lose_nothing_and_repeat_nothing(
    make_trial: MakeTrial, tmp_path: Path, say: Say
) -> None:
    limits: dict[str, Any] = {"commit_ms": 50, "commit_records": 500, "pending_bytes_max": BOUND, "overflow": "spill"}
    limits["spill_dir"] = str(tmp_path)
    trial = make_trial("spill-killed", SAME, "same", limits=limits)
    produce_all(trial.bootstrap, trial.input, [asked(n) for n in range(ORDERS)])
    produce_all(trial.bootstrap, trial.output, [asked(n) for n in reversed(range(ORDERS))])
    commit(trial, trial.group, below(ORDERS))
    trial.play("run")
    with Running(trial) as running:
        for kill in range(1, KILLS + 1):
            running.start("join")
            await_that("values are in a file", partial(spilling_events, trial, kill))
            running.kill("join")
        before = ended(running.stats()).total()
        running.start("join")
        trial.finish(running.processes.pop("join0"), "join")
        stats = running.stats()
    found = spilled(trial)
    say(f"{KILLS} kills with values in the file, {before:,} of {ORDERS:,} pairs before the last start; {dict(found)}")
    assert ended(stats) == {"match": ORDERS}
    assert remainders(stats) == {}
    assert len(last_words(trial)) == len(trial.records("diff")) == ORDERS
    assert found["spilled_values_back"]
    beside = {"__pycache__"}  # of the candidate's module
    assert {path.name for path in tmp_path.iterdir() if path.suffix not in {".yaml", ".py", ".err"}} <= beside
