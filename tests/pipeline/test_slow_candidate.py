"""A candidate that takes its time: only the lag grows."""

import json
import signal
import time

from shadowstream.testing.ports import free_port
from tests.conftest import Say
from tests.metrics.scraping import Probed
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.trial_fixture import UNBOUNDED
from tests.pipeline.written_records import await_that, ended

VALUE_S = 0.2
SLOW = f"""
import time


def slow(order):
    time.sleep({VALUE_S})
    return order
"""


def test_a_slow_candidate_delays_neither_commits_nor_probes_nor_the_end(make_trial: MakeTrial, say: Say) -> None:
    trial = make_trial("slow-candidate", SLOW, "slow", **UNBOUNDED).answered(600)
    probed = Probed(free_port())
    running = trial.start("run", "--listen", probed.listen)
    try:
        marked: list[int] = []

        def ranges() -> bool:
            found = [mark for mark in trial.records("progress") if mark["kind"] == "range"]
            marked[:] = [mark["to_offset"] - mark["from_offset"] for mark in found]
            return len(marked) >= 5

        await_that("five commits", ranges)
        # A batch of a thousand would have been one commit after two minutes.
        assert max(marked) * VALUE_S < 5, marked
        assert probed.status("/healthz") == 200
        began = time.monotonic()
        running.send_signal(signal.SIGTERM)
        trial.finish(running, "run")
        seconds = time.monotonic() - began
    finally:
        running.kill()
        running.communicate()
    say(f"{VALUE_S} s a value: {len(marked)} commits of {marked} inputs; SIGTERM to the end {seconds:.1f} s")
    assert seconds < 10


SLOW_FROM = 240
TURNS_SLOW = f"""
import time


def turns_slow(order):
    if order["n"] >= {SLOW_FROM}:
        time.sleep({VALUE_S})
    return {{"id": order["n"], "score": 1.0}}
"""
TURNS_SLOW_COMPARE = f"""
import os
import time


def near(production, shadow):
    if production == {SLOW_FROM + 5}.0:
        os._exit(0)
    if production >= {SLOW_FROM}:
        time.sleep({VALUE_S})
    return True
"""


def test_inputs_and_pairs_slow_within_a_batch_are_committed_in_between(make_trial: MakeTrial, say: Say) -> None:
    """Batches grow while values are quick; a batch of slow ones would outlast any interval. A function of `compare`
    that ends its process leaves its one pair uncompared."""
    orders = SLOW_FROM + 36
    rules = [{"path": "score", "call": "trial_checks:near"}]
    trial = make_trial("turns-slow", TURNS_SLOW, "turns_slow", compare={"rules": rules})
    (trial.folder / "trial_checks.py").write_text(TURNS_SLOW_COMPARE, "utf-8")
    trial.answered(orders, say=lambda value: b'{"id": %d, "score": %d.0}' % ((json.loads(value)["n"],) * 2))
    trial.play("run", "join")
    marks = [mark for mark in trial.records("progress") if mark["kind"] == "range"]
    first_slow = SLOW_FROM // 3
    slow = [
        mark["to_offset"] - max(mark["from_offset"], first_slow) for mark in marks if mark["to_offset"] > first_slow
    ]
    stats = trial.records("stats")
    pairs = [sum(sum(window["outcomes"].values()) for window in record["windows"]) for record in stats]
    say(f"slow inputs by commit {slow}; pairs by commit of the joiner {pairs}")
    assert max(slow) <= 8, "a step of a second, and the value in hand"
    assert sum(ended(stats).values()) == orders
    assert ended(stats) == {"tolerated": orders - 2, "match": 1, "uncompared": 1}  # both say 1.0 of order 1
    (row,) = [row for row in trial.records("diff") if row["outcome"] == "uncompared"]
    assert row["reason"] == "trial_checks:near: its process ended with exit code 0"
