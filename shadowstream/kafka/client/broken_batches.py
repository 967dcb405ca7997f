"""Search for the end of a batch that the client cannot decompress.

A producer compresses many records as one batch. A consumer that seeks into the middle of a broken batch reports its
first offset again. One seek a record would take an hour for 10,000 records. So the search doubles and halves its steps,
with a consumer of its own. An offset is in the batch if the error on reading it names the same first offset.
"""

import contextlib
import time

from confluent_kafka import Consumer, KafkaError, TopicPartition

from shadowstream.config import Config
from shadowstream.errors import BrokerError
from shadowstream.kafka.client.consumers import reading_consumer
from shadowstream.kafka.client.messages import is_end, is_offset_gone, offset_of
from shadowstream.logs import get_logger
from shadowstream.records import Partition

log = get_logger("loop")
LIMIT_S = 20.0
PROBE_S = 5.0
RECORDS_MAX = 1_000_000


class BrokenBatches:
    """Search for the ends of broken batches for one role."""

    def __init__(self, config: Config, purpose: str) -> None:
        self._config, self._purpose = config, purpose

    def end(self, place: Partition, begin: int, offset: int) -> int:
        """Return the offset after the batch that begins at `begin` and holds `offset`; a lower one after `LIMIT_S`."""
        inside, outside, step = offset, offset + RECORDS_MAX, 1
        deadline = time.monotonic() + LIMIT_S
        purpose = f"{self._purpose}.broken"
        with contextlib.closing(reading_consumer(self._config.kafka, self._config.plan, purpose)) as consumer:
            try:
                while outside - inside > 1 and time.monotonic() < deadline:
                    probe = min(inside + step, (inside + outside) // 2)
                    if _holds(consumer, place, begin, probe):
                        inside, step = probe, 2 * step
                    else:
                        outside = probe
            except BrokerError as error:
                log.info("end_of_batch_not_found", place=str(place), offset=inside, error=str(error))
        return inside + 1


def _holds(consumer: Consumer, place: Partition, begin: int, offset: int) -> bool:
    consumer.assign([TopicPartition(*place, offset)])
    deadline = time.monotonic() + PROBE_S
    while time.monotonic() < deadline:
        for message in consumer.consume(1, 0.2):
            error = message.error()
            if error is None or is_end(error) or is_offset_gone(error):
                return False
            if is_unreadable(error):
                return offset_of(message) == begin
    raise BrokerError(f"{place}: no answer for offset {offset} within {PROBE_S:.0f} s", retriable=True)


def is_unreadable(error: KafkaError) -> bool:
    """Return whether the error means that records at an offset can never be read."""
    return error.code() == KafkaError._BAD_COMPRESSION
