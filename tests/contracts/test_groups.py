"""Groups: who gets what, what happens to it when others come and go, and what a zombie hears."""

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from tests.contracts.brokers import LIMIT_S, BrokerWorld


class Recorded:
    """Callbacks of a member, and what they were told."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    def on_assign(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        self.calls.append(("assign", len(partitions)))
        consumer.assign([TopicPartition(one.topic, one.partition, 0) for one in partitions])

    def on_revoke(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        self.calls.append(("revoke", len(partitions)))

    def on_lost(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        self.calls.append(("lost", len(partitions)))

    @property
    def callbacks(self) -> dict[str, Any]:
        return {"on_assign": self.on_assign, "on_revoke": self.on_revoke, "on_lost": self.on_lost}


def owned(*consumers: Any) -> list[set[tuple[str, int]]]:
    return [{(tp.topic, tp.partition) for tp in one.assignment()} for one in consumers]


def turn(*consumers: Any) -> None:
    for one in consumers:
        one.consume(10, 0.05)


def shared(world: BrokerWorld, *consumers: Any, n: int) -> bool:
    turn(*consumers)
    sets = owned(*consumers)
    return all(sets) and len(set.union(*sets)) == sum(map(len, sets)) == n


def test_range_keeps_partitions_of_one_number_together(world: BrokerWorld) -> None:
    topics = [world.topic("a", 3), world.topic("b", 3)]
    one, two = world.consumer(group_instance_id="0"), world.consumer(group_instance_id="1")
    for consumer in (one, two):
        consumer.subscribe(topics)
    world.until(lambda: shared(world, one, two, n=6))
    assert owned(one, two) == [{(topic, p) for topic in topics for p in numbers} for numbers in ((0, 1), (2,))]


def test_a_joining_member_revokes_all_and_a_leaving_one_returns(world: BrokerWorld) -> None:
    topic = world.topic(partitions=2)
    events, one, two = Recorded(), world.consumer(), world.consumer()
    world.joined(one, [topic], **events.callbacks)
    two.subscribe([topic])
    world.until(lambda: shared(world, one, two, n=2))
    assert events.calls == [("assign", 2), ("revoke", 2), ("assign", 1)]
    two.close()
    world.until(lambda: shared(world, one, n=2))
    assert events.calls[3:] == [("revoke", 1), ("assign", 2)]


def test_what_is_revoked_can_still_be_committed(world: BrokerWorld) -> None:
    topic = world.topic(partitions=2)
    producer = world.producer()
    producer.init_transactions(LIMIT_S)
    one, two = world.consumer(), world.consumer()

    def commit(consumer: Any, partitions: list[TopicPartition]) -> None:
        producer.begin_transaction()
        offsets = [TopicPartition(topic, 0, 5)]
        producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), LIMIT_S)
        producer.commit_transaction(LIMIT_S)

    world.joined(one, [topic], on_revoke=commit)
    two.subscribe([topic])
    world.until(lambda: shared(world, one, two, n=2))
    assert world.group_offset(topic) == 5


def test_a_returning_static_member_gets_its_partitions_without_a_rebalance(world: BrokerWorld) -> None:
    topic = world.topic(partitions=2)
    events, one, two = Recorded(), world.consumer(group_instance_id="0"), world.consumer(group_instance_id="1")
    one.subscribe([topic], **events.callbacks)
    two.subscribe([topic])
    world.until(lambda: shared(world, one, two, n=2))
    before, had = list(events.calls), owned(two)
    two.close()
    again = world.consumer(group_instance_id="1")
    again.subscribe([topic])
    world.until(lambda: shared(world, one, again, n=2))
    assert owned(again) == had
    assert events.calls == before


def test_a_static_member_whose_instance_came_up_elsewhere_gets_a_fatal_error(world: BrokerWorld) -> None:
    topic = world.topic()
    old = world.joined(world.consumer(group_instance_id="i"), [topic])
    new = world.joined(world.consumer(group_instance_id="i"), [topic])
    found: list[KafkaError] = []

    def is_fatal() -> bool:
        found.extend(e for m in old.consume(10, 0.1) if (e := m.error()) and e.code() != KafkaError._PARTITION_EOF)
        return bool(new.consume(1, 0.05) is not None and found)

    world.until(is_fatal)
    # The event does not say of itself that it is fatal: only its code does.
    assert (found[0].code(), found[0].fatal()) == (KafkaError._FATAL, False)


def test_a_member_silent_too_long_loses_all_and_may_return(world: BrokerWorld) -> None:
    topic = world.topic()
    events = Recorded()
    slow = world.joined(world.consumer(max_poll_interval_ms=6_000), [topic], **events.callbacks)
    world.sleep(7.0)
    world.until(lambda: turn(slow) or ("lost", 1) in events.calls)
    world.until(lambda: turn(slow) or len(events.calls) == 3)
    assert events.calls == [("assign", 1), ("lost", 1), ("assign", 1)]


def test_a_consumer_can_commit_by_itself(world: BrokerWorld) -> None:
    topic = world.written("a")
    consumer = world.joined(world.consumer(), [topic])
    consumer.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
    assert world.group_offset(topic) == 1


def test_a_member_that_its_group_has_put_out_cannot_commit_by_itself(world: BrokerWorld) -> None:
    topic = world.written("a")
    frozen = world.joined(world.consumer(group_instance_id="0"), [topic])
    world.joined(world.consumer(group_instance_id="0"), [topic])
    with pytest.raises(KafkaException):
        frozen.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
    assert world.group_offset(topic) != 1


@pytest.mark.only_kafka("in memory a group knows range only")
def test_members_of_different_strategies_are_refused(world: BrokerWorld) -> None:
    topic = world.topic()
    world.joined(world.consumer(), [topic])
    other = world.consumer(partition_assignment_strategy="roundrobin")
    other.subscribe([topic])
    found: list[KafkaError] = []
    world.until(lambda: found.extend(m.error() for m in other.consume(1, 0.1) if m.error()) or found, 10)
    assert found[0].code() == KafkaError.INCONSISTENT_GROUP_PROTOCOL


def under_the_brokers_assignor(world: BrokerWorld, assignor: str) -> list[set[tuple[str, int]]]:
    """What two members own of two topics of three partitions each, under `group.protocol: consumer`."""
    topics = [world.topic("a", 3), world.topic("b", 3)]
    settings = {
        "group_protocol": "consumer", "group_remote_assignor": assignor, "partition_assignment_strategy": None,
        "session_timeout_ms": None, "heartbeat_interval_ms": None,
    }  # fmt: skip
    one, two = world.consumer(group_instance_id="0", **settings), world.consumer(group_instance_id="1", **settings)
    for consumer in (one, two):
        consumer.subscribe(topics)
    world.until(lambda: shared(world, one, two, n=6))
    return owned(one, two)


@pytest.mark.only_kafka("in memory groups speak the classic protocol only")
def test_the_brokers_range_keeps_partitions_of_one_number_together(world: BrokerWorld) -> None:
    for mine in under_the_brokers_assignor(world, "range"):
        numbers = [sorted(p for topic, p in mine if topic.endswith(name)) for name in ("a", "b")]
        assert numbers[0] == numbers[1]


@pytest.mark.only_kafka("in memory groups speak the classic protocol only")
def test_the_brokers_choice_may_split_them_so_tasks_are_gated(world: BrokerWorld) -> None:
    torn = [
        numbers
        for mine in under_the_brokers_assignor(world, "uniform")
        if (numbers := {name: {p for topic, p in mine if topic.endswith(name)} for name in ("a", "b")})
        and numbers["a"] != numbers["b"]
    ]
    assert torn
