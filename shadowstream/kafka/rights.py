"""What we may do, asked before the first record is written: a right that lacks is named, not met as a failed commit."""

from __future__ import annotations

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient  # type: ignore[attr-defined]  # public, not in __all__

from shadowstream.config import Config
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.kafka import offsets
from shadowstream.kafka.failures import told
from shadowstream.kafka.own_topics import planned, sources_of
from shadowstream.observe import get_logger

log = get_logger("rights")


def check(client: AdminClient, config: Config, counts: dict[str, int]) -> None:
    """Raise `ConfigError` where a topic that we read or write may not be read or written; `counts` are the partitions
    of the topics that the trial only reads.

    Without an authorizer everything shows as allowed, production's topics too: that is said.
    """
    ours = [spec.name for spec in planned(config, counts)]
    theirs = list(sources_of(config))
    found = _operations(client, [*ours, *theirs])
    lacking = [f"Write on {topic}" for topic in ours if not {AclOperation.WRITE, AclOperation.ALL} & found[topic]]
    lacking += [f"Read on {topic}" for topic in theirs if not {AclOperation.READ, AclOperation.ALL} & found[topic]]
    if lacking:
        raise ConfigError(
            f"rights: the principal lacks {', '.join(lacking)}; `shadowstream topics acls` lists what the trial needs"
        )
    writable = sorted(topic for topic in theirs if {AclOperation.WRITE, AclOperation.ALL} & found[topic])
    if writable:
        log.info("production_writable", topics=writable, reason="isolation rests on our own checks alone")


def _operations(client: AdminClient, topics: list[str]) -> dict[str, set[AclOperation]]:
    with told("describe_topics"):
        futures = client.describe_topics(
            TopicCollection(topics), include_authorized_operations=True, request_timeout=offsets.TIMEOUT_S
        )
    found = {}
    for topic, future in futures.items():
        try:
            found[topic] = set(future.result(offsets.TIMEOUT_S).authorized_operations or ())
        except (KafkaException, TimeoutError) as error:
            raise BrokerError(f"cannot ask for the rights on {topic}: {error}", retriable=True) from error
    return found
