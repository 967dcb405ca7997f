"""Messages that the client has delivered and the role has not consumed yet."""

from collections.abc import Iterator, Mapping, Sequence

from confluent_kafka import Message

from shadowstream.kafka.client.messages import place_of, split
from shadowstream.records import Partition

LoopTurn = tuple[dict[Partition, Sequence[Message]], list[Message]]
"""Records by partition, and events (ends and errors), of one turn of the loop."""


PART_BYTES_MAX = 4_000_000
"""Maximum bytes of the values that a role decodes at once, beside the last one: they take up to 30 times as much."""


def parts_of(groups: Mapping[Partition, Sequence[Message]]) -> Iterator[tuple[Partition, Sequence[Message]]]:
    """Yield the records of each partition, in parts of at most `PART_BYTES_MAX`. A message's length is its value's."""
    for place, group in groups.items():
        if sum(map(len, group)) <= PART_BYTES_MAX:
            yield place, group
            continue
        begin = held = 0
        for n, size in enumerate(map(len, group)):
            if held and held + size > PART_BYTES_MAX:
                yield place, group[begin:n]
                begin, held = n, 0
            held += size
        yield place, group[begin:]


class ReadAhead:
    """A queue of messages in the order of their delivery."""

    def __init__(self) -> None:
        self._messages: list[Message] = []

    def __len__(self) -> int:
        return len(self._messages)

    def next(self, fetched: list[Message], limit: int) -> LoopTurn:
        """Append the fetched messages and take the first `limit`."""
        all_messages = self._messages + fetched
        messages, self._messages = all_messages[:limit], all_messages[limit:]
        return split(messages)

    def put_back(self, messages: Sequence[Message]) -> None:
        self._messages = [*messages, *self._messages]

    def drop(self, place: Partition) -> None:
        """Remove the messages of one partition: the caller seeks back, and its consumer delivers them again."""
        self._messages = [message for message in self._messages if place_of(message) != place]

    def clear(self) -> None:
        self._messages = []
