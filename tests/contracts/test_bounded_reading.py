"""What a bounded read gives and when it ends, on both brokers."""

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Message, TopicPartition

from shadowstream.errors import BrokerError
from shadowstream.kafka.reading import bounded
from shadowstream.kafka.reading.bounded import NotReadToEnd, ReadLimit, Span, ignore, quiet, read_on, read_spans, within
from shadowstream.kafka.reading.newest import BackwardReader
from shadowstream.kafka.reading.topic_reader import offset_range
from shadowstream.records import Partition
from tests.contracts.brokers import LIMIT_S, BrokerWorld
from tests.pipeline.written_records import await_that

LIMIT = quiet(LIMIT_S)


@pytest.fixture(autouse=True)
def _clock(world: BrokerWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits are by the broker's clock."""
    monkeypatch.setattr(bounded, "time", SimpleNamespace(monotonic=world.now))


def text(message: Message) -> str:
    return (message.value() or b"").decode()


def await_end(consumer: Any, topic: str, end: int) -> None:
    """Wait until a reader may see all before `end`: a commit returns before its control record is written."""
    await_that(f"the end is {end}", lambda: offset_range(consumer, TopicPartition(topic, 0))[1] == end, LIMIT_S)


def read(
    consumer: Any, spans: dict[Partition, Span], limit: ReadLimit = LIMIT, **how: Any
) -> tuple[list[str], dict[Partition, int]]:
    """The values in order, and where each place has ended."""
    values: list[str] = []
    ended: dict[Partition, int] = {}
    for turn in read_spans(consumer, spans, limit, **how):
        values += map(text, turn.records)
        ended |= turn.ended
    return values, ended


def test_a_span_ends_with_its_last_record_and_excludes_later_ones(world: BrokerWorld) -> None:
    topic = world.written("a", "b", "c", "d")
    values, ended = read(world.consumer(), {Partition(topic, 0): (1, 3)})
    assert values == ["b", "c"]
    assert ended[Partition(topic, 0)] >= 3


def test_a_span_ends_where_only_control_records_lie_before_its_end(world: BrokerWorld) -> None:
    topic = world.written("a")
    world.write(topic, "lost", commit=False)
    assert read(world.consumer(), {Partition(topic, 0): (0, 4)}) == (["a"], {Partition(topic, 0): 4})


def test_a_record_after_the_end_ends_a_span_with_control_records(world: BrokerWorld) -> None:
    topic = world.written("a")
    world.write(topic, "b")
    values, ended = read(world.consumer(), {Partition(topic, 0): (0, 2)})
    assert values == ["a"]
    assert ended[Partition(topic, 0)] >= 2


def test_empty_spans_are_skipped_and_others_read_side_by_side(world: BrokerWorld) -> None:
    topic = world.topic(partitions=3)
    world.write(topic, "a", partition=0)
    world.write(topic, "b", partition=1)
    places = [Partition(topic, n) for n in range(3)]
    spans: dict[Partition, Span] = {places[0]: (0, 2), places[1]: (2, 2), places[2]: (0, 0)}
    assert read(world.consumer(), spans) == (["a"], {places[0]: 2})
    assert read(world.consumer(), {places[2]: (0, 0)}) == ([], {})


def test_a_span_without_an_end_is_read_to_the_present_end(world: BrokerWorld) -> None:
    topic = world.topic(partitions=2)
    world.write(topic, "a", "b")
    spans: dict[Partition, Span] = {Partition(topic, 0): (1, None), Partition(topic, 1): (0, None)}
    assert read(world.consumer(), spans) == (["b"], {Partition(topic, 0): 3, Partition(topic, 1): 0})


def test_after_an_open_transaction_a_read_waits_and_a_short_one_ends(world: BrokerWorld) -> None:
    topic = world.written("a")
    producer = world.open(topic, b"hidden")
    spans: dict[Partition, Span] = {Partition(topic, 0): (0, 3)}
    assert read(world.consumer(), spans, short=True) == (["a"], {Partition(topic, 0): 2})
    with pytest.raises(NotReadToEnd, match=f"{topic}/0: not read to its end, nothing came for 1 s") as raised:
        read(world.consumer(), spans, quiet(1.0))
    assert raised.value.retriable
    reading = read_spans(world.consumer(), spans, LIMIT)
    values = list(map(text, next(reading).records))
    producer.commit_transaction(LIMIT_S)
    for turn in reading:
        values += map(text, turn.records)
    assert values == ["a", "hidden"]


def test_a_limit_in_all_ends_a_read_whatever_comes(world: BrokerWorld) -> None:
    topic = world.topic()
    world.open(topic, b"hidden")
    began = world.now()
    with pytest.raises(NotReadToEnd, match=r"not read to its end within 0\.5 s"):
        read(world.consumer(), {Partition(topic, 0): (0, 1)}, within(0.5))
    assert 0.5 <= world.now() - began < LIMIT_S


def test_an_error_event_is_raised_unless_it_is_to_be_ignored(world: BrokerWorld) -> None:
    topic = world.written("a")
    with pytest.raises(BrokerError, match=f"^{topic}/0: ") as raised:
        read(world.consumer(), {Partition(topic, 0): (50, 60)})
    assert raised.value.retriable
    assert not isinstance(raised.value, NotReadToEnd)
    with pytest.raises(NotReadToEnd):
        read(world.consumer(), {Partition(topic, 0): (50, 60)}, quiet(1.0), on_error=ignore)


def test_a_consumer_that_was_assigned_is_read_on_from_where_it_stands(world: BrokerWorld) -> None:
    topic = world.written("a", "b")
    consumer = world.assigned(topic, 1)
    turns = [*read_on(consumer, {Partition(topic, 0): None}, LIMIT)]
    assert [text(message) for turn in turns for message in turn.records] == ["b"]


def test_backwards_gives_each_offset_once_and_newly_written_ones(world: BrokerWorld) -> None:
    topic, consumer = world.written(*(f"{n}" for n in range(30))), world.consumer()
    await_end(consumer, topic, 31)  # a control record is at 30
    reader = BackwardReader(consumer, Partition(topic, 0), 2)
    seen: list[str] = []

    def pick(message: Message) -> tuple[str, str]:
        seen.append(text(message))
        return text(message)[-1], text(message)

    assert reader.block(pick) == {"9": "29"}
    world.write(topic, "since")
    await_end(consumer, topic, 33)
    assert reader.block(pick) == {"e": "since"} | {str(n % 10): str(n) for n in range(13, 29)}
    whole = [reader.whole]
    assert reader.block(pick) == {str(n % 10): str(n) for n in range(13)}
    assert [*whole, reader.whole] == [False, True]
    assert sorted(seen) == sorted([*(str(n) for n in range(30)), "since"])
    assert reader.block(pick) == {}


def test_backwards_from_an_own_end_waits_for_records_below_it(world: BrokerWorld) -> None:
    topic = world.written("a")
    producer = world.open(topic, b"hidden")
    consumer = world.consumer()

    def pick(message: Message) -> tuple[str, int]:
        return text(message), 1

    assert BackwardReader(consumer, Partition(topic, 0), 10).block(pick) == {"a": 1}
    with pytest.raises(NotReadToEnd):
        BackwardReader(consumer, Partition(topic, 0), 10, end=3, limit=quiet(1.0)).block(pick)
    producer.commit_transaction(LIMIT_S)
    assert BackwardReader(consumer, Partition(topic, 0), 10, end=3).block(pick) == {"a": 1, "hidden": 1}
