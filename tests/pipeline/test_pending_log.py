"""kill -9 of a joiner while tens of thousands of records wait in any order: its log is read back exactly."""

import json
import os
import random
import signal
import threading
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import Producer

from shadowstream.joiner.recovery.pending_log import LOG_ABOVE
from shadowstream.testing import EmbeddedKafka
from shadowstream.testing.topics import Write, produce_all, read_all
from tests.conftest import Say
from tests.pipeline.follower import Follower
from tests.pipeline.role_processes import commit
from tests.pipeline.test_restart import job_of_its_own
from tests.pipeline.trial_fixture import FIRST_MS, beside
from tests.pipeline.written_records import await_that, ended, remainders

RECORDS = 2 * LOG_ABOVE
BAD_ONE_IN = 100
KILLS = 8
PER_S = 1_500
"""Of the candidate: while it writes, some hundred records leave the pending set of each commit."""
SEED = 20


def value(n: int, bad: bool = False) -> bytes:
    return json.dumps({"n": n, "score": n + bad}).encode()


@pytest.mark.long
def test_kills_of_a_joiner_with_a_log_lose_and_double_nothing(tmp_path: Path, say: Say) -> None:
    drawn = random.Random(SEED)
    order = drawn.sample(range(RECORDS), RECORDS)
    bad = {n for n in range(RECORDS) if n % BAD_ONE_IN == 0}
    logged: list[int] = []
    with EmbeddedKafka() as broker:
        trial = job_of_its_own(broker.bootstrap, "pending-log", tmp_path)
        produce_all(trial.bootstrap, trial.input, [Write(b"{}", b"0", 0, FIRST_MS)])
        written = [Write(value(n), b"%d" % n, 0, FIRST_MS + n) for n in range(RECORDS)]
        produce_all(trial.bootstrap, trial.output, written)
        commit(trial, trial.group, {0: 1})
        commit(trial, f"{trial.name}-next", {0: 0})

        def answer(over: threading.Event) -> None:
            producer = Producer({"bootstrap.servers": trial.bootstrap, "enable.idempotence": True, "linger.ms": 5})
            for done, n in enumerate(order):
                producer.produce(f"{trial.name}-next", value(n, n in bad), b"%d" % n, 0, timestamp=FIRST_MS + n)
                if done % PER_S == 0:
                    producer.flush(10)
                    over.wait(1)  # once the block is left, as fast as it goes
            producer.flush(60)

        watcher, joiner = trial.start("run"), trial.start("join", "--json")
        stats = Follower(trial.bootstrap, trial.topic("stats"))
        found = []
        try:
            await_that(
                "all of production waits", lambda: bool(new := stats.new()) and new[-1]["pending"] == RECORDS, 120
            )
            with beside(answer):
                for kill in range(KILLS):
                    await_that(f"there is a commit before kill {kill}", lambda: bool(stats.new()), 60)
                    threading.Event().wait(drawn.uniform(0, 0.4))  # any moment of a commit
                    os.kill(joiner.pid, signal.SIGKILL)
                    joiner.communicate()
                    joiner = trial.start("join", "--json")
            expected = Counter(match=RECORDS - len(bad), mismatch=len(bad))
            trial.await_outcomes(expected, 120)
            found = trial.records("stats")
            restored = [json.loads(line) for line in trial.log_text("join").splitlines() if '"restored"' in line]
            logged = [one["pending"] for one in restored if one["pending"] > LOG_ABOVE]
        finally:
            for process in (watcher, joiner):
                process.kill()
                process.communicate()
            stats.close()
        log = [one.key for one in read_all(trial.bootstrap, trial.topic("state")) if one.key and b" base " in one.key]
        rows = Counter(row["pair_id"] for row in trial.records("diff"))
    say(f"{KILLS} kills of a joiner; restored with {logged} records that waited in random order")
    assert len(logged) > 1
    assert log, "no commit wrote a log"
    assert ended(found) == Counter(match=RECORDS - len(bad), mismatch=len(bad))
    assert remainders(found) == {}
    assert [record["seq"] for record in found] == list(range(1, len(found) + 1))
    assert len(rows) == rows.total() == len(bad)
