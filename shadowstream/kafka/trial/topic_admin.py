"""The trial's own topics on the cluster: what stands there, what is missing, what does not fit; and making the missing.

Nothing here deletes or alters a topic.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]  # public
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.cimpl import NewTopic

from shadowstream.config import Config
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.errors import advice, translated_errors
from shadowstream.logs import get_logger
from shadowstream.records import Partition
from shadowstream.topics import TIMESTAMP_AFTER, TopicSpec

log = get_logger("topics")
LEADERS_WAIT_S = 15.0
_NO_LEADER = {
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
}
BINDING = ("cleanup.policy", "retention.ms")
"""Settings without which records of ours would be lost or never thrown away; the others may differ."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a topic of the plan stands. `partitions` and `config` are the cluster's, None where there is nothing or
    where we may not see them; `problems` says what does not fit, `notes` what differs and may."""

    spec: TopicSpec
    partitions: int | None = None
    config: dict[str, str] | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def state(self) -> Literal["missing", "exists", "does not fit"]:
        """In one word, or three."""
        if self.partitions is None:
            return "missing"
        return "does not fit" if self.problems else "exists"


def sources_of(config: Config) -> dict[str, str]:
    """What each topic that the trial only reads is to it, by topic: input, production, candidate, twin or labels."""
    found = dict.fromkeys(config.inputs, "input") | dict.fromkeys(config.production.outputs, "production")
    if config.candidate.topic is not None:
        found[config.candidate.topic] = "candidate"
    if config.twin is not None:
        found[config.twin.topic] = "twin"
    if config.labels is not None:
        found[config.labels.topic] = "labels"
    return found


def planned(config: Config, counts: dict[str, int], repartitioned: Collection[str] = ()) -> list[TopicSpec]:
    """Every topic of the trial; `counts` has at least the partitions of production's outputs, `repartitioned` are those
    of which we keep a copy by identity."""
    outputs = {topic: counts[topic] for topic in config.production.outputs}
    settings = {"diff_json": config.compare.diff_json, "labels": config.labels is not None}
    specs = config.plan.specs(outputs, repartitioned=repartitioned, **settings)
    if config.candidate.topic is None:
        return specs
    # The candidate's job writes a topic of its own; ours is written only where we copy that one. Nor do we run it.
    unwritten = {config.plan.out(topic) for topic in outputs if topic not in repartitioned}
    unwritten |= {config.plan.of("runner-state"), config.plan.of("attempts")}
    return [spec for spec in specs if spec.name not in unwritten]


def source_counts(client: AdminClient, config: Config) -> dict[str, int]:
    """Partition counts of the topics that the trial only reads.

    Raises `ConfigError` where one does not exist, or where the twin's topic has another count than production's:
    records of a pair would lie in partitions of different numbers and never meet. (A candidate's would too, but where
    its topic does not fit production's both go through topics of ours.)
    """
    counts = offsets.partition_counts(client, sources_of(config))
    production = config.production.outputs[0]
    for topic, side in sources_of(config).items():
        if side == "twin" and counts[topic] != counts[production]:
            raise ConfigError(
                f"{side}.topic: {topic} has {counts[topic]} partitions and production's output {production} has "
                f"{counts[production]}: the records of a pair would lie in partitions of different numbers and never "
                "meet. Give both as many, and let both choose partitions in the same way"
            )
    return counts


def survey(client: AdminClient, config: Config) -> list[Standing]:
    """Each topic of the plan as it stands on the cluster.

    Copies of production's outputs are in the plan where they stand: whether they are needed the runner finds out.
    Raises `ConfigError` as `source_counts` does, `BrokerError` where nobody answers.
    """
    existing = _existing(client)
    copies = [topic for topic in config.production.outputs if config.plan.repartition(topic) in existing]
    specs = planned(config, source_counts(client, config), copies)
    settings = settings_of(client, [spec.name for spec in specs if spec.name in existing])
    return [_standing(spec, existing.get(spec.name), settings.get(spec.name)) for spec in specs]


def ensure(
    client: AdminClient, config: Config, replication: int = -1, repartitioned: Collection[str] = ()
) -> dict[str, int]:
    """Create missing topics of the plan; returns the partition counts of the topics that the trial only reads.

    `repartitioned` are production's outputs of which we keep a copy by identity.

    Raises `ConfigError` as `source_counts` does or where a topic of ours has another partition count than production's
    (pairs would silently never meet), `BrokerError` where the broker refuses.
    """
    sources = source_counts(client, config)
    specs = planned(config, sources, repartitioned)
    existing = _existing(client)
    for spec in specs:
        problem = _miscounted(spec, existing.get(spec.name))
        if problem is not None:
            raise ConfigError(f"topic {spec.name} {problem}")
    create(client, [spec for spec in specs if spec.name not in existing], replication)
    # What was there may be of this moment too: another role's.
    _await_leaders(client, [spec for spec in specs if spec.name in existing])
    return sources


def _await_leaders(client: AdminClient, specs: Sequence[TopicSpec]) -> None:
    """Return once no partition is without a leader that answers, or after `LEADERS_WAIT_S`.

    A topic that we or another role created just now is in the metadata before its leader serves it, and a plain client
    that asks in between fails with NOT_LEADER_FOR_PARTITION.
    """
    deadline = time.monotonic() + LEADERS_WAIT_S
    earliest = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # the client's own factory has no types
    waiting = offsets.places({spec.name: spec.partitions for spec in specs})
    while waiting and time.monotonic() < deadline:
        request = {TopicPartition(*place): earliest for place in waiting}
        with translated_errors("list_offsets"):
            futures = client.list_offsets(request, request_timeout=offsets.TIMEOUT_S)
        waiting = [Partition(tp.topic, tp.partition) for tp, future in futures.items() if _leaderless(future)]
        if waiting:
            time.sleep(0.1)


def _leaderless(asked: Future[Any]) -> bool:
    try:
        asked.result(offsets.TIMEOUT_S)
    except KafkaException as error:
        return error.args[0].code() in _NO_LEADER
    except TimeoutError:
        return True
    return False


def create(client: AdminClient, specs: Sequence[TopicSpec], replication: int = -1) -> None:
    """Create topics; -1 leaves the replication factor to the broker. Raises `BrokerError` where it refuses."""
    if not specs:
        return
    unknown = _create(client, specs, replication, frozenset())
    if unknown:
        # Before Kafka 3.6 brokers know no limit for future timestamps, and do not know its name either.
        _create(client, unknown, replication, frozenset((TIMESTAMP_AFTER,)))
    _await_leaders(client, specs)


def _create(
    client: AdminClient, specs: Sequence[TopicSpec], replication: int, without: frozenset[str]
) -> list[TopicSpec]:
    """Create topics without some settings; returns those of which the broker does not know a setting."""
    by_name = {spec.name: spec for spec in specs}
    wanted = [
        NewTopic(s.name, s.partitions, replication, config={k: v for k, v in s.config if k not in without})
        for s in specs
    ]
    unknown = []
    with translated_errors("create_topics"):
        futures = client.create_topics(wanted, request_timeout=30)
    for name, future in futures.items():
        try:
            future.result(30)
            log.info("topic_created", topic=name)
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.INVALID_CONFIG and not without:
                unknown.append(by_name[name])
            elif code != KafkaError.TOPIC_ALREADY_EXISTS:  # another role was faster
                raise BrokerError(f"cannot create topic {name}: {error.args[0].str()}{advice(code)}") from error
        except TimeoutError as error:
            raise BrokerError(f"cannot create topic {name}: no answer within 30 s", retriable=True) from error
    return unknown


def _existing(client: AdminClient) -> dict[str, int]:
    try:
        found = client.list_topics(timeout=offsets.TIMEOUT_S).topics
    except KafkaException as error:
        raise BrokerError(f"cannot list topics: {error.args[0].str()}", retriable=True) from error
    return {name: len(topic.partitions) for name, topic in found.items()}


def settings_of(client: AdminClient, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Settings of topics, those left out that we may not see (it takes the right DescribeConfigs)."""
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    if not resources:
        return {}
    found = {}
    with translated_errors("describe_configs"):
        futures = client.describe_configs(resources, request_timeout=offsets.TIMEOUT_S)
    for resource, future in futures.items():
        try:
            entries = future.result(offsets.TIMEOUT_S)
        except (KafkaException, TimeoutError):
            continue
        found[resource.name] = {name: str(entry.value) for name, entry in entries.items()}
    return found


def _standing(spec: TopicSpec, partitions: int | None, settings: dict[str, str] | None) -> Standing:
    if partitions is None:
        return Standing(spec)
    if settings is None:
        return Standing(spec, partitions, None, _problems(spec, partitions, []), ("its settings cannot be seen",))
    differing = [
        (name, f"has {name}={settings.get(name)} and needs {wanted}")
        for name, wanted in spec.config
        if _parts(settings.get(name)) != _parts(wanted)
    ]
    shown = {name: settings[name] for name, _ in spec.config if name in settings}
    problems = _problems(spec, partitions, [text for name, text in differing if name in BINDING])
    return Standing(spec, partitions, shown, problems, tuple(text for name, text in differing if name not in BINDING))


def _problems(spec: TopicSpec, partitions: int, further: list[str]) -> tuple[str, ...]:
    problem = _miscounted(spec, partitions)
    return (*([problem] if problem is not None else []), *further)


def _miscounted(spec: TopicSpec, partitions: int | None) -> str | None:
    if partitions is None or partitions == spec.partitions:
        return None
    return (
        f"has {partitions} partitions and needs {spec.partitions}; did production's partition count change? "
        "Remove the topics of this trial and start anew"
    )


def _parts(value: str | None) -> set[str] | None:
    """The order of compact,delete says nothing."""
    return None if value is None else {part.strip() for part in value.split(",")}
