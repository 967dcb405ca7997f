"""Sample production's outputs to find out which partitioner it uses, and later whether it still does.

Reads beside any group and commits nothing. Bounded in records, in bytes that wait, and in time: what is read by then
is judged, and the next sample sees the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from confluent_kafka import Message, TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.client_log import is_outage
from shadowstream.kafka.client.consumers import reading_consumer
from shadowstream.kafka.client.errors import event_error
from shadowstream.kafka.client.messages import arrived, columns, is_end, is_fatal, offset_of, place_of
from shadowstream.logs import get_logger
from shadowstream.protocol.headers import ORIGIN_HEADER
from shadowstream.protocol.join_id import Identity
from shadowstream.records import Batch, Place, Side
from shadowstream.runner.partitioner_detection import (
    INPUT,
    REPARTITION,
    SAME,
    Choice,
    Evidence,
    Sampled,
    Weighed,
    beside,
    choose,
    contradiction,
    weigh,
)

log = get_logger("start")
PER_PARTITION = 1_000
"""So many of the newest records of each partition, as long as all of them are not more than `IN_ALL`."""
IN_ALL = 50_000
INPUT_SPAN = 3
"""Inputs are looked for that many times further around production's commits: outputs of a batch come before these."""
LIMIT_S = 10.0
SETTLE_S = 3.0
"""Where a sample is too small to be certain, so long the next records are waited for."""
LOOK_S = 0.5
CHECK_EVERY_S = 60.0
CHECK_SOON_S = 5.0
"""As long as an accident could still explain what has been seen."""
CHECK_PER_PARTITION = 200
CHECK_LIMIT_S = 2.0

Going = Callable[[], bool]
"""Called each turn of a wait; False ends it."""


def settle(config: Config, client: AdminClient, earlier: Mapping[str, str], going: Going) -> dict[str, str] | None:
    """How each of production's output topics chooses partitions; None where `going` ended the wait.

    `earlier` is what an earlier revision of this trial found. Raises `ConfigError` where the sample contradicts what
    the config says, or what this trial rests on.
    """
    sampler = Sampler(config, client)
    try:
        kinds = {}
        for topic in config.production.outputs:
            kind = _settle(config, sampler, topic, earlier.get(topic), going)
            if kind is None:
                return None
            kinds[topic] = kind
        return kinds
    finally:
        sampler.close()


def _settle(config: Config, sampler: Sampler, topic: str, earlier: str | None, going: Going) -> str | None:
    said, count = config.candidate.partitioner, sampler.counts[topic]
    if earlier == REPARTITION:
        if said != "auto":
            raise ConfigError(
                f"candidate.partitioner: {said}, but in this trial both sides of topic {topic!r} go through topics of "
                "ours by identity; write partitioner: auto, or start anew under another name"
            )
        choice: Choice | None = Choice(REPARTITION, 0, True)
    elif config.candidate.topic is not None and sampler.counts[config.candidate.topic] != count:
        choice = _uncounted(config.candidate.topic, sampler, topic, said)
    elif said != "auto":
        choice = _as_said(sampler, topic, said)
    elif count == 1:
        choice = Choice(INPUT, 0, True)
    else:
        choice = _found(sampler, topic, config.candidate.topic, going)
    if choice is None:
        return None
    if choice.kind == REPARTITION:
        _check_repartition(config, topic, earlier)
    log.info(
        "partitioner_detected",
        topic=topic,
        kind=choice.kind,
        keys=choice.keys,
        certain=choice.certain,
        partitions=count,
        said=said,
    )
    return choice.kind


def _check_repartition(config: Config, topic: str, earlier: str | None) -> None:
    if earlier not in (None, REPARTITION):
        raise ConfigError(
            f"topic {topic!r}: no known partitioner explains production's outputs any more, and this trial began with "
            f"{earlier}. Start anew under another name: both sides will then go through topics of ours"
        )
    if config.twin is not None:
        raise ConfigError(
            f"twin: no known partitioner explains topic {topic!r} and {config.twin.topic!r}, so that production and "
            "the candidate would go through topics of ours and never meet the twin. Remove twin, or let both choose "
            "partitions by murmur2, CRC32 or as their input's"
        )
    if config.identity.header == ORIGIN_HEADER:
        raise ConfigError(
            f"identity.header: {ORIGIN_HEADER!r} is the header by which our copies of topic {topic!r} name their "
            "originals, and they are needed since no known partitioner explains it; use another header"
        )


def _uncounted(adopted: str, sampler: Sampler, topic: str, said: str) -> Choice:
    """A candidate's topic with another number of partitions than production's: no partitioner brings them together."""
    counts = f"{topic!r} has {sampler.counts[topic]} partitions and {adopted!r} has {sampler.counts[adopted]}"
    if said != "auto":
        raise ConfigError(
            f"candidate.partitioner: {said}, but {counts}: the records of a pair would lie in partitions of different "
            "numbers and never meet; write partitioner: auto, which sends both sides through topics of ours"
        )
    log.warning("partitions_differ", topic=topic, candidate=adopted, reason=counts)
    return Choice(REPARTITION, 0, True)


def _as_said(sampler: Sampler, topic: str, said: str) -> Choice:
    """What the config says, unless the sample contradicts it."""
    if sampler.counts[topic] == 1:
        return Choice(said, 0, True)
    logs = sampler.weighed(topic)
    for name, weighed in logs.items():
        found = weighed[said]
        # Where the input's partition is known by its key only, single keys prove nothing: see `STRAYS_BY_KEY`.
        if found.contradicted or (found.exact and not found.survives):
            raise ConfigError(
                f"candidate.partitioner: {said}, but {contradiction(name, found)}. "
                f"Their pairs would never meet; {_instead(choose([*logs.values()]))}"
            )
    found_all = [weighed[said] for weighed in logs.values()]
    keys = min(one.checked for one in found_all)
    if not keys:
        log.warning("partitioner_unproven", topic=topic, kind=said, reason="the sample holds nothing that could tell")
    return Choice(said, keys, all(one.certain for one in found_all))


def _apart(logs: Mapping[str, Weighed]) -> dict[str, str]:
    """The kind of each topic by itself, without a look at another."""
    alone = {name: {kind: one for kind, one in weighed.items() if kind != SAME} for name, weighed in logs.items()}
    return {name: choice.kind for name, weighed in alone.items() if (choice := choose([weighed])) is not None}


def _instead(choice: Choice | None) -> str:
    if choice is None or choice.kind == REPARTITION:
        return "write partitioner: auto, which sends both sides through topics of ours: no known kind explains all keys"
    return f"write partitioner: {choice.kind}, which explains all {choice.keys} keys that could be checked, or auto"


def _found(sampler: Sampler, topic: str, adopted: str | None, going: Going) -> Choice | None:
    """What the sample says; waits for production's first records, and a little for more where they are few.

    `adopted` is the topic of a candidate that is a job of its own: of that one no answer yet is `same`.
    """
    since: float | None = None
    waiting = False
    while going():
        over = sampler.production_is_done()  # before the sample, so that nothing comes after it
        weighed = sampler.weighed(topic)
        choice = choose([*weighed.values()])
        if adopted is not None and (choice is None or (choice.kind == REPARTITION and adopted not in weighed)):
            # We write nothing of it, so nothing waits for the answer: it is asked again while the job runs.
            log.warning(
                "partitioner_unproven", topic=topic, kind=SAME, reason="the sample holds nothing that could tell"
            )
            return Choice(SAME, 0, False)
        if choice is not None:
            since = time.monotonic() if since is None else since
            if choice.certain or over or time.monotonic() - since > SETTLE_S:
                if adopted is not None and choice.kind == REPARTITION:
                    log.warning("partitioners_differ", topic=topic, candidate=adopted, kinds=_apart(weighed))
                return choice
        elif over:
            log.warning("partitioner_unproven", topic=topic, kind=INPUT, reason="production is done and wrote none")
            return Choice(INPUT, 0, False)
        elif not waiting:
            waiting = True
            log.info("waiting_for_production", topic=topic, reason="its first records say how it chooses partitions")
        deadline = time.monotonic() + LOOK_S
        while going() and time.monotonic() < deadline:
            time.sleep(0.05)
    return None


class Rechecks:
    """Looks at times whether production still does what the start mark has pinned."""

    def __init__(self, config: Config, client: AdminClient, kinds: Mapping[str, str]) -> None:
        self._config, self._client = config, client
        counts = offsets.partition_counts(client, kinds)
        self._kinds = {topic: kind for topic, kind in kinds.items() if kind != REPARTITION and counts[topic] > 1}
        self._next_at: float | None = None

    def turn(self, now_s: float) -> None:
        """Look, if it is time, by a clock that is never set back. Raises `ConfigError` where production contradicts
        what this trial rests on."""
        if self._next_at is None:
            self._next_at = now_s + CHECK_SOON_S
        if not self._kinds or now_s < self._next_at:
            return
        self._next_at = now_s + CHECK_EVERY_S
        try:
            certain = check(self._config, self._client, self._kinds, CHECK_PER_PARTITION, CHECK_LIMIT_S)
        except BrokerError as error:
            if not error.retriable:
                raise
            if not is_outage(error):
                log.warning("partitioner_check_put_off", error=str(error))
        else:
            self._next_at = now_s + (CHECK_EVERY_S if certain else CHECK_SOON_S)


def check(
    config: Config,
    client: AdminClient,
    kinds: Mapping[str, str],
    per_partition: int = PER_PARTITION,
    limit_s: float = LIMIT_S,
) -> bool:
    """Raise `ConfigError` where a sample contradicts the kinds that were pinned; returns whether it proves them."""
    sampler = Sampler(config, client, per_partition, limit_s)
    certain = True
    try:
        for topic, kind in kinds.items():
            if kind == REPARTITION or sampler.counts[topic] == 1:
                continue
            logs = sampler.weighed(topic)
            certain &= set(logs) >= sampler.others  # what has written nothing yet has proven nothing
            for name, weighed in logs.items():
                found = weighed.get(kind)
                if found is None:  # `same`, of production itself
                    continue
                if found.contradicted:
                    raise ConfigError(_changed(config, name, kind, found))
                if found.against:
                    log.warning("partitioner_strays", topic=name, kind=kind, keys=len(found.against), of=found.checked)
                certain &= found.certain
    finally:
        sampler.close()
    return certain


def _changed(config: Config, name: str, kind: str, found: Evidence) -> str:
    said = config.candidate.partitioner
    why = f"candidate.partitioner: {said}" if said != "auto" else f"This trial began when {kind} explained production"
    return (
        f"{why}, but {contradiction(name, found)}. Their pairs would never meet, so nothing more is counted; "
        "start anew under another name with partitioner: auto"
    )


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
        self._most = min(per_partition, max(20, IN_ALL // max(self.counts.values())))
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
        named = any(one.home is not None for sample in samples.values() for one in sample)
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
        wanted = {place: (max(lows[place], end - self._most), end) for place, end in ends.items()}
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
        group, span = self._config.production.group, INPUT_SPAN * self._most
        committed = offsets.committed(self._client, group, self._inputs) if group else {}
        wanted = {}
        for place, end in ends.items():
            middle = committed.get(place, end)
            wanted[place] = (max(lows[place], middle - span), min(end, middle + span))
        homes: dict[bytes, set[int]] = {}
        for batch in self.read(wanted, False):
            for key in keys.intersection(key for key in batch.keys if key is not None):
                homes.setdefault(key, set()).add(batch.place.partition)
        return homes

    def read(self, wanted: Mapping[Place, tuple[int, int]], with_headers: bool) -> Iterator[Batch]:
        """Records of these ranges, as far as they come within the limit."""
        left = {place: end for place, (begin, end) in wanted.items() if begin < end}
        self._consumer.assign([TopicPartition(place.topic, place.partition, wanted[place][0]) for place in left])
        deadline = time.monotonic() + self._limit_s
        while left and time.monotonic() < deadline:
            yield from self._take(arrived(self._consumer, 1_000, 0.1), left, with_headers)
        self._consumer.unassign()

    def _take(self, messages: Iterable[Message], left: dict[Place, int], with_headers: bool) -> Iterator[Batch]:
        """Batches of the messages below the ends in `left`, from which places go that are read to them."""
        groups: dict[Place, list[Message]] = {}
        ended = set()
        for message in messages:
            error = message.error()
            if error is None:
                place, offset = place_of(message), offset_of(message)
                if offset < left.get(place, -1):
                    groups.setdefault(place, []).append(message)
                if offset + 1 >= left.get(place, -1):
                    ended.add(place)
            elif is_end(error):
                ended.add(place_of(message))
            elif is_fatal(error):
                raise event_error(error, "sampling")
            else:
                log.warning("consume_error", topic=message.topic(), partition=message.partition(), error=error.str())
        for place, group in groups.items():
            yield columns(place, group, with_headers)
        for place in ended:
            left.pop(place, None)
