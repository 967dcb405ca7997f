"""Samples of the topics that a trial will read, for its plan: rate and size of the records, and the backlog."""

import contextlib
from dataclasses import replace

from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.kafka.client import offsets
from shadowstream.kafka.trial.topic_admin import sources_of
from shadowstream.kafka.trial.topic_sampler import Sampler
from shadowstream.status.expected_load import Source

PER_PARTITION = 1_000


def sample(client: AdminClient, config: Config) -> tuple[list[Source], int]:
    """Return what samples show of each topic, and the number of sampled records. The client: the runner's.

    Rates are by event time, from the oldest sampled record of a partition to the newest: 0 for a single time. Raises
    `ConfigError` for a topic that does not exist, and `BrokerError`.
    """
    found, sampled = [], 0
    with contextlib.closing(Sampler(config, client, PER_PARTITION)) as sampler:
        for topic, side in sources_of(config).items():
            if topic not in sampler.counts:
                continue  # labels
            count = size = 0
            spans: dict[int, tuple[int, int, int]] = {}
            for batch in sampler.newest(topic, PER_PARTITION, False):
                count += len(batch.offsets)
                size += sum(len(part) for column in (batch.keys, batch.values) for part in column if part is not None)
                first, last, records = spans.get(batch.place.partition, (batch.times_ms[0], batch.times_ms[0], 0))
                spans[batch.place.partition] = (
                    min(first, *batch.times_ms),
                    max(last, *batch.times_ms),
                    records + len(batch.offsets),
                )
            moving = [span for span in spans.values() if span[1] > span[0]]
            per_s = sum(1_000 * (records - 1) / (last - first) for first, last, records in moving)
            mean = size / count if count else 0.0
            found.append(Source(topic, side, sampler.counts[topic], per_s, mean, _waiting(client, config, topic)))
            sampled += count
    if config.production.answer is not None:  # runner and joiner both read the topic
        found += [replace(one, side="input") for one in found if one.topic in config.inputs]
    return found, sampled


def _waiting(client: AdminClient, config: Config, topic: str) -> int:
    """Return the records of a topic that a trial would read before those that are still to come."""
    places = offsets.places(offsets.partition_counts(client, [topic]))
    ends = offsets.ends(client, places)
    if config.starts == "latest":
        return 0
    begins = offsets.beginnings(client, places)
    if config.starts == "production-group" and config.production.group and topic in config.inputs:
        begins |= offsets.committed(client, config.production.group, places)
    elif config.starts == "production-group":
        return 0
    return sum(ends[place] - begins[place] for place in places)
