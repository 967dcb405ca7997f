"""What the joiner reads again: records that a correction is about, and what it had said before a restart."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.reading.correctable_rows import read_correctable
from shadowstream.kafka.reading.refetch import SourceFetcher
from shadowstream.records import Partition
from shadowstream.testing import Broker
from shadowstream.testing.topics import Write, create_topics, produce_all
from tests.pipeline.trial_fixture import config_under

TURN_MAX_S = 1.0


@pytest.fixture
def config(kafka: Broker, topic_prefix: str) -> Config:
    return config_under(topic_prefix, kafka.bootstrap)


def fetched(
    config: Config, wanted: dict[Partition, set[int]], before: Callable[[], None]
) -> tuple[dict[Partition, dict[int, bytes | None]], dict[Partition, set[int]]]:
    """Turn until everything wanted is answered; no turn may take long. `before` is called before the first."""
    fetcher = SourceFetcher(config, admin(config.kafka))
    values: dict[Partition, dict[int, bytes | None]] = {place: {} for place in wanted}
    gone: dict[Partition, set[int]] = {place: set() for place in wanted}
    before()
    deadline = time.monotonic() + 30
    while any(wanted.values()):
        assert time.monotonic() < deadline, wanted
        began = time.monotonic()
        answers = fetcher.turn(lambda: {place: sorted(open_) for place, open_ in wanted.items() if open_})
        assert time.monotonic() - began < TURN_MAX_S
        for place, batch, lost in answers:
            if batch is not None:
                values[place] |= dict(zip(batch.offsets, batch.values, strict=True))
                assert len(batch.headers) == len(batch)
            gone[place] |= set(lost)
            wanted[place] -= {*lost, *(batch.offsets if batch else ())}
        time.sleep(0.002)
    return values, gone


def test_wanted_records_are_found_and_what_is_gone_is_reported_so(kafka: Broker, config: Config) -> None:
    topic = config.production.outputs[0]
    create_topics(kafka.bootstrap, {topic: 3})
    records = [Write(b"%d" % n, b"k", n % 3) for n in range(9_000)]
    produce_all(kafka.bootstrap, topic, records[:6_000])
    produce_all(kafka.bootstrap, topic, records[6_000:], transactional_id=config.name)  # and a marker in each partition

    client = admin(config.kafka)

    def delete() -> None:
        for deleted in client.delete_records([TopicPartition(topic, 1, 100)]).values():
            deleted.result(30)

    wanted = {
        Partition(topic, 0): {0, 1, 2, 500, 501, 1_999, 2_999},
        Partition(topic, 1): {5, 99, 100, 2_000},
        Partition(topic, 2): set(range(0, 3_000, 7)),
    }
    asked = {place: set(numbers) for place, numbers in wanted.items()}
    values, gone = fetched(config, asked, delete)
    assert gone == {Partition(topic, 0): set(), Partition(topic, 1): {5, 99}, Partition(topic, 2): set()}
    assert values == {
        place: {offset: b"%d" % (offset * 3 + place.partition) for offset in numbers - gone[place]}
        for place, numbers in wanted.items()
    }
    marker = Partition(topic, 0), 3_000
    assert fetched(config, {marker[0]: {marker[1]}}, lambda: None) == ({marker[0]: {}}, {marker[0]: {marker[1]}})


def row(task: str, outcome: str, pair_id: str) -> bytes:
    record: dict[str, Any] = {"pair_id": pair_id, "task": task, "outcome": outcome, "revision": "00", "time_ms": 5}
    nothing = dict.fromkeys(("production", "shadow", "input", "reason", "correction_of"))
    return own.encode("diff", {**record, **nothing, "key": b"k", "differences": [], "late": False})


def test_each_tasks_rows_are_read_from_its_floor_to_its_commit(kafka: Broker, config: Config) -> None:
    """Tasks of two families share a partition. The last row is still behind an open transaction at the beginning."""
    topic = config.plan.of("diff")
    create_topics(kafka.bootstrap, {topic: 2})
    outcomes = ("missing", "match", "extra", "mismatch", "match")
    numbers = range(10_000)
    rows = [Write(row(f"{'ab'[n % 2]}/0", outcomes[n // 2 % 5], str(n)), b"%d" % n, 0) for n in numbers]
    produce_all(kafka.bootstrap, topic, rows)
    late = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": config.name})
    late.init_transactions(30)
    late.begin_transaction()
    late.produce(topic, row("a/0", "missing", "late"), b"late", 0)
    assert late.flush(30) == 0
    committing = threading.Timer(0.5, late.commit_transaction)
    committing.start()
    try:
        client = admin(config.kafka)
        assert offsets.ends(client, [Partition(topic, 0)]) == {Partition(topic, 0): len(rows) + 1}
        read = read_correctable(config, client, {"a/0": (0, 100), "b/0": (0, 4_000), "c/1": (1, 0)})
    finally:
        committing.join()
    spoken = [n for n in numbers if outcomes[n // 2 % 5] in ("missing", "extra")]
    assert {task: [one["pair_id"] for one in found] for task, found in read.items()} == {
        "a/0": [*(str(n) for n in spoken if n % 2 == 0 and n >= 100), "late"],
        "b/0": [str(n) for n in spoken if n % 2 == 1 and n >= 4_000],
        "c/1": [],
    }
