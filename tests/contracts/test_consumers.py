"""What a reader sees of transactions, and where it stands."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from tests.contracts.brokers import LIMIT_S, Bench


def test_the_end_event_stands_after_the_marker_of_a_commit(bench: Bench) -> None:
    topic = bench.topic()
    bench.write(topic, "a", "b")
    assert bench.read(bench.assigned(topic), lambda _, ends: 3 in ends)[0] == ["a", "b"]
    assert bench.ends(topic) == (3, -1)


def test_the_position_of_a_reader_passes_control_records(bench: Bench) -> None:
    topic = bench.topic()
    bench.write(topic, "a")
    consumer = bench.assigned(topic)
    bench.read(consumer, lambda _, ends: 2 in ends)
    bench.write(topic, "b")
    values, ends = bench.read(consumer, lambda _, ends: 4 in ends)
    assert (values, ends[-1]) == (["b"], 4)


def test_a_transaction_that_was_aborted_is_not_seen_and_is_passed(bench: Bench) -> None:
    topic = bench.topic()
    bench.write(topic, "a")
    bench.write(topic, "lost", "too", commit=False)
    bench.write(topic, "b")
    assert bench.read(bench.assigned(topic), lambda _, ends: 7 in ends)[0] == ["a", "b"]


def test_nothing_is_seen_from_an_open_transaction_on(bench: Bench) -> None:
    topic = bench.topic()
    bench.write(topic, "a")
    open_one = bench.begun("open")
    open_one.produce(topic, b"undecided", partition=0)
    open_one.flush(LIMIT_S)
    bench.write(topic, "hidden behind it")
    consumer = bench.assigned(topic)
    values, ends = bench.read(consumer, lambda _, ends: bool(ends))
    assert (values, ends) == (["a"], [2])
    assert bench.ends(topic) == (5, -1)
    assert bench.ends(topic, committed=True) == (2, -1)
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=LIMIT_S) == (0, 2)
    open_one.commit_transaction(LIMIT_S)
    assert bench.read(consumer, lambda _, ends: 6 in ends)[0] == ["undecided", "hidden behind it"]


def test_a_read_uncommitted_reader_sees_everything_but_markers(bench: Bench) -> None:
    topic = bench.topic()
    bench.write(topic, "gone", commit=False)
    open_one = bench.begun("open")
    open_one.produce(topic, b"undecided", partition=0)
    open_one.flush(LIMIT_S)
    consumer = bench.assigned(topic, isolation_level="read_uncommitted")
    assert bench.read(consumer, lambda _, ends: 3 in ends)[0] == ["gone", "undecided"]


def test_key_headers_and_time_come_as_they_were_written(bench: Bench) -> None:
    topic = bench.topic()
    producer = bench.begun()
    producer.produce(topic, None, b"k", partition=0, timestamp=1234, headers=[("h", b"1"), ("h", b"2")])
    producer.commit_transaction(LIMIT_S)
    consumer = bench.assigned(topic)
    found: list[Any] = []
    bench.until(lambda: found.extend(m for m in consumer.consume(1, 0.1) if m.error() is None) or found)
    one = found[0]
    assert (one.key(), one.value(), one.timestamp()[1]) == (b"k", None, 1234)
    assert one.headers() == [("h", b"1"), ("h", b"2")]


def test_first_offset_and_greatest_time_are_listed(bench: Bench) -> None:
    topic = bench.topic()
    assert bench.ends(topic, what="max_timestamp") == (-1, -1)
    producer = bench.producer(None)
    for time_ms in (5, 9, 7):
        producer.produce(topic, b"x", partition=0, timestamp=time_ms)
        producer.flush(LIMIT_S)
    assert bench.ends(topic, what="earliest") == (0, -1)
    assert bench.ends(topic, what="max_timestamp") == (1, 9)


def test_the_greatest_listed_time_may_be_a_markers(bench: Bench) -> None:
    topic = bench.topic()
    producer = bench.begun()
    producer.produce(topic, b"x", partition=0, timestamp=9)
    producer.commit_transaction(LIMIT_S)
    bench.until(lambda: bench.ends(topic, what="max_timestamp")[0] == 1)
    assert bench.ends(topic, what="max_timestamp")[1] > 9


def test_without_reset_reading_beyond_the_end_is_an_error_event(bench: Bench) -> None:
    topic = bench.topic()
    bench.write(topic, "a")
    consumer = bench.assigned(topic, 50)
    found: list[KafkaError] = []
    bench.until(lambda: found.extend(m.error() for m in consumer.consume(1, 0.1)) or found)
    assert found[0].code() == KafkaError._AUTO_OFFSET_RESET


def test_what_was_read_can_be_read_again_by_seeking_back(bench: Bench) -> None:
    topic = bench.topic()
    bench.write(topic, "a", "b")
    consumer = bench.assigned(topic)
    bench.read(consumer, lambda _, ends: 3 in ends)
    consumer.seek(TopicPartition(topic, 0, 1))
    assert bench.read(consumer, lambda _, ends: 3 in ends)[0] == ["b"]


def test_a_paused_partition_gives_nothing_and_loses_nothing(bench: Bench) -> None:
    topic = bench.topic(partitions=2)
    bench.write(topic, "a", partition=0)
    bench.write(topic, "b", partition=1)
    consumer = bench.consumer()
    consumer.assign([TopicPartition(topic, 0, 0), TopicPartition(topic, 1, 0)])
    consumer.pause([TopicPartition(topic, 0)])
    assert bench.read(consumer, lambda _, ends: len(ends) == 1)[0] == ["b"]
    consumer.resume([TopicPartition(topic, 0)])
    assert bench.read(consumer, lambda values, ends: bool(values and ends))[0] == ["a"]


def test_seeking_where_nothing_is_assigned_is_refused(bench: Bench) -> None:
    consumer = bench.consumer()
    with pytest.raises(KafkaException) as raised:
        consumer.seek(TopicPartition(bench.topic(), 0, 0))
    assert raised.value.args[0].code() == KafkaError._UNKNOWN_PARTITION


def test_a_topic_that_is_not_there_is_named_as_such(bench: Bench) -> None:
    listed = bench.admin().list_topics(bench.prefix + "nothing", timeout=LIMIT_S)
    assert listed.topics[bench.prefix + "nothing"].error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART


@pytest.mark.only_kafka("nothing in memory looks offsets up by time")
def test_an_offset_can_be_looked_up_by_time(bench: Bench) -> None:
    topic = bench.topic()
    bench.write(topic, "a")
    (found,) = bench.consumer().offsets_for_times([TopicPartition(topic, 0, 1)], timeout=LIMIT_S)
    assert found.offset == 0
