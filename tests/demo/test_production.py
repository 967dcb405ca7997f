"""Loading and the production process on a real broker, with exact counts."""

import ast
import itertools
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]  # public
from confluent_kafka.cimpl import NewTopic

from shadowstream.demo import flights, production
from shadowstream.demo.flights import create_topic, load
from shadowstream.demo.model import PRODUCTION, Frozen
from shadowstream.demo.wire import Wire
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.testing import Broker

FLIGHTS = 5_000
PARTITIONS = 4
NUMBERS = itertools.count()
RUN = uuid4().hex[:8]
"""A part of each name, since the broker is shared."""


@pytest.fixture(scope="module")
def bootstrap(kafka: Broker) -> str:
    return kafka.bootstrap


@pytest.fixture(scope="module")
def loaded(bootstrap: str) -> str:
    """The input topic with the first 5,000 flights; no test changes it."""
    topic = f"flights-{RUN}"
    report = load(bootstrap, topic, PARTITIONS, FLIGHTS)
    assert report.records == FLIGHTS
    return topic


@pytest.fixture
def output(bootstrap: str) -> str:
    topic = f"flight-delays-{RUN}-{next(NUMBERS)}"
    create_topic(bootstrap, topic, PARTITIONS)
    return topic


@pytest.fixture
def model_file(tmp_path: Path, frozen: Frozen) -> Path:
    path = tmp_path / "model.json"
    path.write_text(frozen.to_json(), "utf-8")
    return path


def start(bootstrap: str, topic: str, output: str, model: Path, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "shadowstream.demo.production", "--bootstrap", bootstrap, "--input", topic]
    command += ["--output", output, "--group", f"group-of-{output}", "--model", str(model), *options]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def finished(process: "subprocess.Popen[str]", code: int = 0, timeout_s: int = 60) -> str:
    """What it has said on stderr, once it has ended with this code."""
    _, stderr = process.communicate(timeout=timeout_s)
    assert process.returncode == code, stderr
    return stderr


def read_all(bootstrap: str, topic: str) -> list[list[Message]]:
    """Every record of a topic, by partition."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
    found: list[list[Message]] = [[] for _ in range(PARTITIONS)]
    ended: set[int | None] = set()
    while len(ended) < PARTITIONS:
        for message in consumer.consume(1_000, 0.2):
            if message.error() is not None:
                ended.add(message.partition())
            else:
                found[message.partition() or 0].append(message)
    consumer.close()
    return found


def written(bootstrap: str, topic: str) -> int:
    """How many records a topic holds that nothing was deleted from."""
    with closing(Consumer({"bootstrap.servers": bootstrap, "group.id": "reader"})) as consumer:
        return end(consumer, topic)


def end(consumer: Consumer, topic: str) -> int:
    """Where the partitions of a topic end, together."""
    places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    return sum(consumer.get_watermark_offsets(place, 10)[1] for place in places)


def committed(bootstrap: str, topic: str, group: str) -> list[int]:
    places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    with closing(Consumer({"bootstrap.servers": bootstrap, "group.id": group})) as consumer:
        return [place.offset for place in consumer.committed(places, 10)]


def murmur2(key: bytes) -> int:
    """Java's `Utils.toPositive(Utils.murmur2(key))`, written from the reference algorithm."""
    m, word = 0x5BD1E995, 0xFFFFFFFF
    h = 0x9747B28C ^ len(key)
    whole = len(key) & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(key[at : at + 4], "little") * m & word
        h = (h * m ^ (k ^ k >> 24) * m) & word
    if key[whole:]:
        h = (h ^ int.from_bytes(key[whole:], "little")) * m & word
    h = (h ^ h >> 13) * m & word
    return (h ^ h >> 15) & 0x7FFFFFFF


def test_the_topic_holds_every_flight_once_in_javas_partition(bootstrap: str, loaded: str) -> None:
    wire = Wire(flights.SUBJECT)
    expected = {flight["id"]: flight for flight in flights.records(FLIGHTS)}
    for partition, messages in enumerate(read_all(bootstrap, loaded)):
        times = [message.timestamp()[1] for message in messages]
        assert times == sorted(times)
        for message in messages:
            key = message.key()
            assert key is not None
            flight = expected.pop(key.decode())
            assert wire.decode(message.value() or b"") == flight
            assert message.timestamp()[1] == flight["scheduled_ms"]
            assert message.headers() == [("origin", flight["origin"].encode())]
            assert murmur2(key) % PARTITIONS == partition
    assert expected == {}


def test_a_loaded_topic_keeps_its_old_records(bootstrap: str, loaded: str) -> None:
    resource = ConfigResource(ResourceType.TOPIC, loaded)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    assert admin.describe_configs([resource])[resource].result()["retention.ms"].value == "-1"


def test_loading_twice_into_one_topic_is_refused(bootstrap: str, loaded: str) -> None:
    with pytest.raises(ConfigError, match="already"):
        load(bootstrap, loaded, PARTITIONS, 10)


def test_production_answers_every_flight_once_and_commits_to_the_end(
    bootstrap: str, loaded: str, output: str, model_file: Path, frozen: Frozen
) -> None:
    stderr = finished(start(bootstrap, loaded, output, model_file, "--until-end"))
    assert f"production: {FLIGHTS} records in " in stderr
    assert stderr.rstrip().endswith("CPU s")
    delays, read = Wire(production.DELAYS), Wire(flights.SUBJECT)
    inputs, outputs = read_all(bootstrap, loaded), read_all(bootstrap, output)
    assert sum(map(len, outputs)) == FLIGHTS
    for asked, answered in zip(inputs, outputs, strict=True):
        for flight, delay in zip(asked, answered, strict=True):
            assert (delay.key(), delay.timestamp(), delay.headers()) == (flight.key(), flight.timestamp(), None)
            assert delays.decode(delay.value() or b"") == frozen.judge(read.decode(flight.value() or b""), PRODUCTION)
    assert committed(bootstrap, loaded, f"group-of-{output}") == [len(messages) for messages in inputs]


def test_production_stopped_by_sigterm_goes_on_where_it_was_and_repeats_nothing(
    bootstrap: str, output: str, model_file: Path
) -> None:
    many, topic = 120_000, f"many-{output}"
    load(bootstrap, topic, PARTITIONS, many)
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader"})  # ready before, for there is no time then
    assert end(reader, output) == 0
    first = start(bootstrap, topic, output, model_file)
    limit = time.monotonic() + 30
    while not end(reader, output):
        assert time.monotonic() < limit
    first.send_signal(signal.SIGTERM)
    reader.close()
    finished(first, timeout_s=30)
    assert 0 < written(bootstrap, output) < many, "stopped in the middle"
    assert sum(committed(bootstrap, topic, f"group-of-{output}")) == written(bootstrap, output)
    finished(start(bootstrap, topic, output, model_file, "--until-end"))
    keys = [message.key() for messages in read_all(bootstrap, output) for message in messages]
    assert len(keys) == len(set(keys)) == many


def test_production_over_a_limit_that_leaves_partitions_empty_commits_those_too(
    bootstrap: str, output: str, model_file: Path
) -> None:
    load(bootstrap, f"one-{output}", PARTITIONS, 1)
    finished(start(bootstrap, f"one-{output}", output, model_file, "--until-end"))
    assert sorted(committed(bootstrap, f"one-{output}", f"group-of-{output}")) == [0, 0, 0, 1]


def test_production_commits_nothing_whose_output_the_broker_refused(
    bootstrap: str, loaded: str, model_file: Path
) -> None:
    narrow = f"narrow-{RUN}-{next(NUMBERS)}"
    wanted = NewTopic(narrow, num_partitions=PARTITIONS, replication_factor=1, config={"max.message.bytes": "10"})
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([wanted])[narrow].result()
    stderr = finished(start(bootstrap, loaded, narrow, model_file, "--until-end"), code=1)
    assert f"outputs were not written to '{narrow}'" in stderr
    assert all(offset < 0 for offset in committed(bootstrap, loaded, f"group-of-{narrow}"))


@pytest.mark.parametrize("until_end", [True, False])
def test_an_input_that_is_not_there_is_an_error_that_names_it(bootstrap: str, frozen: Frozen, until_end: bool) -> None:
    job = production.Job(bootstrap, "no-such-topic", "out", "nobody", frozen, until_end)
    with pytest.raises(BrokerError, match="no-such-topic"):
        production.Production(job).run()


def test_an_unreachable_broker_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch, frozen: Frozen) -> None:
    monkeypatch.setattr(production, "TIMEOUT_S", 0.5)
    monkeypatch.setattr(flights, "ADMIN_TIMEOUT_S", 0.5)
    job = production.Job("127.0.0.1:1", "flights", "out", "nobody", frozen, until_end=True)
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:1"):
        production.Production(job).run()
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:1"):
        load("127.0.0.1:1", "flights", PARTITIONS, 1)


def test_production_without_a_readable_model_is_a_usage_error(tmp_path: Path) -> None:
    process = start("127.0.0.1:1", "flights", "out", tmp_path / "absent.json")
    assert "absent.json" in finished(process, code=2, timeout_s=30)


def test_production_knows_nothing_of_shadowstream() -> None:
    """Of the package it imports its own demo modules, the error classes, the names of extras, and what ends it with the
    demo that started it and tells that demo how it ended: nothing that pairs, judges or codes."""
    own = {"demo.flights", "demo.model", "demo.wire"}
    allowed = {*own, "errors", "extras", "kafka", "kafka.role_report", "kafka.supervisor"}
    room = Path(production.__file__).parent
    for name in ("production", "flights", "model", "wire"):
        tree = ast.parse((room / f"{name}.py").read_text("utf-8"))
        taken = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        modules = {module.removeprefix("shadowstream.") for module in taken if module.startswith("shadowstream")}
        assert modules <= allowed, name
