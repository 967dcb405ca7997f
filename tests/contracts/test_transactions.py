"""Transactions: fencing, pending offsets, what each call raises and what has to be done about it."""

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from shadowstream.kafka.client.offsets import once_settled
from tests.contracts.brokers import LIMIT_S, BrokerWorld, MemoryBrokerWorld

METADATA_MAX = 4_095
NOTHING = -1_001


def raised(call: Callable[..., Any], *arguments: Any) -> KafkaError:
    with pytest.raises(KafkaException) as caught:
        call(*arguments)
    error = caught.value.args[0]
    assert isinstance(error, KafkaError)
    return error


def kind(error: KafkaError) -> str:
    return "fatal" if error.fatal() else "abort" if error.txn_requires_abort() else "retry" if error.retriable() else ""


def at(topic: str, offset: int = 7, metadata: str = "m") -> list[TopicPartition]:
    return [TopicPartition(topic, 0, offset, metadata)]


def send(producer: Any, consumer: Any, offsets: list[TopicPartition]) -> None:
    producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), LIMIT_S)


def committed(world: BrokerWorld, topic: str, group: str = "g") -> tuple[int, str]:
    asker = world.consumer(group)
    (found,) = once_settled(lambda: asker.committed([TopicPartition(topic, 0)], timeout=LIMIT_S), "no commits")
    assert found.error is None
    return found.offset, found.metadata or ""


def test_offsets_are_committed_with_their_transaction_and_go_with_an_aborted_one(world: BrokerWorld) -> None:
    topic, consumer = world.topic(), world.consumer()
    assert committed(world, topic) == (NOTHING, "")
    producer = world.begun()
    send(producer, consumer, at(topic))
    producer.commit_transaction(LIMIT_S)
    assert committed(world, topic) == (7, "m")
    assert world.group_offset(topic) == 7
    producer.begin_transaction()
    send(producer, consumer, at(topic, 9))
    producer.abort_transaction(LIMIT_S)
    assert committed(world, topic) == (7, "m")


def test_asking_for_committed_offsets_waits_while_a_transaction_is_open(world: BrokerWorld) -> None:
    topic, consumer = world.topic(), world.consumer()
    producer = world.begun()
    send(producer, consumer, at(topic))
    error = raised(world.consumer().committed, [TopicPartition(topic, 0)], 1.0)
    assert error.code() == KafkaError._TIMED_OUT
    unstable = world.consumer(isolation_level="read_uncommitted")
    assert unstable.committed([TopicPartition(topic, 0)], 5.0)[0].offset == NOTHING
    world.begun()  # the successor, which aborts what was left open
    assert committed(world, topic) == (NOTHING, "")


def test_a_successor_fences_and_aborts_what_its_predecessor_left_open(world: BrokerWorld) -> None:
    topic, consumer = world.topic(), world.consumer()
    old = world.open(topic, b"of the old", "p")
    new = world.begun()
    new.produce(topic, b"of the new", partition=0)
    assert kind(raised(send, old, consumer, at(topic))) == "fatal"
    assert kind(raised(old.commit_transaction, LIMIT_S)) == "fatal"
    assert kind(raised(old.abort_transaction, LIMIT_S)) == "fatal"
    new.commit_transaction(LIMIT_S)
    assert world.read(world.assigned(topic), lambda _, ends: 4 in ends)[0] == ["of the new"]
    assert committed(world, topic) == (NOTHING, "")


def test_a_fenced_commit_commits_nothing(world: BrokerWorld) -> None:
    topic = world.topic()
    old = world.open(topic, b"of the old", "p")
    world.producer().init_transactions(LIMIT_S)
    error = raised(old.commit_transaction, LIMIT_S)
    assert (kind(error), error.code()) == ("fatal", KafkaError._FENCED)
    assert world.read(world.assigned(topic), lambda _, ends: 2 in ends)[0] == []


def test_a_transaction_open_too_long_is_aborted_and_its_producer_useless(world: BrokerWorld) -> None:
    topic = world.topic()
    slow = world.open(topic, b"slow", transaction_timeout_ms=1_000, message_timeout_ms=900)
    world.until(lambda: world.ends(topic, committed=True)[0] == 2, 40)  # the broker looks for such every 10 s
    assert kind(raised(slow.commit_transaction, LIMIT_S)) == "fatal"


def test_too_long_metadata_has_to_be_aborted_and_the_client_goes_on(world: BrokerWorld) -> None:
    topic, consumer = world.topic(), world.consumer()
    producer = world.begun()
    group = consumer.consumer_group_metadata()
    error = raised(producer.send_offsets_to_transaction, at(topic, 1, "m" * (METADATA_MAX + 1)), group, LIMIT_S)
    assert (kind(error), error.code()) == ("abort", KafkaError.OFFSET_METADATA_TOO_LARGE)
    again = raised(producer.commit_transaction, LIMIT_S)
    assert (kind(again), again.code()) == ("abort", KafkaError.OFFSET_METADATA_TOO_LARGE)
    producer.abort_transaction(LIMIT_S)
    producer.begin_transaction()
    producer.send_offsets_to_transaction(at(topic, 1, "m" * METADATA_MAX), group, LIMIT_S)
    producer.commit_transaction(LIMIT_S)
    assert committed(world, topic) == (1, "m" * METADATA_MAX)


def departed(world: BrokerWorld) -> tuple[str, Any]:
    """A topic, and what a member that has left remembers of its group."""
    topic = world.topic()
    dead = world.joined(world.consumer(), [topic])
    group = dead.consumer_group_metadata()
    dead.close()
    return topic, group


def test_an_empty_offset_list_is_never_looked_at(world: BrokerWorld) -> None:
    """Why it is never sent: whoever sends it commits, member or not."""
    topic, group = departed(world)
    producer = world.begun()
    producer.produce(topic, b"of nobody's", partition=0)
    producer.send_offsets_to_transaction([], group, LIMIT_S)
    producer.commit_transaction(LIMIT_S)
    assert world.read(world.assigned(topic), lambda _, ends: 2 in ends)[0] == ["of nobody's"]


def test_offsets_of_a_departed_member_are_refused_and_must_be_aborted(world: BrokerWorld) -> None:
    topic, group = departed(world)
    producer = world.begun()
    producer.produce(topic, b"a zombie's", partition=0)
    error = raised(producer.send_offsets_to_transaction, at(topic), group, LIMIT_S)
    assert (kind(error), error.code()) == ("abort", KafkaError.UNKNOWN_MEMBER_ID)
    assert kind(raised(producer.commit_transaction, LIMIT_S)) == "abort"
    producer.abort_transaction(LIMIT_S)
    assert committed(world, topic) == (NOTHING, "")


def test_offsets_of_an_earlier_generation_are_refused(world: BrokerWorld) -> None:
    topic = world.topic(partitions=2)
    one = world.joined(world.consumer(), [topic])
    earlier = one.consumer_group_metadata()
    two = world.consumer()
    two.subscribe([topic])
    world.until(lambda: (one.consume(1, 0.1), two.consume(1, 0.1)) and len(one.assignment()) == 1)
    producer = world.begun()
    error = raised(producer.send_offsets_to_transaction, at(topic), earlier, LIMIT_S)
    assert (kind(error), error.code()) == ("abort", KafkaError.ILLEGAL_GENERATION)


def test_offsets_of_a_member_whose_instance_lives_elsewhere_are_refused(world: BrokerWorld) -> None:
    topic = world.topic()
    old = world.joined(world.consumer(group_instance_id="i"), [topic])
    world.joined(world.consumer(group_instance_id="i"), [topic])
    producer = world.begun()
    error = raised(send, producer, old, at(topic))
    assert (kind(error), error.code()) == ("abort", KafkaError.FENCED_INSTANCE_ID)


def test_an_empty_transaction_can_be_committed(world: BrokerWorld) -> None:
    producer = world.begun()
    producer.commit_transaction(LIMIT_S)
    producer.begin_transaction()
    producer.abort_transaction(LIMIT_S)


def test_calls_out_of_turn_are_refused_and_change_nothing(world: BrokerWorld) -> None:
    topic = world.topic()
    producer = world.producer()
    assert raised(producer.begin_transaction).code() == KafkaError._STATE
    producer.init_transactions(LIMIT_S)
    assert raised(producer.commit_transaction, LIMIT_S).code() == KafkaError._STATE
    assert raised(producer.produce, topic, b"x").code() == KafkaError._STATE
    producer.begin_transaction()
    assert raised(producer.begin_transaction).code() == KafkaError._STATE
    producer.produce(topic, b"x", partition=0)
    producer.commit_transaction(LIMIT_S)
    assert world.read(world.assigned(topic), lambda _, ends: 2 in ends)[0] == ["x"]


def test_an_unknown_topic_spoils_the_transaction(world: BrokerWorld) -> None:
    producer = world.begun(message_timeout_ms=1_500)
    producer.produce(world.prefix + "nothing", b"x", partition=0)
    assert kind(raised(producer.commit_transaction, LIMIT_S)) == "abort"
    producer.abort_transaction(LIMIT_S)


def test_a_plain_producer_reports_each_record(world: BrokerWorld) -> None:
    topic, results = world.topic(), []
    producer = world.producer(None)
    producer.produce(
        topic, b"x", partition=0, on_delivery=lambda error, message: results.append((error, message.offset()))
    )
    assert producer.flush(LIMIT_S) == 0
    assert results == [(None, 0)]


def test_the_markers_of_one_commit_may_land_at_different_times(world: BrokerWorld) -> None:
    """In memory this can be asked for; on a broker it happens, and nobody can wait for it to be seen."""
    if not isinstance(world, MemoryBrokerWorld):
        pytest.skip("a broker delays markers when it likes to")
    first, second = world.topic("first"), world.topic("second")
    world.broker.transactions.delay_ms = lambda where: 500 if where == (second, 0) else 0
    producer = world.begun()
    producer.produce(first, b"x", partition=0)
    producer.produce(second, b"x", partition=0)
    producer.commit_transaction(LIMIT_S)
    assert world.ends(first, committed=True) == (2, -1)
    assert world.ends(second, committed=True) == (0, -1)
    assert world.ends(second) == (1, -1)
    producer.begin_transaction()
    began = world.now()
    producer.produce(first, b"waits for them", partition=0)
    assert world.now() - began >= 0.4
    assert world.ends(second, committed=True) == (2, -1)


@pytest.mark.only_kafka("in memory any size is taken")
def test_a_record_too_large_is_refused_by_the_client(world: BrokerWorld) -> None:
    topic = world.topic()
    producer = world.begun()
    assert raised(producer.produce, topic, b"x" * 2_000_000).code() == KafkaError.MSG_SIZE_TOO_LARGE
