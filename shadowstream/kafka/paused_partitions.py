"""Partitions that the loop pauses for a while, and records that the client can never read.

The loop re-reads a batch later if its schema is not available now, or the candidate's process has ended; the other
partitions continue. A record that the
client cannot decompress would block its partition for ever, because librdkafka fetches it repeatedly. Such a record
decompresses to more than `receive.message.max.bytes`, or its data is broken. The loop skips it with the rest of its
batch, and passes it to the role as lost.
"""

import time

from confluent_kafka import Consumer, Message, TopicPartition

from shadowstream.errors import CandidateDown, RegistryError
from shadowstream.kafka.client.broken_batches import BrokenBatches
from shadowstream.kafka.client.messages import offset_of, place_of
from shadowstream.logs import get_logger
from shadowstream.records import Batch, Partition

log = get_logger("loop")
QUIET_S = 0.3
"""An error that comes sooner after a seek may belong to the position before it; the client reports it again."""


class PausedPartitions:
    """Pauses and seeks of one consumer; true while a partition is paused."""

    def __init__(self, consumer: Consumer, broken: BrokenBatches) -> None:
        self._consumer, self._broken = consumer, broken
        self._until: dict[Partition, float] = {}
        self._passed: dict[Partition, tuple[int, float]] = {}
        self._held: frozenset[Partition] = frozenset()

    def __bool__(self) -> bool:
        return bool(self._until)

    def pause(self, place: Partition, offset: int, error: RegistryError | CandidateDown) -> None:
        log.warning("partition_paused", place=str(place), offset=offset, error=str(error))
        self._until[place] = time.monotonic() + error.pause_s
        self._consumer.pause([TopicPartition(*place)])
        self._consumer.seek(TopicPartition(*place, offset))

    def hold(self, places: frozenset[Partition]) -> None:
        """Pause just these partitions for as long as the role is paused; resume the others that it held."""
        if places == self._held:
            return
        begun, over = places - self._held, self._held - places - self._until.keys()
        self._held = places
        if begun:
            self._consumer.pause([TopicPartition(*place) for place in begun])
        if over:
            self._consumer.resume([TopicPartition(*place) for place in over])

    def resume(self, everything: bool = False) -> None:
        """Resume the partitions whose pause is over; with `everything` all of them."""
        now = time.monotonic()
        due = {place for place, until in self._until.items() if everything or until <= now}
        for place in due:
            del self._until[place]
        if everything:
            self.hold(frozenset())
        if due := due - self._held:
            self._consumer.resume([TopicPartition(*place) for place in due])

    def skip_unreadable(self, events: list[Message], now_ms: int) -> list[Batch]:
        """Skip unreadable records; return them as lost, at most one batch a partition."""
        lost: dict[Partition, Batch] = {}
        for message in events:
            place, error = place_of(message), message.error()
            wanted, at = self._passed.get(place, (-1, 0.0))
            if place in lost or error is None or time.monotonic() - at < QUIET_S:
                continue
            # Each fetch of a broken batch of several records reports the first offset of the batch.
            begin = offset_of(message)
            offset = max(begin, wanted)
            end = self._broken.end(place, begin, offset)
            n = end - offset
            log.error("record_unreadable", place=str(place), offset=offset, records=n, error=error.str())
            self._passed[place] = end, time.monotonic()
            self._consumer.seek(TopicPartition(*place, end))
            reason = f"the client cannot decompress it: {error.str()}; raise receive.message.max.bytes in kafka.client"
            nothing: list[None] = [None] * n
            lost[place] = Batch(place, range(offset, end), [now_ms] * n, nothing, nothing, nothing, reason)
        return list(lost.values())
