"""Topics of the trial on the cluster: their state, and creation of missing ones; none is altered or deleted."""

import contextlib
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]  # public
from confluent_kafka.cimpl import NewTopic

from shadowstream.config import Config
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.errors import advice, translated_errors
from shadowstream.logs import get_logger
from shadowstream.topics import TIMESTAMP_AFTER, UNBOUNDED, TopicSpec

log = get_logger("topics")
LEADERS_WAIT_S = 15.0
_NO_LEADER = offsets.LEADERLESS | {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
}
RETENTION = ("retention.ms", "retention.bytes")
"""Settings that may keep more than planned, and less as far as recovery allows."""


@dataclass(frozen=True, slots=True)
class TopicState:
    """State of a planned topic on the cluster. `problems` must be solved; `notes` are allowed differences.

    `partitions` and `config` are None if the topic is missing or may not be described.
    """

    spec: TopicSpec
    partitions: int | None = None
    config: dict[str, str] | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    differing: tuple[tuple[str, str], ...] = ()
    """Planned settings that the topic does not have."""

    @property
    def state(self) -> Literal["missing", "exists", "does not fit"]:
        if self.partitions is None:
            return "missing"
        return "does not fit" if self.problems else "exists"


def sources_of(config: Config) -> dict[str, str]:
    """Return the part of each topic that the trial only reads: input, production, candidate, twin or labels."""
    found = dict.fromkeys(config.inputs, "input") | dict.fromkeys(config.production.outputs, "production")
    if config.candidate.topic is not None:
        found[config.candidate.topic] = "candidate"
    if config.twin is not None:
        found[config.twin.topic] = "twin"
    if config.labels is not None:
        found[config.labels.topic] = "labels"
    return found


def planned(config: Config, counts: dict[str, int], repartitioned: Collection[str] = ()) -> list[TopicSpec]:
    """Return every topic of the trial, given `counts` of production's outputs and those of them copied by identity."""
    outputs = {topic: counts[topic] for topic in config.production.outputs}
    settings = {"diff_json": config.compare.diff_json, "labels": config.labels is not None}
    settings["rechecks"] = config.candidate.rechecks
    specs = config.plan.specs(outputs, repartitioned=repartitioned, kept=config.kept, **settings)
    if config.candidate.topic is None:
        return specs
    # The runner neither calls an external candidate nor writes its outputs, except as copies.
    unwritten = {config.plan.out(topic) for topic in outputs if topic not in repartitioned}
    unwritten |= {config.plan.of("runner-state"), config.plan.of("attempts")}
    return [spec for spec in specs if spec.name not in unwritten]


def source_counts(client: AdminClient, config: Config) -> dict[str, int]:
    """Return the partition counts of the topics that the trial only reads.

    Raises `ConfigError` if one does not exist, or if the twin's topic has another count than production's: records of a
    pair would be in different partitions. (If an external candidate's count differs, both sides are copied.)
    """
    return source_counts_in(offsets.existing(client), config)


def source_counts_in(existing: Mapping[str, int], config: Config) -> dict[str, int]:
    """Return what `source_counts` does, from a listing of the cluster's topics."""
    counts = offsets.counts_in(existing, sources_of(config))
    production = config.production.outputs[0]
    for topic, side in sources_of(config).items():
        if side == "twin" and counts[topic] != counts[production]:
            raise ConfigError(
                f"{side}.topic: {topic} has {counts[topic]} partitions and production's output {production} has "
                f"{counts[production]}: the records of a pair would be in different partitions and never match. Give "
                "both the same number of partitions and the same partitioner"
            )
    return counts


def survey(client: AdminClient, config: Config) -> list[TopicState]:
    """Return the state of each planned topic on the cluster; copies of outputs are planned if they exist.

    Raises `ConfigError` as `source_counts` does, and `BrokerError` if no broker answers.
    """
    existing = offsets.existing(client)
    copies = [topic for topic in config.production.outputs if config.plan.repartition(topic) in existing]
    specs = planned(config, source_counts_in(existing, config), copies)
    settings = settings_of(client, [spec.name for spec in specs if spec.name in existing])
    needed = {"retention.ms": config.kept_ms_min, "retention.bytes": config.kept_bytes_min}
    return [_state(spec, existing.get(spec.name), settings.get(spec.name), needed) for spec in specs]


def alter_command(config: Config, topic: str, settings: Iterable[tuple[str, str]]) -> str:
    """Return the kafka-configs command that sets these; a value with a comma is in brackets there."""
    values = ",".join(f"{name}=[{value}]" if "," in value else f"{name}={value}" for name, value in settings)
    words = f"kafka-configs --bootstrap-server {config.kafka.bootstrap} --alter --entity-type topics"
    return f"{words} --entity-name {topic} --add-config {values}"


def ensure(
    client: AdminClient, config: Config, replication: int = -1, repartitioned: Collection[str] = ()
) -> dict[str, int]:
    """Create the missing planned topics; return the partition counts of the topics that the trial only reads.

    Raises `ConfigError` as `source_counts` does, or for another partition count than planned; else `BrokerError`.
    """
    existing = offsets.existing(client)
    sources = source_counts_in(existing, config)
    specs = planned(config, sources, repartitioned)
    refuse_miscounted(specs, existing)
    create(client, [spec for spec in specs if spec.name not in existing], replication)
    # Another role may have created the existing ones just now.
    await_leaders(client, [spec for spec in specs if spec.name in existing])
    return sources


def refuse_miscounted(specs: Iterable[TopicSpec], existing: Mapping[str, int]) -> None:
    """Raise `ConfigError` for a topic that exists with another partition count than planned."""
    for spec in specs:
        problem = _miscounted(spec, existing.get(spec.name))
        if problem is not None:
            raise ConfigError(f"topic {spec.name} {problem}")


def await_leaders(client: AdminClient, specs: Sequence[TopicSpec]) -> None:
    """Wait, at most `LEADERS_WAIT_S`, for all leaders: the metadata shows a new topic before they serve it."""
    deadline = time.monotonic() + LEADERS_WAIT_S
    waiting = offsets.places({spec.name: spec.partitions for spec in specs})
    while waiting and time.monotonic() < deadline:
        with translated_errors("list_offsets"):
            asked = offsets.ask(client, waiting, offsets.EARLIEST)
        waiting = [place for place, future in asked.items() if _leaderless(future)]
        if waiting:
            time.sleep(0.1)
            # The client may keep the answer that a topic is unknown, until it asks for all topics.
            with contextlib.suppress(BrokerError):
                offsets.existing(client)


def _leaderless(asked: Future[Any]) -> bool:
    try:
        asked.result(offsets.TIMEOUT_S)
    except KafkaException as error:
        return error.args[0].code() in _NO_LEADER
    except TimeoutError:
        return True
    return False


def create(client: AdminClient, specs: Sequence[TopicSpec], replication: int = -1) -> None:
    """Create topics; -1 leaves the replication factor to the broker. Raises `BrokerError` if it refuses."""
    if not specs:
        return
    unknown = _create(client, specs, replication, frozenset())
    if unknown:
        # Brokers before Kafka 3.6 do not know the limit for future timestamps.
        _create(client, unknown, replication, frozenset((TIMESTAMP_AFTER,)))
    await_leaders(client, specs)


def _create(
    client: AdminClient, specs: Sequence[TopicSpec], replication: int, without: frozenset[str]
) -> list[TopicSpec]:
    """Create topics without some settings; return those with a setting that the broker does not know."""
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


def settings_of(client: AdminClient, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the settings of topics, without those for which the right DescribeConfigs is missing."""
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


def _state(
    spec: TopicSpec, partitions: int | None, settings: dict[str, str] | None, needed: Mapping[str, int]
) -> TopicState:
    if partitions is None:
        return TopicState(spec)
    problem = _miscounted(spec, partitions)
    problems: tuple[str, ...] = () if problem is None else (problem,)
    if settings is None:
        return TopicState(spec, partitions, None, problems, ("its settings cannot be seen",))
    differing = tuple((name, wanted) for name, wanted in spec.config if _parts(settings.get(name)) != _parts(wanted))
    shown = {name: settings[name] for name, _ in spec.config if name in settings}
    texts = {name: f"has {name}={settings.get(name)} and needs {wanted}" for name, wanted in differing}
    binding = {name for name, wanted in differing if _is_binding(name, settings.get(name), wanted, needed)}
    problems += tuple(text for name, text in texts.items() if name in binding)
    notes = tuple(text for name, text in texts.items() if name not in binding)
    return TopicState(spec, partitions, shown, problems, notes, differing)


def _is_binding(name: str, found: str | None, wanted: str, needed: Mapping[str, int]) -> bool:
    """Return whether a setting must be as planned: with the present one records would be lost, or kept for ever."""
    if name not in RETENTION:
        return name == "cleanup.policy"
    kept, planned = int(found or UNBOUNDED), int(wanted)
    if kept == UNBOUNDED or UNBOUNDED != planned <= kept:
        return False
    return kept < needed[name] or (planned == UNBOUNDED and name == "retention.ms")


def _miscounted(spec: TopicSpec, partitions: int | None) -> str | None:
    if partitions is None or partitions == spec.partitions:
        return None
    return (
        f"has {partitions} partitions and needs {spec.partitions}; did production's partition count change? "
        "Remove the topics of this trial and start anew"
    )


def _parts(value: str | None) -> set[str] | None:
    """Return the parts of a setting; the order of compact,delete does not matter."""
    return None if value is None else {part.strip() for part in value.split(",")}
