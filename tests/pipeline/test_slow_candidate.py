"""A candidate that takes its time: only the lag grows."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from shadowstream.testing import Broker
from shadowstream.testing.ports import free_port
from tests.conftest import Say
from tests.metrics.scraping import Probed
from tests.metrics.watched import below
from tests.pipeline.evidence import await_that, records
from tests.pipeline.trial import Production, Trial

VALUE_S = 0.2
SLOW = f"""
import time


def slow(order):
    time.sleep({VALUE_S})
    return order
"""


def test_a_slow_candidate_delays_neither_commits_nor_probes_nor_the_end(
    kafka: Broker, tmp_path: Path, say: Say
) -> None:
    settings = {"start": "earliest", "bounded": False}
    trial = Trial(kafka.bootstrap, "slow-candidate", tmp_path, SLOW, "trial_candidate:slow", settings=settings)
    trial.create_topics()
    trial.write_orders(range(600))
    Production(trial).work(below(600))
    probed = Probed(free_port())
    running = trial.start("run", str(trial.config_path), "--listen", probed.listen)
    try:
        marked: list[int] = []

        def ranges() -> bool:
            found = [mark for mark in records(trial.bootstrap, trial.topic("progress")) if mark["kind"] == "range"]
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
