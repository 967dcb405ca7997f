"""A sink that takes its time: what one commit might hold does not pass the line within the transaction's timeout, and
would not in any process after it. Only the lag grows."""

import json
import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shadowstream.testing import EmbeddedKafka
from shadowstream.testing.ports import free_port
from shadowstream.testing.proxy import Proxy, proxied
from tests.conftest import Say
from tests.pipeline.role_processes import Running, last_words
from tests.pipeline.trial_fixture import UNBOUNDED, Production, Trial, order
from tests.pipeline.written_records import await_that, ended, remainders

ORDERS = 1_200
FIRST = 30
"""Without any answer of production's no start is pinned."""
TEXTS, TEXT_BYTES = 10, 100
SENT_PER_S = 300_000
"""Bytes; a transaction of all orders takes more than its timeout."""
THINNER_PER_S = 10_000
"""Where rows of diff hold no difference."""
TRANSACTION_MS = 4_000
COMMITS = 4
SILENT = "def silent(order):\n    return []\n"
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
            marks = [mark for mark in trial.records("progress") if mark["kind"] == "range"]
            self.commits = [mark["to_offset"] - mark["from_offset"] for mark in marks]
        else:
            self.commits = [n for record in self.running.stats() if (n := ended([record]).total())]
        return len(self.commits) >= least

    def die(self) -> int:
        """kill -9 and a successor; how many commits there were."""
        self.running.kill(self.role)
        self.running.start(self.role)
        self.done(0)
        return len(self.commits)


@pytest.fixture(scope="module")
def line() -> Iterator[tuple[Proxy, EmbeddedKafka]]:
    """A broker of these tests' own, and the proxy through which the roles reach it."""
    port, broker_port, controller = free_port(), free_port(), free_port()
    with (
        Proxy(broker_port) as proxy,
        EmbeddedKafka(port=port, properties=proxied(port, broker_port, controller, proxy.port)) as kafka,
    ):
        yield proxy, kafka


def trial_through(line: tuple[Proxy, EmbeddedKafka], name: str, folder: Path, candidate: str, call: str) -> Trial:
    """A trial whose roles reach the broker through the proxy, and the test directly."""
    proxy, kafka = line
    proxy.sent_per_s = None
    settings: dict[str, Any] = {**UNBOUNDED, "limits": {"transaction_timeout_ms": TRANSACTION_MS}}
    trial = Trial(kafka.bootstrap, name, folder, candidate, f"trial_candidate:{call}", settings=settings)
    trial.create_topics()
    trial.write_config(kafka={"bootstrap": proxy.bootstrap})
    return trial


def ask_and_answer(trial: Trial, orders: range) -> None:
    """Orders, and production's answers."""
    trial.write_orders(orders, asked)
    Production(trial, say=lambda value: value).work(orders.stop)


def test_a_slow_sink_gets_small_commits_and_only_lag_grows(
    line: tuple[Proxy, EmbeddedKafka], tmp_path: Path, say: Say
) -> None:
    trial, (proxy, _) = trial_through(line, "slow-sink", tmp_path, DIFFERS, "differs"), line
    with Running(trial) as running:
        ask_and_answer(trial, range(ORDERS))
        runner, joiner = kept = [Kept(running, role) for role in ("run", "join")]
        for one in kept:
            proxy.sent_per_s = SENT_PER_S
            running.start(one.role)
            await_that(f"commits of {one.role}", partial(one.done, COMMITS))
            say(f"{SENT_PER_S:,} bytes a second: {one.role} {one.commits}, {one.restarts} restarts")
            assert sum(one.commits) < ORDERS, "the line was not thin enough"
            if one is runner:
                proxy.sent_per_s = None
                await_that("all are answered", lambda: runner.done(0) and sum(runner.commits) == ORDERS)
        # Its successor reads again what this one has read, with what is new among it.
        before = joiner.die()
        await_that("its successor's commits", lambda: joiner.done(before + 2))
        say(f"{SENT_PER_S:,} bytes a second, after kill -9: join {joiner.commits[before:]}")
        proxy.sent_per_s = None
        running.await_outcomes(mismatch=ORDERS)
        assert len(last_words(trial)) == ORDERS
        assert remainders(running.stats()) == {}
        assert (runner.restarts, joiner.restarts) == (0, 0)
        assert "commit_failed" not in trial.log_text("join")


def test_what_one_mark_ends_goes_out_in_commits_that_pass(
    line: tuple[Proxy, EmbeddedKafka], tmp_path: Path, say: Say
) -> None:
    trial, (proxy, _) = trial_through(line, "slow-mark", tmp_path, SILENT, "silent"), line
    with Running(trial) as running:
        ask_and_answer(trial, range(FIRST))
        running.start("run")
        running.start("join")
        await_that("the start is pinned", lambda: any(mark["kind"] == "start" for mark in trial.records("starts")))
        running.processes["run0"].send_signal(signal.SIGSTOP)  # its marks come when all that they end is there
        ask_and_answer(trial, range(FIRST, ORDERS))
        running.await_read(trial.output, ORDERS)
        assert ended(running.stats()).total() <= FIRST
        proxy.sent_per_s = THINNER_PER_S
        running.processes["run0"].send_signal(signal.SIGCONT)
        joiner = Kept(running, "join")
        await_that("commits", partial(joiner.done, COMMITS))
        say(f"{THINNER_PER_S:,} bytes a second: {joiner.commits} ended by marks")
        assert sum(joiner.commits) < ORDERS, "the line was not thin enough"
        before = joiner.die()
        await_that("its successor's commits", lambda: joiner.done(before + 1))
        proxy.sent_per_s = None
        running.await_outcomes(missing=ORDERS)
        assert len(last_words(trial)) == ORDERS
        assert remainders(running.stats()) == {}
        assert joiner.restarts == 0
        assert "commit_failed" not in trial.log_text("join")
