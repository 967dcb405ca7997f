"""What a reader sees of transactions, and where it stands."""

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from tests.contracts.brokers import LIMIT_S, BrokerWorld


def test_the_end_event_stands_after_the_marker_of_a_commit(world: BrokerWorld) -> None:
    topic = world.written("a", "b")
    assert world.read(world.assigned(topic), lambda _, ends: 3 in ends)[0] == ["a", "b"]
    assert world.ends(topic) == (3, -1)


def test_the_position_of_a_reader_passes_control_records(world: BrokerWorld) -> None:
    topic = world.written("a")
    consumer = world.assigned(topic)
    world.read(consumer, lambda _, ends: 2 in ends)
    world.write(topic, "b")
    values, ends = world.read(consumer, lambda _, ends: 4 in ends)
    assert (values, ends[-1]) == (["b"], 4)


def test_a_transaction_that_was_aborted_is_not_seen_and_is_passed(world: BrokerWorld) -> None:
    topic = world.written("a")
    world.write(topic, "lost", "too", commit=False)
    world.write(topic, "b")
    assert world.read(world.assigned(topic), lambda _, ends: 7 in ends)[0] == ["a", "b"]


def test_nothing_is_seen_from_an_open_transaction_on(world: BrokerWorld) -> None:
    topic = world.written("a")
    open_one = world.open(topic, b"undecided")
    world.write(topic, "hidden behind it")
    consumer = world.assigned(topic)
    values, ends = world.read(consumer, lambda _, ends: bool(ends))
    assert (values, ends) == (["a"], [2])
    assert world.ends(topic) == (5, -1)
    assert world.ends(topic, committed=True) == (2, -1)
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=LIMIT_S) == (0, 2)
    open_one.commit_transaction(LIMIT_S)
    assert world.read(consumer, lambda _, ends: 6 in ends)[0] == ["undecided", "hidden behind it"]


def test_a_read_uncommitted_reader_sees_everything_but_markers(world: BrokerWorld) -> None:
    topic = world.topic()
    world.write(topic, "gone", commit=False)
    world.open(topic, b"undecided")
    consumer = world.assigned(topic, isolation_level="read_uncommitted")
    assert world.read(consumer, lambda _, ends: 3 in ends)[0] == ["gone", "undecided"]


def test_key_headers_and_time_come_as_they_were_written(world: BrokerWorld) -> None:
    topic = world.topic()
    producer = world.begun()
    producer.produce(topic, None, b"k", partition=0, timestamp=1234, headers=[("h", b"1"), ("h", b"2")])
    producer.commit_transaction(LIMIT_S)
    consumer = world.assigned(topic)
    found: list[Any] = []
    world.until(lambda: found.extend(m for m in consumer.consume(1, 0.1) if m.error() is None) or found)
    one = found[0]
    assert (one.key(), one.value(), one.timestamp()[1]) == (b"k", None, 1234)
    assert one.headers() == [("h", b"1"), ("h", b"2")]


def test_first_offset_and_greatest_time_are_listed(world: BrokerWorld) -> None:
    topic = world.topic()
    assert world.ends(topic, what="max_timestamp") == (-1, -1)
    producer = world.producer(None)
    for time_ms in (5, 9, 7):
        producer.produce(topic, b"x", partition=0, timestamp=time_ms)
        producer.flush(LIMIT_S)
    assert world.ends(topic, what="earliest") == (0, -1)
    assert world.ends(topic, what="max_timestamp") == (1, 9)


def test_the_greatest_listed_time_may_be_a_markers(world: BrokerWorld) -> None:
    topic = world.topic()
    producer = world.begun()
    producer.produce(topic, b"x", partition=0, timestamp=9)
    producer.commit_transaction(LIMIT_S)
    world.until(lambda: world.ends(topic, what="max_timestamp")[0] == 1)
    assert world.ends(topic, what="max_timestamp")[1] > 9


def test_without_reset_reading_beyond_the_end_is_an_error_event(world: BrokerWorld) -> None:
    topic = world.written("a")
    consumer = world.assigned(topic, 50)
    found: list[KafkaError] = []
    world.until(lambda: found.extend(m.error() for m in consumer.consume(1, 0.1)) or found)
    assert found[0].code() == KafkaError._AUTO_OFFSET_RESET


def test_what_was_read_can_be_read_again_by_seeking_back(world: BrokerWorld) -> None:
    topic = world.written("a", "b")
    consumer = world.assigned(topic)
    world.read(consumer, lambda _, ends: 3 in ends)
    consumer.seek(TopicPartition(topic, 0, 1))
    assert world.read(consumer, lambda _, ends: 3 in ends)[0] == ["b"]


def test_a_paused_partition_gives_nothing_and_loses_nothing(world: BrokerWorld) -> None:
    topic = world.topic(partitions=2)
    world.write(topic, "a", partition=0)
    world.write(topic, "b", partition=1)
    consumer = world.consumer()
    consumer.assign([TopicPartition(topic, 0, 0), TopicPartition(topic, 1, 0)])
    consumer.pause([TopicPartition(topic, 0)])
    assert world.read(consumer, lambda _, ends: len(ends) == 1)[0] == ["b"]
    consumer.resume([TopicPartition(topic, 0)])
    assert world.read(consumer, lambda values, ends: bool(values and ends))[0] == ["a"]


def test_seeking_where_nothing_is_assigned_is_refused(world: BrokerWorld) -> None:
    consumer = world.consumer()
    with pytest.raises(KafkaException) as raised:
        consumer.seek(TopicPartition(world.topic(), 0, 0))
    assert raised.value.args[0].code() == KafkaError._UNKNOWN_PARTITION


def test_a_topic_that_is_not_there_is_named_as_such(world: BrokerWorld) -> None:
    listed = world.admin().list_topics(world.prefix + "nothing", timeout=LIMIT_S)
    assert listed.topics[world.prefix + "nothing"].error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART


@pytest.mark.only_kafka("nothing in memory looks offsets up by time")
def test_an_offset_can_be_looked_up_by_time(world: BrokerWorld) -> None:
    topic = world.written("a")
    (found,) = world.consumer().offsets_for_times([TopicPartition(topic, 0, 1)], timeout=LIMIT_S)
    assert found.offset == 0
