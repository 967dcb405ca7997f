"""Detection of changes of a trial's topics: each must stay the same topic with the same number of partitions.

A topic that gets more partitions puts keys elsewhere, and no role reads the new partitions. A topic that was deleted
and created again has other records at the offsets that have been read. In both cases a missing partner proves nothing.
So runner and joiner check every `EVERY_S` and stop with a `ConfigError`. The joiner commits an outcome missing or extra
only after a later check has shown that nothing changed.

The start mark of a revision holds the topics (schemas/mark.avsc), so that changes between runs are detected too.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.judge.verdict.new_trial_advice import NEW_TRIAL
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.errors import advice, code_of, translated_errors
from shadowstream.kafka.trial import bound_topics
from shadowstream.kafka.trial.topic_admin import settings_of, sources_of
from shadowstream.logs import get_logger

log = get_logger("topics")
EVERY_S = 2.0
GONE_FOR_S = 10.0
"""The time after which an unknown topic is deleted: a broker that has just started may not know it yet."""
WHAT_TO_DO = f"Later records are not counted. {NEW_TRIAL[0].upper()}{NEW_TRIAL[1:]}"
_OF = {
    "input": "an input",
    "production": "production's output",
    "candidate": "the candidate's output",
    "twin": "the twin's output",
    "labels": "the topic of labels",
}


class TopicDescription(NamedTuple):
    """A topic as a broker describes it; `id` is empty if the broker has none."""

    id: str
    partitions: int


def compared(config: Config) -> list[str]:
    """Return the topics whose change makes counts wrong; the trial's own among them need not exist."""
    own = [config.plan.out(topic) for topic in config.production.outputs]
    copies = [config.plan.repartition(topic) for topic in config.production.outputs]
    return [*sources_of(config), *own, *copies]


def describe(client: AdminClient, topics: Iterable[str]) -> dict[str, TopicDescription]:
    """Describe those topics that exist. Raises a retriable `BrokerError` if the broker does not answer."""
    found: dict[str, TopicDescription] = {}
    with translated_errors("describe_topics"):
        futures = client.describe_topics(TopicCollection(list(topics)), request_timeout=offsets.TIMEOUT_S)
    for topic, future in futures.items():
        try:
            one = future.result(offsets.TIMEOUT_S)
        except (KafkaException, TimeoutError) as error:
            if (code := code_of(error)) == KafkaError.UNKNOWN_TOPIC_OR_PART:
                continue
            raise BrokerError(f"cannot describe topic {topic}: {error}{advice(code)}", retriable=True) from error
        found[topic] = TopicDescription(str(one.topic_id or ""), len(one.partitions))
    return found


def compacted(client: AdminClient, topics: Iterable[str]) -> frozenset[str]:
    """Return the topics that are compacted, among those whose settings may be described."""
    found = settings_of(client, topics)
    return frozenset(topic for topic, settings in found.items() if "compact" in settings.get("cleanup.policy", ""))


def topics_field(config: Config, found: Mapping[str, TopicDescription]) -> list[dict[str, Any]]:
    """Return topics in the form of a start mark: the described ones, and all others of the config without ids."""
    sources = sources_of(config)
    described = [
        {"side": sources.get(name, "own"), "topic": name, "id": one.id, "partitions": one.partitions}
        for name, one in sorted(found.items())
    ]
    known = {(one["side"], one["topic"]) for one in described}  # a topic may be input and output
    bound = bound_topics.topics_field(config)
    return [*described, *(one for one in bound if (one["side"], one["topic"]) not in known)]


def topics_of(record: Mapping[str, Any]) -> dict[str, TopicDescription]:
    """Return the topics that a start mark describes; none for a mark of an earlier release."""
    topics = record.get("topics", ())
    return {one["topic"]: TopicDescription(one["id"], one["partitions"]) for one in topics if one["partitions"] >= 0}


class TopicChanges:
    """Comparison of a trial's topics with those that it began with: `begun`, or the present ones if empty."""

    def __init__(self, config: Config, client: AdminClient, begun: Mapping[str, TopicDescription]) -> None:
        self._client, self._sources = client, sources_of(config)
        self._begun = dict(begun) or describe(client, compared(config))
        self._next_at = 0.0
        self._gone_at: float | None = None

    @contextlib.contextmanager
    def explaining(self) -> Iterator[None]:
        """Raise the `ConfigError` of a changed topic in place of the client's error in this block."""
        try:
            yield
        except BrokerError:
            with contextlib.suppress(BrokerError):
                self.unchanged()
            raise

    def turn(self) -> None:
        """Check, if it is time. Raises `ConfigError` if a topic has changed."""
        if time.monotonic() >= self._next_at:
            self.unchanged()

    def unchanged(self) -> bool:
        """Check now; return False if no broker answers. Raises `ConfigError` if a topic has changed."""
        sentences = self.changes()
        if sentences is None:
            return False
        if sentences:
            raise ConfigError(f"{'; '.join(sentences)}. {WHAT_TO_DO}")
        return True

    def changes(self) -> list[str] | None:
        """Return the changes as sentences; None if no broker answers."""
        self._next_at = time.monotonic() + EVERY_S
        try:
            found = describe(self._client, self._begun)
        except BrokerError as error:
            if not error.retriable:
                raise
            log.warning("topics_not_described", error=str(error))
            return None
        missing = self._begun.keys() - found.keys()
        if not missing:
            self._gone_at = None
        elif self._gone_at is None:
            self._gone_at = time.monotonic()
        changed = [self._sentence(topic, was, found[topic]) for topic, was in self._begun.items() if topic in found]
        sentences = [one for one in changed if one]
        if sentences or not missing:
            return sentences
        if time.monotonic() - (self._gone_at or 0) < GONE_FOR_S:
            return None
        return [f"topic {topic}{self._whose(topic)} was deleted since the trial began" for topic in sorted(missing)]

    def _sentence(self, topic: str, was: TopicDescription, now: TopicDescription) -> str | None:
        named = f"topic {topic}{self._whose(topic)}"
        if was.id and now.id and was.id != now.id:
            return f"{named} was deleted and created again since the trial began (topic id {was.id} then, {now.id} now)"
        if was.partitions != now.partitions:
            return (
                f"{named} has {now.partitions} partitions now and had {was.partitions} when the trial began, so keys "
                "may be in other partitions than their partners"
            )
        return None

    def _whose(self, topic: str) -> str:
        return f" ({_OF[self._sources[topic]]})" if topic in self._sources else ""
