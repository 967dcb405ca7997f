"""Reading a topic to its end, on a real broker: transactions, gaps, growth, absence."""

import itertools

import pytest
from confluent_kafka import Producer

from shadowstream.config import Kafka
from shadowstream.kafka.reading.topic_reader import TopicMissing, TopicRecord, read_topic, stream_topic
from shadowstream.testing.choice import Broker
from shadowstream.testing.topics import Write, create_topics, produce_all

TIMEOUT_S = 20.0


def values(reads: list[TopicRecord]) -> list[bytes | None]:
    return [read.value for read in reads]


@pytest.fixture
def topic(kafka: Broker, topic_prefix: str) -> str:
    name = f"{topic_prefix}t"
    create_topics(kafka.bootstrap, {name: 2})
    return name


@pytest.fixture
def cluster(kafka: Broker) -> Kafka:
    return Kafka(bootstrap=kafka.bootstrap)


def test_an_empty_topic_reads_as_nothing(cluster: Kafka, topic: str) -> None:
    assert read_topic(cluster, topic, TIMEOUT_S) == []


def test_every_record_comes_with_its_place_time_and_bytes(cluster: Kafka, topic: str) -> None:
    writes = [Write(b"a", b"k", 0, 1000), Write(None, b"k", 0, 1001), Write(b"", None, 1, 1002)]
    assert produce_all(cluster.bootstrap, topic, writes) == 3
    assert sorted(read_topic(cluster, topic, TIMEOUT_S)) == [
        TopicRecord(0, 0, 1000, b"k", b"a"),
        TopicRecord(0, 1, 1001, b"k", None),
        TopicRecord(1, 0, 1002, None, b""),
    ]


def test_many_records_come_complete_and_in_order(cluster: Kafka, topic: str) -> None:
    n = 5_000
    produce_all(cluster.bootstrap, topic, (Write(b"%d" % i, partition=i % 2) for i in range(n)))
    reads = read_topic(cluster, topic, TIMEOUT_S)
    for partition in (0, 1):
        own = [read for read in reads if read.partition == partition]
        assert [read.offset for read in own] == list(range(n // 2))
        assert values(own) == [b"%d" % i for i in range(partition, n, 2)]


def test_aborted_and_open_transactions_are_skipped_without_delay(cluster: Kafka, topic: str) -> None:
    produce_all(cluster.bootstrap, topic, [Write(b"committed", partition=0)], transactional_id=f"{topic}-1")
    writer = Producer({"bootstrap.servers": cluster.bootstrap, "transactional.id": f"{topic}-2"})
    writer.init_transactions(TIMEOUT_S)
    writer.begin_transaction()
    writer.produce(topic, b"aborted", partition=0)
    writer.produce(topic, b"aborted", partition=1)
    writer.flush(TIMEOUT_S)
    writer.abort_transaction(TIMEOUT_S)
    assert values(read_topic(cluster, topic, TIMEOUT_S)) == [b"committed"]
    writer.begin_transaction()
    writer.produce(topic, b"open", partition=0)
    writer.flush(TIMEOUT_S)
    assert values(read_topic(cluster, topic, TIMEOUT_S)) == [b"committed"]
    writer.commit_transaction(TIMEOUT_S)
    assert values(read_topic(cluster, topic, TIMEOUT_S)) == [b"committed", b"open"]


def test_following_goes_on_with_what_is_written_later(cluster: Kafka, topic: str) -> None:
    produce_all(cluster.bootstrap, topic, [Write(b"before", partition=1)])
    reads = stream_topic(cluster, topic, TIMEOUT_S, follow=True)
    assert next(reads).value == b"before"
    produce_all(cluster.bootstrap, topic, [Write(b"after", partition=0), Write(b"last", partition=1)])
    assert sorted(values(list(itertools.islice(reads, 2)))) == [b"after", b"last"]  # type: ignore[type-var]  # no None
    reads.close()


def test_a_topic_that_is_not_there_is_distinguished_and_not_created(cluster: Kafka, topic_prefix: str) -> None:
    for _ in range(2):
        with pytest.raises(TopicMissing, match="there is no topic"):
            read_topic(cluster, f"{topic_prefix}never", TIMEOUT_S)
