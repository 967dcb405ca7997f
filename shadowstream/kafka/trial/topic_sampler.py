"""Samples of the topics whose partitions must agree: production's outputs, the candidate's, the twin's, and the inputs.

The sampler reads outside any group and commits nothing. Records, buffered bytes and time are bounded: a sample holds
the records that arrive within the bounds.
"""

import contextlib
from collections.abc import Iterator, Mapping

from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import BrokerError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import bounded_consumer
from shadowstream.kafka.client.errors import translated_errors
from shadowstream.kafka.client.messages import columns, split
from shadowstream.kafka.reading.bounded import NotReadToEnd, Span, fail_if_fatal, read_spans, within
from shadowstream.protocol.join_id import Identity
from shadowstream.records import Batch, Partition, Side
from shadowstream.runner.partitioner_detection import SAME, EvidenceByKind, SampledRecord, evidence_of_same, weigh

PER_PARTITION = 1_000  # the number of newest records of each partition, fewer if all together exceed `IN_ALL`
IN_ALL = 50_000
INPUT_SPAN = 3
"""Inputs around production's commits are read this many times further: outputs of a batch come before its commit."""
LIMIT_S = 10.0
LEADERS_S = 2.0


class Sampler:
    """Reader of samples. `counts`: partitions by topic; `others`: topics whose keys must be where production's are."""

    def __init__(
        self, config: Config, client: AdminClient, per_partition: int = PER_PARTITION, limit_s: float = LIMIT_S
    ) -> None:
        self._config, self._client, self._limit_s = config, client, limit_s
        self._identity = Identity(config)
        twin = config.twin.topic if config.twin is not None else None
        others = ((config.candidate.topic, Side.SHADOW), (twin, Side.TWIN))
        self._others = [(topic, side) for topic, side in others if topic is not None]
        self.others = {topic for topic, _ in self._others}
        topics = [*config.inputs, *config.production.outputs, *self.others]
        self.counts = offsets.partition_counts(client, topics)
        self._inputs = offsets.places({topic: self.counts[topic] for topic in config.inputs})
        self._limit = min(per_partition, max(20, IN_ALL // max(self.counts.values())))
        self._on_error = fail_if_fatal("sampling")
        # Retention may delete the beginning of a partition between the request for its offset and the read.
        settings = {"auto.offset.reset": "earliest", "queued.max.messages.kbytes": 16_384}
        self._consumer = bounded_consumer(config.kafka, config.plan, "runner.sampling", **settings)

    def close(self) -> None:
        self._consumer.close()

    def production_is_done(self) -> bool:
        """Return whether production of a bounded run has committed all inputs, so that it writes no more."""
        group = self._config.production.group
        if not self._config.bounded or not group:
            return False
        # Commits first: inputs that arrive in between only delay the answer.
        committed = offsets.committed(self._client, group, self._inputs)
        return all(committed.get(place, 0) >= end for place, end in offsets.ends(self._client, self._inputs).items())

    def evidence(self, topic: str) -> dict[str, EvidenceByKind]:
        """Return the evidence for each kind, by topic: of an output topic and of those that must agree with it.

        A job or twin without records is left out: it may start much later, and later checks include it.
        """
        samples = {topic: self._sample(topic, Side.PRODUCTION)}
        for other, side in self._others:
            found = self._sample(other, side)
            if found:
                samples[other] = found
        named = any(one.input_partition is not None for sample in samples.values() for one in sample)
        keys = {one.key for sample in samples.values() for one in sample if one.key is not None}
        inputs = {} if named or not keys else self._homes_of(keys)
        by_key = self._config.identity.kind in ("key", "occurrence")
        weighed = {name: weigh(sample, inputs, self.counts[name], by_key) for name, sample in samples.items()}
        if self._config.candidate.topic is not None:  # the runner needs a rule that it can compute
            for name in [name for name in samples if name != topic]:
                weighed[name][SAME] = evidence_of_same(samples[name], samples[topic], self.counts[name])
        return weighed

    def _sample(self, topic: str, side: Side) -> list[SampledRecord]:
        found: list[SampledRecord] = []
        for batch in self.newest(topic, self._limit, self._identity.is_coordinate):
            packed = [self._identity.packed(headers) for headers in batch.headers]
            coordinates = self._identity.coordinates(side, batch, packed) if self._identity.is_coordinate else None
            for i, (offset, key) in enumerate(zip(batch.offsets, batch.keys, strict=True)):
                at = coordinates[i] if coordinates is not None else None
                if coordinates is not None and at is None and key is None:
                    continue  # without a coordinate it has no partner
                found.append(SampledRecord(batch.place, offset, key, None if at is None else at.partition))
        return found

    def _homes_of(self, keys: set[bytes]) -> dict[bytes, set[int]]:
        """Return the input partitions of these keys, found near production's commits."""
        ends, lows = offsets.ends(self._client, self._inputs), offsets.beginnings(self._client, self._inputs)
        group, span = self._config.production.group, INPUT_SPAN * self._limit
        committed = offsets.committed(self._client, group, self._inputs) if group else {}
        wanted: dict[Partition, Span] = {}
        for place, end in ends.items():
            middle = committed.get(place, end)
            wanted[place] = (max(lows[place], middle - span), min(end, middle + span))
        for topic in self._config.inputs:
            # A client that has read asks for the leaders of a topic it does not know only after a second.
            with contextlib.suppress(BrokerError), translated_errors("sampling"):
                self._consumer.list_topics(topic, timeout=LEADERS_S)
        homes: dict[bytes, set[int]] = {}
        for batch in self._read(wanted, False):
            for key in keys.intersection(key for key in batch.keys if key is not None):
                homes.setdefault(key, set()).add(batch.place.partition)
        return homes

    def newest(self, topic: str, limit: int, with_headers: bool) -> Iterator[Batch]:
        """Yield at most `limit` of the newest records of each partition that arrive within the time limit."""
        places = offsets.places({topic: self.counts[topic]})
        ends, lows = offsets.ends(self._client, places), offsets.beginnings(self._client, places)
        return self._read({place: (max(lows[place], end - limit), end) for place, end in ends.items()}, with_headers)

    def _read(self, wanted: Mapping[Partition, Span], with_headers: bool) -> Iterator[Batch]:
        with contextlib.suppress(NotReadToEnd):
            for turn in read_spans(self._consumer, wanted, within(self._limit_s), self._on_error, short=True):
                for place, messages in split(turn.records)[0].items():
                    yield columns(place, messages, with_headers)
        self._consumer.unassign()
