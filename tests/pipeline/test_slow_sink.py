"""A sink that takes its time: what one commit might hold does not pass the line within the transaction's timeout, and
would not in any process after it. Only the lag grows."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from shadowstream.testing import EmbeddedKafka
from shadowstream.testing.ports import free_port
from shadowstream.testing.proxy import Proxy, proxied
from tests.conftest import Say
from tests.metrics.watched import below
from tests.pipeline.evidence import await_that, ended, records, remainders
from tests.pipeline.roles import UNBOUNDED, Running, last_words
from tests.pipeline.trial import Production, Trial, order

ORDERS = 1_200
TEXTS, TEXT_BYTES = 10, 100
SENT_PER_S = 300_000
"""Bytes; a transaction of all orders takes more than its timeout."""
TRANSACTION_MS = 4_000
COMMITS = 4
DIFFERS = """
def differs(order):
    return {**order, "texts": {name: text[::-1] for name, text in order["texts"].items()}}
"""


def asked(n: int) -> bytes:
    """An order that hardly compresses, and all of which will differ."""
    draw = random.Random(n)
    return json.dumps(
        {**order(n), "texts": {f"t{i}": draw.randbytes(TEXT_BYTES // 2).hex() for i in range(TEXTS)}}
    ).encode()


@dataclass(slots=True)
class Kept:
    """A role that is started again where it ends, as `up` does it. `commits`: outputs of the runner, or outcomes of
    the joiner, by commit and partition."""

    running: Running
    role: str
    restarts: int = 0
    commits: list[int] = field(default_factory=list)

    def done(self, least: int) -> bool:
        """Whether there are so many commits."""
        trial = self.running.trial
        if self.running.processes[f"{self.role}0"].poll() is not None:
            self.restarts += 1
            self.running.start(self.role)
        if self.role == "run":
            marks = [mark for mark in records(trial.bootstrap, trial.topic("progress")) if mark["kind"] == "range"]
            self.commits = [mark["to_offset"] - mark["from_offset"] for mark in marks]
        else:
            self.commits = [n for record in self.running.stats() if (n := ended([record]).total())]
        return len(self.commits) >= least


def test_a_sink_too_slow_for_large_commits_gets_small_ones_and_only_the_lag_grows(tmp_path: Path, say: Say) -> None:
    port, behind, controller = free_port(), free_port(), free_port()
    with (
        Proxy(behind) as proxy,
        EmbeddedKafka(port=port, properties=proxied(port, behind, controller, proxy.port)) as kafka,
    ):
        settings: dict[str, Any] = {**UNBOUNDED, "limits": {"transaction_timeout_ms": TRANSACTION_MS}}
        trial = Trial(kafka.bootstrap, "slow-sink", tmp_path, DIFFERS, "trial_candidate:differs", settings=settings)
        trial.create_topics()
        trial.write_orders(range(ORDERS), asked)
        Production(trial, say=lambda value: value).work(below(ORDERS))
        trial.write_config(kafka={"bootstrap": proxy.bootstrap})
        with Running(trial) as running:
            kept = [Kept(running, role) for role in ("run", "join")]
            for one in kept:
                proxy.sent_per_s = SENT_PER_S if one.role == "run" else None
                running.start(one.role)
                await_that(f"commits of {one.role}", partial(one.done, COMMITS if one.role == "run" else 1))
                say(f"{SENT_PER_S:,} bytes a second: {one.role} {one.commits}, {one.restarts} restarts")
                assert one.role != "run" or sum(one.commits) < ORDERS, "the line was not thin enough"
                proxy.sent_per_s = None
                if one.role == "run":
                    await_that("all are answered", lambda: kept[0].done(0) and sum(kept[0].commits) == ORDERS)
            running.await_outcomes(mismatch=ORDERS)
            assert len(last_words(trial)) == ORDERS
            assert remainders(running.stats()) == {}
    assert kept[0].restarts == 0
    assert kept[1].restarts == 0
