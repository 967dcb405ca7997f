"""Messages that the client has delivered and the role has not consumed yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from confluent_kafka import Message

from shadowstream.kafka.client.messages import place_of, split, split_at
from shadowstream.records import Partition

Turn = tuple[dict[Partition, Sequence[Message]], list[Message]]
"""Records by partition, and events (ends and errors), of one turn of the loop."""


class ReadAhead:
    """A queue of messages in the order of their delivery."""

    def __init__(self) -> None:
        self._messages: list[Message] = []

    def __len__(self) -> int:
        return len(self._messages)

    def next(
        self, fetched: list[Message], limit: int, room: int, new_records: Callable[[Partition, Sequence[Message]], int]
    ) -> Turn:
        """Append the fetched messages and take the first: `limit` at most, of which at most `room` hold a new record.

        `new_records` counts, among records of one partition, those that were never read before. The others cost the
        transaction nothing.
        """
        messages, self._messages = split_at(self._messages + fetched, limit)
        groups, events = split(messages)
        if sum(new_records(place, group) for place, group in groups.items()) <= room:
            return groups, events
        for n, message in enumerate(messages):
            if message.error() is None:
                room -= new_records(place_of(message), [message])
            if room < 0:
                self.put_back(messages[n:])
                return split(messages[:n])
        return groups, events

    def put_back(self, messages: Sequence[Message]) -> None:
        """Put messages before all others: they are taken first in the next turn."""
        self._messages = [*messages, *self._messages]

    def drop(self, place: Partition) -> None:
        """Remove the messages of one partition: its consumer is set back and delivers them again."""
        self._messages = [message for message in self._messages if place_of(message) != place]

    def clear(self) -> None:
        """Remove all messages."""
        self._messages = []
