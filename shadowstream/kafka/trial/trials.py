"""Trials on a cluster, by their topics and groups."""

from dataclasses import dataclass

from shadowstream.codecs import own
from shadowstream.config import Kafka
from shadowstream.errors import ConfigError, RecordError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.presence import role_of
from shadowstream.kafka.reading.topic_reader import TopicMissing, read_topic
from shadowstream.kafka.trial.removal import groups_of, is_own
from shadowstream.topics import TopicPlan

_PREFIX = "shadow."


@dataclass(frozen=True, slots=True)
class TrialOnCluster:
    """A trial: the number of its topics, its groups that have members, and its newest verdict, if it has one."""

    name: str
    topics: int
    roles: tuple[str, ...]
    decision: str | None
    revision: str | None
    evaluated_at_ms: int | None


def trials_on(kafka: Kafka, timeout_s: float) -> list[TrialOnCluster]:
    """Return all trials that the cluster shows, by name. Raises `BrokerError` if no broker answers."""
    client = admin(kafka)
    topics = [topic for topic in offsets.existing(client) if topic.startswith(_PREFIX)]
    groups = groups_of(client, _PREFIX)
    found = []
    for plan in sorted(
        filter(None, map(_plan_of, {topic.split(".")[1] for topic in topics})), key=lambda one: one.name
    ):
        own_topics = [topic for topic in topics if is_own(plan, topic)]
        if not own_topics:
            continue
        members = [group.name for group in groups if group.members and group.name.startswith(plan.prefix)]
        running = sorted({role_of(name.removeprefix(plan.prefix)) for name in members})
        verdict = _newest(kafka, plan, timeout_s)
        known = (None, None, None) if verdict is None else verdict
        found.append(TrialOnCluster(plan.name, len(own_topics), tuple(running), *known))
    return found


def _plan_of(name: str) -> TopicPlan | None:
    try:
        return TopicPlan(name)
    except ConfigError:
        return None


def _newest(kafka: Kafka, plan: TopicPlan, timeout_s: float) -> tuple[str, str, int] | None:
    """Return decision, revision and time of the newest verdict that can be read."""
    try:
        rows = read_topic(kafka, plan.of("verdict"), timeout_s)
    except TopicMissing:
        return None
    newest: tuple[str, str, int] | None = None
    for row in rows:
        if row.value is None:
            continue
        try:
            record = own.read("verdict", row.value)
        except RecordError:
            continue
        if newest is None or record["evaluated_at_ms"] >= newest[2]:
            newest = record["decision"], record["revision"], record["evaluated_at_ms"]
    return newest
