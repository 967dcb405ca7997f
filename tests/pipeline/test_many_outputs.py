"""Counters that no commit has room for, on a real broker: kill -9 several times, and the runner has counted once."""

import base64
import hashlib
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from shadowstream.kafka.client import offsets
from shadowstream.protocol import marks
from shadowstream.protocol.headers import PACKED_HEADER, unpack
from shadowstream.records import Partition
from shadowstream.testing import Broker
from shadowstream.testing.topics import create_topics, read_all
from tests.conftest import Say
from tests.pipeline.role_processes import Running
from tests.pipeline.trial_fixture import PARTITIONS, UNBOUNDED, Trial
from tests.pipeline.written_records import await_that

KILLS = 2
TOPICS = 30
CANDIDATE = """
from shadowstream import Output
TOPICS = {topics}


def judge(order):
    return [Output(order["n"], topic=topic) for topic in TOPICS[order["n"] % 7 :]]
"""


def name(n: int) -> str:
    """An output topic whose name does not compress: a few say as much as hundreds of partitions of one."""
    digest = hashlib.sha512(b"a%d" % n).digest() + hashlib.sha512(b"b%d" % n).digest()
    return f"{n:02d}-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


@pytest.fixture
def trial(kafka: Broker, tmp_path: Path) -> Trial:
    topics = [name(n) for n in range(TOPICS)]
    settings: dict[str, Any] = {
        **UNBOUNDED,
        "production": {"outputs": topics},
        "candidate": {"call": "wide:judge", "trusted": True, "partitioner": "input"},
    }
    made = Trial(kafka.bootstrap, "wide", tmp_path, CANDIDATE.format(topics=topics), "wide:judge", settings=settings)
    create_topics(kafka.bootstrap, {made.input: PARTITIONS, **dict.fromkeys(topics, 1)})
    return made


def counters_of(trial: Trial) -> dict[Partition, marks.Counters]:
    """What the last mark of each input partition counts."""
    counted = (m for m in trial.records("progress") if m["counters"] is not None)
    return {
        Partition(one["input_topic"], one["input_partition"]): marks.Counters.of(one["counters"]) for one in counted
    }


def written(trial: Trial) -> tuple[Counter[tuple[int, str]], Counter[tuple[str, int, int]]]:
    """Outputs that are there, by input partition and output topic; and by topic and the input that each comes from."""
    counts: Counter[tuple[int, str]] = Counter()
    each: Counter[tuple[str, int, int]] = Counter()
    topics = trial.config.production.outputs
    with ThreadPoolExecutor(10) as pool:  # a reader waits most of its time
        found = list(pool.map(partial(read_all, trial.bootstrap), map(trial.config.plan.out, topics)))
    for topic, reads in zip(topics, found, strict=True):
        for read in reads:
            at = unpack(dict(read.headers)[PACKED_HEADER]).coordinate
            counts[at.partition, f"{topic}/0"] += 1
            each[topic, at.partition, at.offset] += 1
    return counts, each


def has_read(trial: Trial, least: int) -> bool:
    return sum(one.read for one in counters_of(trial).values()) >= least


def test_killed_again_and_again_a_runner_of_many_outputs_counts_once(trial: Trial, say: Say) -> None:
    orders = 0
    with Running(trial) as running:
        for kill in range(KILLS + 1):
            running.start("run")
            # While it starts and works, so that kills fall within commits as well as between them.
            for _ in range(5):
                trial.write_orders(range(orders, orders + 15))
                orders += 15
                time.sleep(0.05)
            least = orders - 15 * 2 if kill < KILLS else orders
            await_that(f"{least} inputs read", partial(has_read, trial, least))
            if kill < KILLS:
                running.kill("run")
        running.stop("run")
    inputs = [Partition(trial.input, partition) for partition in range(PARTITIONS)]
    group = trial.config.plan.group("runner")
    commits = offsets.commits(AdminClient({"bootstrap.servers": trial.bootstrap}), group, inputs)
    assert {metadata[0] for _, metadata in commits.values()} == {"2"}
    counts, each = written(trial)
    assert set(each.values()) == {1}
    assert len(each) == sum(TOPICS - n % 7 for n in range(orders))
    counters = counters_of(trial)
    assert {place.partition: one.read for place, one in counters.items()} == dict.fromkeys(range(3), orders // 3)
    assert {(p.partition, to): n for p, one in counters.items() for to, n in one.written.items()} == counts
    assert "ShadowstreamBug" not in trial.log_text("run")
    events = [line["event"] for line in trial.logged("run")]
    assert events.count("assigned") == KILLS + 1
    say(f"{orders:,} orders, {KILLS} kills, {len(each):,} outputs in {TOPICS} topics: each once, and counted once")
