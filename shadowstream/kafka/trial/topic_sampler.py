"""Samples of the topics whose partitions must agree: production's outputs, the candidate's, the twin's, and the inputs.

Reads outside any group and commits nothing. Bounded in records, in bytes that wait, and in time: what is read by then
is judged, and the next sample sees the rest.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import reading_consumer
from shadowstream.kafka.client.messages import columns, split
from shadowstream.kafka.reading.bounded import NotReadToEnd, Span, fail_if_fatal, read_spans, within
from shadowstream.protocol.join_id import Identity
from shadowstream.records import Batch, Partition, Side
from shadowstream.runner.partitioner_detection import SAME, Sampled, Weighed, beside, weigh

PER_PARTITION = 1_000
"""So many of the newest records of each partition, as long as all of them are not more than `IN_ALL`."""
IN_ALL = 50_000
INPUT_SPAN = 3
"""Inputs are looked for that many times further around what production has committed: outputs of a batch come before
its commit."""
LIMIT_S = 10.0


class Sampler:
    """Reads samples of the topics whose partitions must agree.

    `counts` are the partitions of every topic read, `others` the topics whose keys must lie where production's do.
    """

    def __init__(
        self, config: Config, client: AdminClient, per_partition: int = PER_PARTITION, limit_s: float = LIMIT_S
    ) -> None:
        self._config, self._client, self._limit_s = config, client, limit_s
        self._identity = Identity(config)
        self._others = [
            (one.topic, side)
            for one, side in ((config.candidate, Side.SHADOW), (config.twin, Side.TWIN))
            if one is not None and one.topic is not None
        ]
        self.others = {topic for topic, _ in self._others}
        topics = [*config.inputs, *config.production.outputs, *self.others]
        self.counts = offsets.partition_counts(client, topics)
        self._inputs = offsets.places({topic: self.counts[topic] for topic in config.inputs})
        self._maximum = min(per_partition, max(20, IN_ALL // max(self.counts.values())))
        self._on_error = fail_if_fatal("sampling")
        self._consumer = reading_consumer(
            config.kafka,
            config.plan,
            "runner.sampling",
            # Between asking for its beginning and reading it, a partition may lose it to retention.
            **{"auto.offset.reset": "earliest", "queued.max.messages.kbytes": 16_384},
        )

    def close(self) -> None:
        """Close the client."""
        self._consumer.close()

    def production_is_done(self) -> bool:
        """Whether a bounded run's production has committed all inputs: then what it has written is all there is."""
        group = self._config.production.group
        if not self._config.bounded or not group:
            return False
        # Committed first: what grows in between only says that it is not done.
        committed = offsets.committed(self._client, group, self._inputs)
        return all(committed.get(place, 0) >= end for place, end in offsets.ends(self._client, self._inputs).items())

    def weighed(self, topic: str) -> dict[str, Weighed]:
        """What samples of an output topic and of those that must agree with it say of each kind, by topic.

        A job or twin that has written nothing yet is left out: it may start much later, and is checked again.
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
        if self._config.candidate.topic is not None:  # what we run ourselves needs a rule that we can follow
            for name in [name for name in samples if name != topic]:
                weighed[name][SAME] = beside(samples[name], samples[topic], self.counts[name])
        return weighed

    def _sample(self, topic: str, side: Side) -> list[Sampled]:
        """The newest records of each partition."""
        places = offsets.places({topic: self.counts[topic]})
        ends, lows = offsets.ends(self._client, places), offsets.beginnings(self._client, places)
        wanted: dict[Partition, Span] = {
            place: (max(lows[place], end - self._maximum), end) for place, end in ends.items()
        }
        found: list[Sampled] = []
        for batch in self.read(wanted, self._identity.is_coordinate):
            packed = [self._identity.packed(headers) for headers in batch.headers]
            coordinates = self._identity.coordinates(side, batch, packed) if self._identity.is_coordinate else None
            for i, (offset, key) in enumerate(zip(batch.offsets, batch.keys, strict=True)):
                at = coordinates[i] if coordinates is not None else None
                if coordinates is not None and at is None and key is None:
                    continue  # without a coordinate it pairs nowhere
                found.append(Sampled(batch.place, offset, key, None if at is None else at.partition))
        return found

    def _homes_of(self, keys: set[bytes]) -> dict[bytes, set[int]]:
        """The partitions of the inputs in which these keys are found near what production has committed."""
        ends, lows = offsets.ends(self._client, self._inputs), offsets.beginnings(self._client, self._inputs)
        group, span = self._config.production.group, INPUT_SPAN * self._maximum
        committed = offsets.committed(self._client, group, self._inputs) if group else {}
        wanted: dict[Partition, Span] = {}
        for place, end in ends.items():
            middle = committed.get(place, end)
            wanted[place] = (max(lows[place], middle - span), min(end, middle + span))
        homes: dict[bytes, set[int]] = {}
        for batch in self.read(wanted, False):
            for key in keys.intersection(key for key in batch.keys if key is not None):
                homes.setdefault(key, set()).add(batch.place.partition)
        return homes

    def read(self, wanted: Mapping[Partition, Span], with_headers: bool) -> Iterator[Batch]:
        """Records of these ranges, as far as they come within the limit."""
        with contextlib.suppress(NotReadToEnd):
            for turn in read_spans(self._consumer, wanted, within(self._limit_s), self._on_error, short=True):
                for place, messages in split(turn.records)[0].items():
                    yield columns(place, messages, with_headers)
        self._consumer.unassign()
