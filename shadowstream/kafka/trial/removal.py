"""Removal of a trial from the cluster: its topics and groups, and nothing outside its prefix."""

from collections.abc import Collection
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.errors import code_of, translated_errors
from shadowstream.topics import TopicPlan

_GONE = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.GROUP_ID_NOT_FOUND}
KEPT_ON_REQUEST = ("audit", "verdict", "commands")
"""Topics that `--keep-audit` leaves: each evaluation, the last verdict, and who decided what."""


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group of a trial and the number of its members."""

    name: str
    members: int


@dataclass(frozen=True, slots=True)
class TrialRemains:
    """Parts of a trial on the cluster. `topics` are those of shadowstream, `foreign` others under its prefix."""

    topics: tuple[str, ...]
    foreign: tuple[str, ...]
    groups: tuple[Group, ...]

    @property
    def running(self) -> tuple[Group, ...]:
        """Groups that have members: their roles are running."""
        return tuple(group for group in self.groups if group.members)


def is_own(plan: TopicPlan, topic: str) -> bool:
    """Whether shadowstream names a topic like this one.

    >>> is_own(TopicPlan("fraud"), "shadow.fraud.out.scores"), is_own(TopicPlan("fraud"), "shadow.fraud.orders")
    (True, False)
    """
    kinds = {spec.name for spec in plan.specs({}, diff_json=True, labels=True, rechecks=True)}
    return topic in kinds or topic.startswith((plan.out(""), plan.repartition("")))


def remains_of(client: AdminClient, plan: TopicPlan) -> TrialRemains:
    """Find the topics and groups under a trial's prefix. Raises `BrokerError`."""
    topics = sorted(topic for topic in offsets.existing(client) if topic.startswith(plan.prefix))
    own = tuple(topic for topic in topics if is_own(plan, topic))
    return TrialRemains(own, tuple(topic for topic in topics if topic not in own), groups_of(client, plan.prefix))


def remains_of_stopped(client: AdminClient, config: Config) -> TrialRemains:
    """Find the same for a trial that is to be removed. Raises `ConfigError` while a role runs, and `BrokerError`."""
    found = remains_of(client, config.plan)
    if found.running:
        running = ", ".join(f"{group.name} ({group.members})" for group in found.running)
        raise ConfigError(
            f"trial {config.name!r} is running: these groups have members: {running}. Nothing was removed. Stop `up` "
            "or its roles, then call `down` again; a role that was killed leaves its group within a minute"
        )
    return found


def groups_of(client: AdminClient, prefix: str) -> tuple[Group, ...]:
    """Return the consumer groups whose names begin with a prefix. Raises `BrokerError`."""
    with translated_errors("list_groups"):
        listed = client.list_consumer_groups(request_timeout=offsets.TIMEOUT_S).result(offsets.TIMEOUT_S)
        names = sorted(group.group_id for group in listed.valid if group.group_id.startswith(prefix))
        described = client.describe_consumer_groups(names, request_timeout=offsets.TIMEOUT_S) if names else {}
        found = {name: future.result(offsets.TIMEOUT_S) for name, future in described.items()}
    return tuple(Group(name, len(group.members)) for name, group in found.items())


def remove(client: AdminClient, config: Config, topics: Collection[str], groups: Collection[str]) -> None:
    """Delete topics and groups of a trial. One that is gone already is no error. Raises `BrokerError`."""
    for name in topics:
        config.plan.check_write(name)
    for name in groups:
        config.plan.check_group(name, filter(None, [config.production.group]))
    done = dict(client.delete_topics(list(topics), request_timeout=offsets.TIMEOUT_S)) if topics else {}
    done |= client.delete_consumer_groups(list(groups), request_timeout=offsets.TIMEOUT_S) if groups else {}
    failed = []
    for name, future in done.items():
        try:
            future.result(offsets.TIMEOUT_S)
        except (KafkaException, TimeoutError) as error:
            if code_of(error) not in _GONE:
                failed.append(f"{name}: {error}")
    if failed:
        raise BrokerError(f"cannot delete {'; '.join(failed)}", retriable=True)
