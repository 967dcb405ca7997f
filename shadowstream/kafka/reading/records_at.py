"""Records at given offsets of several partitions, read outside any group in runs of neighbouring offsets."""

import contextlib
from collections.abc import Collection, Iterator, Mapping

from confluent_kafka import Message

from shadowstream.config import Config
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin, bounded_consumer
from shadowstream.kafka.client.messages import offset_of, place_of
from shadowstream.kafka.reading.bounded import quiet, read_spans
from shadowstream.kafka.reading.refetch import first_run
from shadowstream.records import Partition

QUIET_S = 60.0
QUEUE_KB = 4_096


def records_at(config: Config, purpose: str, wanted: Mapping[Partition, Collection[int]]) -> Iterator[Message]:
    """Yield the records at these offsets that the topics still hold, by runs of each partition.

    Raises `BrokerError` if nothing comes for a minute.
    """
    if not wanted:
        return
    client = admin(config.kafka)
    lows, highs = offsets.beginnings(client, wanted), offsets.stable_ends(client, wanted)
    left = {place: {at for at in found if lows[place] <= at < highs[place]} for place, found in wanted.items()}
    settings = {"queued.max.messages.kbytes": QUEUE_KB}
    with contextlib.closing(bounded_consumer(config.kafka, config.plan, purpose, **settings)) as consumer:
        while any(left.values()):
            runs = {place: first_run(found) for place, found in left.items() if found}
            spans = {place: (run[0], run[-1] + 1) for place, run in runs.items()}
            for polled in read_spans(consumer, spans, quiet(QUIET_S)):
                for message in polled.records:
                    if offset_of(message) in left[place_of(message)]:
                        yield message
            for place, run in runs.items():
                left[place].difference_update(run)
