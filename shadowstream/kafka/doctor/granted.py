"""The operations that the brokers allow a client, as they answer for its own credentials."""

import ipaddress
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from shadowstream.errors import BrokerError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.errors import code_of, translated_errors
from shadowstream.kafka.doctor.least_rights import Operation
from shadowstream.kafka.trial.topic_admin import LEADERS_WAIT_S

Operations = frozenset[Operation]
_BY_NAME = {operation.upper(): operation for operation in Operation}
TOPICS_ASKED = 500
"""Topics in one request, so that a cluster of many thousands is asked in parts."""
EVERYTHING = frozenset({Operation.ALTER, Operation.ALTER_CONFIGS, Operation.CLUSTER_ACTION, Operation.CREATE})
"""Operations on the cluster that a trial's principal has only without an authorizer, or as a super user."""


@dataclass(frozen=True, slots=True)
class ClusterRights:
    """Operations on the cluster, and whether its brokers are on this machine."""

    operations: Operations
    is_loopback: bool

    @property
    def is_unproven(self) -> bool:
        """Whether everything is allowed: there is no authorizer, or the principal is a super user."""
        return self.operations >= EVERYTHING


def cluster_rights(client: AdminClient) -> ClusterRights:
    """Raises `BrokerError`."""
    with translated_errors("describe_cluster"):
        asked = client.describe_cluster(include_authorized_operations=True, request_timeout=offsets.TIMEOUT_S)
        try:
            found = asked.result(offsets.TIMEOUT_S)
        except TimeoutError as error:
            raise BrokerError("describe_cluster: no answer", retriable=True) from error
    return ClusterRights(_known(found.authorized_operations), all(_is_loopback(node.host) for node in found.nodes))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def topic_rights(client: AdminClient, topics: Iterable[str], unlisted: Iterable[str] = ()) -> dict[str, Operations]:
    """Return the operations by topic, none for a topic that may not be described.

    It waits while the broker does not know one of `topics` yet, which may be new. `unlisted` are asked for as well;
    those that do not exist are left out. Raises `BrokerError`.
    """
    deadline, must = time.monotonic() + LEADERS_WAIT_S, frozenset(topics)
    left = list(dict.fromkeys([*must, *unlisted]))
    found: dict[str, Operations] = {}
    while True:
        for begin in range(0, len(left), TOPICS_ASKED):
            found |= _ask_topics(client, left[begin : begin + TOPICS_ASKED])
        left = [topic for topic in left if topic not in found and topic in must]
        if not left:
            return found
        if time.monotonic() > deadline:
            raise BrokerError(f"cannot ask for the rights on {left[0]}: the broker does not know it", retriable=True)
        time.sleep(0.1)


def _ask_topics(client: AdminClient, topics: Iterable[str]) -> dict[str, Operations]:
    with translated_errors("describe_topics"):
        futures = client.describe_topics(
            TopicCollection(list(topics)), include_authorized_operations=True, request_timeout=offsets.TIMEOUT_S
        )
    found: dict[str, Operations] = {}
    for topic, future in futures.items():
        try:
            found[topic] = _known(future.result(offsets.TIMEOUT_S).authorized_operations)
        except (KafkaException, TimeoutError) as error:
            if code_of(error) == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                found[topic] = frozenset()
            elif code_of(error) != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise BrokerError(f"cannot ask for the rights on {topic}: {error}", retriable=True) from error
    return found


def visible_groups(client: AdminClient) -> list[str]:
    """Return the ids of the groups that the cluster shows to this client. Raises `BrokerError`."""
    with translated_errors("list_consumer_groups"):
        try:
            found = client.list_consumer_groups(request_timeout=offsets.TIMEOUT_S).result(offsets.TIMEOUT_S)
        except TimeoutError as error:
            raise BrokerError("list_consumer_groups: no answer", retriable=True) from error
    return [group.group_id for group in found.valid]


def group_rights(client: AdminClient, groups: Iterable[str]) -> dict[str, Operations]:
    """Return the operations by group, none for a group that may not be described. Raises `BrokerError`."""
    failing = "cannot ask for the rights on a group"
    return {group: offsets.once_settled(partial(_group, client, group), failing) for group in dict.fromkeys(groups)}


def _group(client: AdminClient, group: str) -> Operations:
    try:
        asked = client.describe_consumer_groups(
            [group], include_authorized_operations=True, request_timeout=offsets.TIMEOUT_S
        )
        return _known(asked[group].result(offsets.TIMEOUT_S).authorized_operations)
    except KafkaException as error:
        if code_of(error) == KafkaError.GROUP_AUTHORIZATION_FAILED:
            return frozenset()
        raise


def _known(operations: Iterable[Any] | None) -> Operations:
    """Return the client's operations as ours; those of newer brokers are left out."""
    names = (operation.name.replace("_", "") for operation in operations or ())
    return frozenset(_BY_NAME[name] for name in names if name in _BY_NAME)
