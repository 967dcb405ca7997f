"""Whether the topics of a trial are still those that it began with: the same topics, with as many partitions.

A topic that gets more partitions puts keys elsewhere from then on, and no role reads what lies in the new ones. One
that is deleted and made again has other records at the offsets that have been read. Either way what lacks a partner
proves nothing any more. So runner and joiner look every `EVERY_S` and stop with a `ConfigError`, and the joiner commits
what it has decided missing or extra only after the broker has shown, later than it was decided, that nothing has
changed.

The start mark of a revision holds the topics as they were (schemas/mark.avsc), so that a change while no role ran is
found as well.
"""

from __future__ import annotations

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
"""A broker that has just started may not know a topic yet that is there."""
WHAT_TO_DO = f"What came since is not counted. {NEW_TRIAL[0].upper()}{NEW_TRIAL[1:]}"
_OF = {
    "input": "an input",
    "production": "production's output",
    "candidate": "the candidate's output",
    "twin": "the twin's output",
    "labels": "the topic of labels",
}


class Known(NamedTuple):
    """A topic as a broker describes it; `id` is empty where the broker gives none."""

    id: str
    partitions: int


def compared(config: Config) -> list[str]:
    """Topics whose change makes counts of the trial wrong; ours among them, though not all of them need exist."""
    own = [config.plan.out(topic) for topic in config.production.outputs]
    copies = [config.plan.repartition(topic) for topic in config.production.outputs]
    return [*sources_of(config), *own, *copies]


def describe(client: AdminClient, topics: Iterable[str]) -> dict[str, Known]:
    """Those of the topics that there are. Raises a retriable `BrokerError` where the broker does not answer."""
    found: dict[str, Known] = {}
    with translated_errors("describe_topics"):
        futures = client.describe_topics(TopicCollection(list(topics)), request_timeout=offsets.TIMEOUT_S)
    for topic, future in futures.items():
        try:
            one = future.result(offsets.TIMEOUT_S)
        except (KafkaException, TimeoutError) as error:
            if (code := code_of(error)) == KafkaError.UNKNOWN_TOPIC_OR_PART:
                continue
            raise BrokerError(f"cannot describe topic {topic}: {error}{advice(code)}", retriable=True) from error
        found[topic] = Known(str(one.topic_id or ""), len(one.partitions))
    return found


def compacted(client: AdminClient, topics: Iterable[str]) -> frozenset[str]:
    """Those of the topics that are compacted; where their settings may not be seen none is."""
    found = settings_of(client, topics)
    return frozenset(topic for topic, settings in found.items() if "compact" in settings.get("cleanup.policy", ""))


def topics_field(config: Config, found: Mapping[str, Known]) -> list[dict[str, Any]]:
    """Topics in the form of a start mark: those of the config, and with their ids those that there are."""
    sources = sources_of(config)
    described = [
        {"side": sources.get(name, "own"), "topic": name, "id": one.id, "partitions": one.partitions}
        for name, one in sorted(found.items())
    ]
    return [*described, *(one for one in bound_topics.topics_field(config) if one["topic"] not in found)]


def topics_of(record: Mapping[str, Any]) -> dict[str, Known]:
    """Topics as a start mark describes them; none where an earlier release wrote it."""
    topics = record.get("topics", ())
    return {one["topic"]: Known(one["id"], one["partitions"]) for one in topics if one["partitions"] >= 0}


class TopicChanges:
    """Compares the topics of a trial with those that it began with (`begun`; as they are now where that is empty)."""

    def __init__(self, config: Config, client: AdminClient, begun: Mapping[str, Known]) -> None:
        self._client, self._sources = client, sources_of(config)
        self._begun = dict(begun) or describe(client, compared(config))
        self._next_at = 0.0
        self._gone_at: float | None = None

    @contextlib.contextmanager
    def explaining(self) -> Iterator[None]:
        """Let a change of topics stand in the place of what the client said of it in this block."""
        try:
            yield
        except BrokerError:
            with contextlib.suppress(BrokerError):
                self.unchanged()
            raise

    def turn(self) -> None:
        """Look, if it is time. Raises `ConfigError` where a topic has changed."""
        if time.monotonic() >= self._next_at:
            self.unchanged()

    def unchanged(self) -> bool:
        """Look now. Raises `ConfigError` where a topic has changed; False where that cannot be told now."""
        sentences = self.look()
        if sentences is None:
            return False
        if sentences:
            raise ConfigError(f"{'; '.join(sentences)}. {WHAT_TO_DO}")
        return True

    def look(self) -> list[str] | None:
        """What has changed, as sentences; None where that cannot be told now."""
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

    def _sentence(self, topic: str, was: Known, now: Known) -> str | None:
        named = f"topic {topic}{self._whose(topic)}"
        if was.id and now.id and was.id != now.id:
            return f"{named} was deleted and made again since the trial began (topic id {was.id} then, {now.id} now)"
        if was.partitions != now.partitions:
            return (
                f"{named} has {now.partitions} partitions now and had {was.partitions} when the trial began, so keys "
                "may lie in others and pairs would never meet"
            )
        return None

    def _whose(self, topic: str) -> str:
        return f" ({_OF[self._sources[topic]]})" if topic in self._sources else ""
