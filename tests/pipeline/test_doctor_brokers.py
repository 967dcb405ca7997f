"""`doctor` on a cluster of two brokers: each finding is provoked, and is gone once its printed fix was applied."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # public, not in __all__

from shadowstream.testing import EmbeddedKafka
from shadowstream.testing.ports import free_port
from shadowstream.testing.properties import NODE_ID
from tests.pipeline.test_doctor import findings
from tests.pipeline.trial_fixture import PARTITIONS, Trial
from tests.pipeline.written_records import await_that

SECOND_ID = NODE_ID + 1


@pytest.fixture
def two_brokers(tmp_path: Path) -> Iterator[tuple[EmbeddedKafka, EmbeddedKafka]]:
    """Two brokers of one cluster; the first is its controller too."""
    port, controller = free_port(), free_port()
    voters = {"controller.quorum.voters": f"{NODE_ID}@127.0.0.1:{controller}"}
    listeners = {"listeners": f"BROKER://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}"}
    home = tmp_path / "first"
    with EmbeddedKafka(port=port, data_dir=home, properties={**voters, **listeners}) as first:
        cluster = re.search(r"cluster\.id=(\S+)", next(home.rglob("meta.properties")).read_text())
        assert cluster is not None
        second_port, data = free_port(), tmp_path / "second" / "data"
        data.mkdir(parents=True)
        (data / "meta.properties").write_text(f"version=1\ncluster.id={cluster[1]}\nnode.id={SECOND_ID}\n")
        only_broker = {"process.roles": "broker", "node.id": str(SECOND_ID), **voters}
        addresses = dict.fromkeys(("listeners", "advertised.listeners"), f"BROKER://127.0.0.1:{second_port}")
        with EmbeddedKafka(port=second_port, data_dir=data.parent, properties={**only_broker, **addresses}) as second:
            client = AdminClient({"bootstrap.servers": first.bootstrap})
            await_that(
                "both brokers are known", lambda: len(client.describe_cluster(request_timeout=5).result(10).nodes) == 2
            )
            yield first, second


def create_on(bootstrap: str, topic: str, brokers: list[int]) -> None:
    """Create a topic whose partitions have copies on these brokers, the leader first."""
    wanted = NewTopic(topic, PARTITIONS, replica_assignment=[brokers] * PARTITIONS, config={"retention.ms": "-1"})
    client = AdminClient({"bootstrap.servers": bootstrap})
    client.create_topics([wanted], operation_timeout=30)[topic].result(30)


@pytest.mark.long
def test_copies_and_partitions_without_leaders_are_named_until_mended(
    two_brokers: tuple[EmbeddedKafka, EmbeddedKafka], tmp_path: Path
) -> None:
    first, second = two_brokers
    trial = Trial(first.bootstrap, "copies", tmp_path, settings={"start": "earliest", "bounded": True})
    create_on(first.bootstrap, trial.input, [NODE_ID, SECOND_ID])
    create_on(first.bootstrap, trial.output, [SECOND_ID, NODE_ID])
    trial.answered(60)
    trial.write_config()
    assert trial.ask("topics apply", "--replication", "1").returncode == 0
    found = findings(trial)["replication"]
    assert (found["severity"], "which have 2" in found["text"]) == ("warn", True)
    assert trial.topic("") in found["evidence"]
    removal, application = re.findall(r"`shadowstream ([^`]+)`", found["fix"])
    assert trial.ask(removal, "--yes").returncode == 0
    assert trial.ask(application).returncode == 0
    unanswered = {"leaders", "unanswered"}
    assert not findings(trial).keys() & {"replication", *unanswered}
    # A topic of one copy, whose broker is down.
    bare = f"{trial.output}-bare"
    create_on(first.bootstrap, bare, [SECOND_ID])
    trial.write_config(production={"outputs": [bare], "group": trial.group, "commits": "after_output"})
    assert not findings(trial).keys() & unanswered
    second.kill()
    client = AdminClient({"bootstrap.servers": first.bootstrap})
    await_that("its end is noticed", lambda: client.list_topics(bare, 5).topics[bare].partitions[0].leader == -1)
    without = findings(trial, limit_s=300.0)  # each check without an answer waits 15 s
    assert without["leaders"]["text"].startswith(f"{PARTITIONS} partitions have no leader")
    assert f"{bare}/0" in without["leaders"]["evidence"]
    assert without["unanswered"]["severity"] == "warn"
    second.start()  # the printed fix
    await_that("its leader is back", lambda: not findings(trial).keys() & unanswered)
