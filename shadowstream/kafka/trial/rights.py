"""Check of the rights before the first write: the error names the missing right, before a commit fails."""

import time

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient  # type: ignore[attr-defined]  # public, not in __all__

from shadowstream.config import Config
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.errors import code_of, translated_errors
from shadowstream.kafka.trial.topic_admin import LEADERS_WAIT_S, planned, sources_of
from shadowstream.logs import get_logger

log = get_logger("rights")


def check(client: AdminClient, config: Config, counts: dict[str, int]) -> None:
    """Raise `ConfigError` if the principal lacks a right on a topic of the trial; `counts`: of topics only read.

    Without an authorizer everything is allowed, writing to production's topics too: the log shows that.
    """
    own = [spec.name for spec in planned(config, counts)]
    sources = list(sources_of(config))
    found = _operations(client, [*own, *sources])
    lacking = [f"Write on {topic}" for topic in own if not {AclOperation.WRITE, AclOperation.ALL} & found[topic]]
    lacking += [f"Read on {topic}" for topic in sources if not {AclOperation.READ, AclOperation.ALL} & found[topic]]
    if lacking:
        raise ConfigError(
            f"rights: the principal lacks {', '.join(lacking)}; `shadowstream topics acls` lists what the trial needs"
        )
    writable = sorted(topic for topic in sources if {AclOperation.WRITE, AclOperation.ALL} & found[topic])
    if writable:
        log.info("production_writable", topics=writable, reason="only shadowstream's own checks guarantee isolation")


def _operations(client: AdminClient, topics: list[str]) -> dict[str, set[AclOperation]]:
    """Return the allowed operations by topic; wait while the broker does not know a new topic yet."""
    deadline = time.monotonic() + LEADERS_WAIT_S
    found: dict[str, set[AclOperation]] = {}
    while asked := [topic for topic in topics if topic not in found]:
        with translated_errors("describe_topics"):
            futures = client.describe_topics(
                TopicCollection(asked), include_authorized_operations=True, request_timeout=offsets.TIMEOUT_S
            )
        for topic, future in futures.items():
            try:
                found[topic] = set(future.result(offsets.TIMEOUT_S).authorized_operations or ())
            except (KafkaException, TimeoutError) as error:
                if code_of(error) != KafkaError.UNKNOWN_TOPIC_OR_PART or time.monotonic() > deadline:
                    raise BrokerError(f"cannot ask for the rights on {topic}: {error}", retriable=True) from error
        if len(found) < len(topics):
            time.sleep(0.1)
    return found
