"""On the broker: bombs that the client cannot decompress, or that are too large to decode. Each costs itself only."""

from collections import Counter
from typing import Any

import pytest
from confluent_kafka import Producer

from shadowstream.testing import Broker
from shadowstream.testing.topics import Write, produce_all, read_all
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.test_external_candidate import adopted, running
from tests.pipeline.test_joiner_memory import peak_mb, resident_mb
from tests.pipeline.trial_fixture import PARTITIONS, UNBOUNDED, Trial, time_ms
from tests.pipeline.written_records import await_that, remainders

BOMB_BYTES = 101_000_000
"""Some four kilobytes once compressed."""
RECEIVED_MAX: dict[str, Any] = {"receive.message.max.bytes": 100_000_000}
"""With this property the client cannot decompress the bomb; without it the value is there, and too large to decode."""
TOO_LARGE = f"{BOMB_BYTES} bytes, at most 10000000 are decoded"
RSS_MAX_MB = 400
FREE_MB = 200
"""A joiner with one more bomb in clear takes at least some 250."""


def drop(bootstrap: str, topic: str, partition: int, key: bytes = b"bomb") -> None:
    """One record of zeros, in a batch of its own."""
    failed = []
    producer = Producer({"bootstrap.servers": bootstrap, "compression.type": "zstd", "message.max.bytes": 200_000_000})
    producer.produce(
        topic,
        bytes(BOMB_BYTES),
        key,
        partition,
        timestamp=time_ms(1),
        on_delivery=lambda error, _: failed.append(error) if error else None,
    )
    assert producer.flush(60) == 0
    assert not failed


def write(trial: Trial, numbers: range) -> None:
    records = [Write(b"%d" % n, b"k%d" % n, n % PARTITIONS, time_ms(0) + n) for n in numbers]
    for topic in (trial.output, f"{trial.name}-next"):
        produce_all(trial.bootstrap, topic, records)


def test_a_bomb_among_the_outputs_is_a_dead_letter_and_skipped(make_trial: MakeTrial, kafka: Broker) -> None:
    client = {"bootstrap": kafka.bootstrap, "client": RECEIVED_MAX}
    trial = adopted(make_trial, "bombs", compare={"match_sample": 0}, kafka=client)
    with running(trial, "run"), running(trial, "join") as joiner:
        write(trial, range(300))
        drop(trial.bootstrap, f"{trial.name}-next", 1)
        drop(trial.bootstrap, f"{trial.name}-next", 1)
        drop(trial.bootstrap, trial.output, 2)
        write(trial, range(300, 600))
        trial.await_outcomes(Counter(match=600, undecodable_shadow=2, undecodable_production=1), 120)
        peak = peak_mb(joiner.process)
    assert remainders(trial.records("stats")) == {}
    reasons = []
    for letter in read_all(trial.bootstrap, trial.topic("dlq.joiner")):
        headers = {name.removeprefix("__connect.errors."): content.decode() for name, content in letter.headers or []}
        assert (letter.key, letter.value) == (None, None)
        assert headers["exception.message"].startswith("bounds: the client cannot decompress it")
        reasons.append((headers["topic"], headers["partition"], headers["offset"]))
    assert sorted(reasons) == [("bombs-next", "1", "100"), ("bombs-next", "1", "101"), ("bombs-scores", "2", "100")]
    print(f"600 pairs and 3 bombs of {BOMB_BYTES} bytes, joiner at most {peak} MB")
    assert peak is not None
    assert peak < RSS_MAX_MB


def test_a_decompressed_bomb_among_the_outputs_is_too_large_to_decode(make_trial: MakeTrial) -> None:
    trial = adopted(make_trial, "large-bombs", compare={"match_sample": 0})
    sides = trial.output, f"{trial.name}-next"
    with running(trial, "run"), running(trial, "join") as joiner:
        write(trial, range(300))
        for i, (bombed, plain) in enumerate((sides, sides[::-1], sides[::-1])):
            key = b"bomb-%d" % i
            produce_all(trial.bootstrap, plain, [Write(b"{}", key, 1, time_ms(1))])
            drop(trial.bootstrap, bombed, 1, key)
            # One at a time: the client holds all that one fetch gave, until the joiner asks for more.
            await_that("the bomb has ended", lambda ended=301 + i: trial.outcomes().total() == ended)
            await_that("its memory is free", lambda: (resident_mb(joiner.process) or 0) < FREE_MB)
        write(trial, range(300, 600))
        trial.await_outcomes(Counter(match=600, undecodable_shadow=2, undecodable_production=1), 120)
        peak = peak_mb(joiner.process)
    assert remainders(trial.records("stats")) == {}
    print(f"600 pairs and 3 bombs of {BOMB_BYTES} bytes in clear, joiner at most {peak} MB")
    assert peak is not None
    # Two consumers may have it at once, each in the client and as an object: the joiner's, and that of event times.
    assert peak < RSS_MAX_MB + 2 * BOMB_BYTES // 1_000_000, "it holds more than one bomb in clear, in up to four copies"


@pytest.mark.parametrize(("client", "reason"), [(RECEIVED_MAX, "cannot decompress"), ({}, TOO_LARGE)])
def test_a_bomb_among_the_inputs_is_an_input_that_cannot_be_decoded(
    make_trial: MakeTrial, kafka: Broker, client: dict[str, Any], reason: str
) -> None:
    settings = {"kafka": {"bootstrap": kafka.bootstrap, "client": client}, **UNBOUNDED}
    trial = make_trial("bomb-input-", partitioner="input", **settings)
    trial.write_orders(range(30))
    drop(trial.bootstrap, trial.input, 0)
    trial.write_orders(range(30, 60))
    with running(trial, "run") as runner:
        await_that(
            "all others are answered",
            lambda: len(read_all(trial.bootstrap, trial.topic(f"out.{trial.output}"))) == 60,
            limit_s=120,
        )
        peak = peak_mb(runner.process)
    (letter,) = read_all(trial.bootstrap, trial.topic("dlq.runner"))
    headers = {name: content.decode() for name, content in letter.headers or []}
    assert headers["__connect.errors.offset"] == "10"
    assert reason in headers["__connect.errors.exception.message"]
    print(f"60 inputs and a bomb of {BOMB_BYTES} bytes, runner at most {peak} MB")
    assert peak is not None
    assert peak < RSS_MAX_MB
