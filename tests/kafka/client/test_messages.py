"""Messages of the client as columns."""

from collections.abc import Sequence

import pytest
from confluent_kafka import Message

from shadowstream.kafka.client.messages import columns
from shadowstream.records import Partition

PLACE = Partition("orders", 3)


@pytest.mark.parametrize("offsets", [[], [7], [7, 8, 9], [7, 9], [0, 1, 3, 4]])
def test_offsets_are_those_of_the_messages_with_gaps_and_without(offsets: Sequence[int]) -> None:
    messages = [Message(PLACE.topic, PLACE.partition, n, b"k%d" % n, None, None, None, (1, 1_000 + n)) for n in offsets]
    found = columns(PLACE, messages, False)
    assert list(found.offsets) == list(offsets)
    assert (found.times_ms, found.keys) == ([1_000 + n for n in offsets], [b"k%d" % n for n in offsets])
    assert list(found.part(1, 3).offsets) == list(offsets[1:3])
