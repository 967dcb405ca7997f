"""Which of the delivered messages one turn takes."""

from typing import Any, cast

from confluent_kafka import Message

from shadowstream.kafka.client.messages import offset_of
from shadowstream.kafka.read_ahead import PART_BYTES_MAX, ReadAhead, parts_of
from shadowstream.records import Partition

A, B = Partition("orders", 0), Partition("orders", 1)


def record(place: Partition, offset: int) -> Message:
    return Message(topic=place.topic, partition=place.partition, offset=offset)


def records(place: Partition, *offsets: int) -> list[Message]:
    return [record(place, offset) for offset in offsets]


def offsets(turn: Any) -> dict[Partition, list[int]]:
    groups, events = turn
    assert not events
    return {place: [offset_of(message) for message in group] for place, group in groups.items()}


def test_the_limit_splits_a_batch_and_the_rest_comes_first_next() -> None:
    ahead = ReadAhead()
    assert offsets(ahead.next(records(A, 0, 1, 2), 2)) == {A: [0, 1]}
    assert len(ahead) == 1
    assert offsets(ahead.next(records(A, 3), 2)) == {A: [2, 3]}


def test_returned_messages_come_before_waiting_ones_and_partitions_can_drop() -> None:
    ahead = ReadAhead()
    ahead.next([*records(A, 0), *records(B, 7, 8)], 2)
    ahead.put_back(records(A, 0))
    assert len(ahead) == 2
    ahead.drop(B)
    assert offsets(ahead.next([], 10)) == {A: [0]}
    ahead.put_back(records(A, 0))
    ahead.clear()
    assert cast(Any, ahead.next([], 10)) == ({}, [])


def test_a_role_gets_large_values_in_parts_in_their_order() -> None:
    half = b"x" * (PART_BYTES_MAX // 2)
    sizes = [half, half, b"y", b"x" * (PART_BYTES_MAX + 1), None, half]
    large = [Message(topic=A.topic, partition=A.partition, offset=n, value=value) for n, value in enumerate(sizes)]
    found = [(place, [offset_of(one) for one in part]) for place, part in parts_of({A: large, B: records(B, 7, 8)})]
    assert found == [(A, [0, 1]), (A, [2]), (A, [3]), (A, [4, 5]), (B, [7, 8])]
