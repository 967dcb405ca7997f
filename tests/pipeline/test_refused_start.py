"""What a refused start leaves behind: nothing on the whole cluster, so on a broker of its own."""

import pytest
from confluent_kafka.admin import AdminClient

from shadowstream.kafka.client.offsets import existing
from shadowstream.testing import Broker
from shadowstream.testing.topics import Write, create_topics, produce_all
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.test_doctor import ORDERS, findings
from tests.pipeline.trial_fixture import PARTITIONS


@pytest.fixture(scope="module")
def kafka(own_kafka: Broker) -> Broker:
    return own_kafka


def test_records_of_others_under_the_prefix_are_refused_and_not_adopted(make_trial: MakeTrial) -> None:
    trial = make_trial("doctor-").answered(ORDERS)
    create_topics(
        trial.bootstrap, {trial.topic("stats"): PARTITIONS}, {"cleanup.policy": "delete", "retention.ms": "-1"}
    )
    # In a transaction: the first on a new broker makes a topic of Kafka's own.
    foreign = [Write(b'{"not": "ours"}', b"k", 1)]
    produce_all(trial.bootstrap, trial.topic("stats"), foreign, transactional_id=trial.name)
    client = AdminClient({"bootstrap.servers": trial.bootstrap})
    before = existing(client)
    found = findings(trial)["foreign_records"]
    assert (found["severity"], trial.topic("stats") in found["text"]) == ("refuse", True)
    for role in ("join", "judge"):
        done = trial.ask(role)
        assert (done.returncode, "holds records that shadowstream did not write" in done.stderr) == (2, True)
    assert existing(client) == before, "a refused start creates nothing"
    # A trial has begun by a mark in its topic of starts, not by whatever it holds.
    create_topics(trial.bootstrap, {trial.topic("starts"): 1})
    produce_all(trial.bootstrap, trial.topic("starts"), [Write(b"no mark", b"begin", 0)])
    for role in ("run", "join", "judge"):
        done = trial.ask(role)
        assert (done.returncode, "holds records that shadowstream did not write" in done.stderr) == (2, True)
