"""`plan` on a real broker: what it shows follows from the records that are there, and it leaves nothing behind."""

from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from shadowstream.kafka.client.offsets import existing
from shadowstream.testing.choice import Broker
from shadowstream.testing.topics import Write, create_topics, produce_all
from tests.cli.conftest import Cli, MakeTrial

RECORDS, STEP_MS = 300, 50
PARTITIONS = 3


@pytest.fixture(scope="module")
def kafka(own_kafka: Broker) -> Broker:
    return own_kafka


@pytest.fixture
def trial(kafka: Broker, name: str, make_trial: MakeTrial) -> Path:
    """A trial whose inputs and outputs hold 20 records a second of 100 bytes, keys among them."""
    path = make_trial(name=name, bootstrap=kafka.bootstrap, extra="start: earliest\n")
    path.write_text(path.read_text().replace("payments", f"{name}-in").replace("scores", f"{name}-out"))
    create_topics(kafka.bootstrap, {f"{name}-in": PARTITIONS, f"{name}-out": PARTITIONS})
    return path


def fill(kafka: Broker, name: str) -> None:
    for topic in (f"{name}-in", f"{name}-out"):
        written = [
            Write(b"v" * 90, b"key-%06d" % n, n % PARTITIONS, 1_700_000_000_000 + n * STEP_MS) for n in range(RECORDS)
        ]
        produce_all(kafka.bootstrap, topic, written)


def topics(client: AdminClient) -> dict[str, int]:
    """All topics but the broker's own: the first group on it, of any test, makes `__consumer_offsets`."""
    return {topic: partitions for topic, partitions in existing(client).items() if not topic.startswith("__")}


def test_rates_sizes_and_backlog_are_those_of_the_records(kafka: Broker, name: str, trial: Path, cli: Cli) -> None:
    early = cli("plan", trial)
    assert (early.code, "too few records to tell a rate" in early.err) == (2, True)
    fill(kafka, name)
    client = AdminClient({"bootstrap.servers": kafka.bootstrap})
    before = topics(client)
    found = cli("plan", trial, "--json").json
    assert [(one["side"], one["partitions"], one["waiting"]) for one in found["topics"]] == [
        ("input", PARTITIONS, RECORDS),
        ("production", PARTITIONS, RECORDS),
    ]
    for one in found["topics"]:
        assert one["records_per_s"] == pytest.approx(1_000 / STEP_MS, rel=0.01)
        assert one["bytes_per_s"] == pytest.approx(100 * 1_000 / STEP_MS, rel=0.01)
    assert found["disk_day_bytes"] == sum(found["disk_day"].values())
    assert found["hours"] == pytest.approx(24, abs=0.1)
    assert topics(client) == before, "a plan creates nothing"


def test_the_text_has_80_columns_and_every_figure(kafka: Broker, name: str, trial: Path, cli: Cli) -> None:
    fill(kafka, name)
    text = cli("plan", trial, "--differing", "0.5").out.splitlines()
    assert max(map(len, text)) <= 80
    words = {line.split(" ")[0] for line in text}
    assert {"input", "production", "reads", "writes", "disk", "mismatch", "shown", "memory"} <= words
    little, much = (cli("plan", trial, "--differing", str(share), "--json").json for share in (0, 1))
    assert little["disk_day"]["diff"] < much["disk_day"]["diff"]
