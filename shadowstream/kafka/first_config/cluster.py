"""The cluster for a first config: samples of topics, groups, and whether its brokers refuse anything."""

import time
from collections.abc import Callable, Sequence

from shadowstream.codecs.bounds import DecodedBounds
from shadowstream.codecs.decoder import Decoder
from shadowstream.config import Kafka, Schemas
from shadowstream.errors import BrokerError
from shadowstream.first_config.findings import Seen
from shadowstream.first_config.sampled import Sampled, sampled
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.doctor.granted import cluster_rights
from shadowstream.kafka.first_config.production_groups import groups_on
from shadowstream.kafka.first_config.sampling import Bounds, sample
from shadowstream.kafka.schemas.registry import schema_source

INPUTS_FACTOR = 3
"""Inputs are sampled this many times further than outputs, so that the inputs of sampled outputs are among them."""


class Cluster:
    """A cluster that is only read. `counts`: partitions by topic. Raises `BrokerError` if no broker answers."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka, self._client = kafka, admin(kafka)
        self.counts = offsets.existing(self._client)

    def seen(
        self,
        inputs: Sequence[str],
        outputs: Sequence[str],
        schemas: Schemas,
        bounds: Bounds,
        progress: Callable[[str], None],
    ) -> Seen:
        """Read the samples: outputs first, then inputs up to the newest output.

        `progress` is called with a line before each topic. Raises `RegistryError` while the registry does not answer.
        """
        source = schema_source(schemas)
        limits = DecodedBounds()
        strict, plain = Decoder(source, bounds=limits), Decoder(source, bounds=limits, names="plain")

        def of(topic: str, bounds: Bounds, decoder: Decoder, until_ms: int | None) -> Sampled:
            progress(f"reading up to {bounds.records:,} records of {topic}")
            read = sample(self._kafka, self._client, topic, self.counts[topic], bounds, until_ms)
            found = sampled(topic, self.counts[topic], read.batches, decoder)
            found.problem, found.limits = read.problem, read.limits
            return found

        written = [of(topic, bounds, strict, None) for topic in outputs]
        newest_ms = max((max(one.times_ms) for one in written if len(one)), default=None)
        further = bounds._replace(records=INPUTS_FACTOR * bounds.records)
        read = [of(topic, further, plain, newest_ms) for topic in inputs]
        groups, problem = groups_on(self._client, {topic: self.counts[topic] for topic in inputs})
        return Seen(read, written, groups, problem, self._is_unproven(), round(time.time() * 1_000))

    def _is_unproven(self) -> bool:
        """Return whether brokers on other machines refuse nothing, so that no role starts unless that is accepted."""
        try:
            rights = cluster_rights(self._client)
        except BrokerError:
            return False
        return rights.is_unproven and not rights.is_loopback
