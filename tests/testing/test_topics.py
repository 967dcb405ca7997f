"""The independent writer and reader, and the facts of Kafka's client that they and the roles rest on."""

from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from shadowstream.errors import BrokerError
from shadowstream.testing import Broker
from shadowstream.testing.topics import Read, Write, create_topics, produce_all, read_all

YEAR_2013_MS = 1_357_000_000_000


def offsets(found: list[Read]) -> list[int]:
    return [read.offset for read in found]


@pytest.fixture
def transactions(kafka: Broker, topic_prefix: str) -> Iterator[str]:
    """A topic of one partition: committed 0..2, marker 3, aborted 4..5, marker 6, and 7..8 of an open transaction."""
    topic = f"{topic_prefix}transactions"
    create_topics(kafka.bootstrap, {topic: 1})
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": f"{topic_prefix}writer"})
    producer.init_transactions(30)
    for records, end in ((3, producer.commit_transaction), (2, producer.abort_transaction), (2, None)):
        producer.begin_transaction()
        for _ in range(records):
            producer.produce(topic, b"x", partition=0)
        producer.flush(30)
        if end is not None:
            end(30)
    yield topic
    producer.abort_transaction(30)


@pytest.fixture
def consumer(kafka: Broker, topic_prefix: str) -> Iterator[Consumer]:
    settings = {
        "bootstrap.servers": kafka.bootstrap,
        "group.id": f"{topic_prefix}reader",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "enable.auto.commit": False,
    }
    consumer = Consumer(settings)
    yield consumer
    consumer.close()


def consume(consumer: Consumer, limit: int) -> list[tuple[str, int | None]]:
    """One batch, by kind and offset; waits for its first message."""
    for _ in range(60):
        batch = consumer.consume(limit, 0.5)
        if batch:
            break
    kinds = ["record" if (error := message.error()) is None else error.name() for message in batch]
    return [(kind, message.offset()) for kind, message in zip(kinds, batch, strict=True)]


def position(consumer: Consumer, topic: str) -> int:
    return consumer.position([TopicPartition(topic, 0)])[0].offset


def test_everything_written_is_read_back_as_it_was(kafka: Broker, topic_prefix: str) -> None:
    topic = f"{topic_prefix}all"
    create_topics(kafka.bootstrap, {topic: 3})
    headers = (("s", b"\x00\x01"), ("none", None))
    records = [
        Write(b"first", b"a", partition=0, timestamp_ms=YEAR_2013_MS, headers=headers),
        Write(None, b"b", partition=2, timestamp_ms=YEAR_2013_MS + 1),
        Write(b"", None, partition=0, timestamp_ms=YEAR_2013_MS - 1),
    ]
    assert produce_all(kafka.bootstrap, topic, records) == 3
    assert read_all(kafka.bootstrap, topic) == [
        Read(topic, 0, 0, YEAR_2013_MS, b"a", b"first", headers),
        Read(topic, 0, 1, YEAR_2013_MS - 1, None, b"", ()),
        Read(topic, 2, 0, YEAR_2013_MS + 1, b"b", None, ()),
    ]


def test_a_large_topic_is_read_to_its_end(kafka: Broker, topic_prefix: str) -> None:
    topic = f"{topic_prefix}large"
    create_topics(kafka.bootstrap, {topic: 2})
    count = 50_000
    assert produce_all(kafka.bootstrap, topic, (Write(b"%d" % n, b"%d" % n) for n in range(count))) == count
    found = read_all(kafka.bootstrap, topic)
    assert sorted(int(read.value or b"") for read in found) == list(range(count))
    for partition in range(2):
        own = offsets([read for read in found if read.partition == partition])
        assert own == list(range(len(own)))


def test_a_transaction_is_written_as_one(kafka: Broker, topic_prefix: str) -> None:
    topic = f"{topic_prefix}one"
    create_topics(kafka.bootstrap, {topic: 1})
    for _ in range(2):
        produce_all(kafka.bootstrap, topic, [Write(b"x")] * 2, transactional_id=f"{topic_prefix}writer")
    assert offsets(read_all(kafka.bootstrap, topic)) == [0, 1, 3, 4], "2 and 5 are the transactions' markers"


def test_aborted_and_open_records_are_read_only_uncommitted(kafka: Broker, transactions: str) -> None:
    assert offsets(read_all(kafka.bootstrap, transactions)) == [0, 1, 2]
    assert offsets(read_all(kafka.bootstrap, transactions, "read_uncommitted")) == [0, 1, 2, 4, 5, 7, 8]


def test_an_empty_topic_is_read_as_empty(kafka: Broker, topic_prefix: str) -> None:
    create_topics(kafka.bootstrap, {f"{topic_prefix}empty": 4})
    assert read_all(kafka.bootstrap, f"{topic_prefix}empty") == []


def test_what_cannot_be_done_is_reported_with_the_topic_s_name(kafka: Broker, topic_prefix: str) -> None:
    topic = f"{topic_prefix}absent"
    with pytest.raises(BrokerError, match=f"topic {topic} cannot be read"):
        read_all(kafka.bootstrap, topic)
    create_topics(kafka.bootstrap, {topic: 1})
    with pytest.raises(BrokerError, match=f"topic {topic} was not created: .*exists"):
        create_topics(kafka.bootstrap, {topic: 1})
    with pytest.raises(BrokerError, match=f"writing to {topic}"):
        produce_all(kafka.bootstrap, topic, [Write(b"x", partition=7)])


def test_the_partition_eof_stands_at_the_last_stable_offset_after_the_markers(
    consumer: Consumer, transactions: str
) -> None:
    consumer.assign([TopicPartition(transactions, 0, 0)])
    got: list[tuple[str, int | None]] = []
    while len(got) < 4:
        got += consume(consumer, 100)
    assert got == [("record", 0), ("record", 1), ("record", 2), ("_PARTITION_EOF", 7)]
    assert position(consumer, transactions) == 7
    assert consumer.get_watermark_offsets(TopicPartition(transactions, 0), timeout=10) == (0, 7)
    assert consumer.get_watermark_offsets(TopicPartition(transactions, 0), cached=True) == (0, 9)


def test_the_position_passes_the_markers_only_with_the_eof(consumer: Consumer, transactions: str) -> None:
    consumer.assign([TopicPartition(transactions, 0, 0)])
    assert consume(consumer, 3) == [("record", 0), ("record", 1), ("record", 2)]
    assert position(consumer, transactions) == 3
    assert consume(consumer, 3) == [("_PARTITION_EOF", 7)]
    assert position(consumer, transactions) == 7


def test_a_position_is_unknown_where_the_reading_began_at_the_end(consumer: Consumer, transactions: str) -> None:
    consumer.assign([TopicPartition(transactions, 0, 7)])
    assert consume(consumer, 100) == [("_PARTITION_EOF", 7)]
    assert position(consumer, transactions) == -1001, "OFFSET_INVALID: the EOF's own offset is what one knows"


def test_a_read_of_aborted_records_only_moves_the_position(consumer: Consumer, transactions: str) -> None:
    consumer.assign([TopicPartition(transactions, 0, 4)])
    assert consume(consumer, 100) == [("_PARTITION_EOF", 7)]
    assert position(consumer, transactions) == 7
