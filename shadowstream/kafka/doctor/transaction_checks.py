"""Checks of transactions by the doctor: whether a role may use them here, and whether one holds readers back."""

import time
from collections.abc import Iterator

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config, Principal
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import client_config, make_client
from shadowstream.kafka.client.errors import code_of
from shadowstream.kafka.doctor.finding import Finding, Severity
from shadowstream.kafka.doctor.least_rights import WRITE, Resource, Right, acl_line
from shadowstream.kafka.trial.topic_admin import sources_of
from shadowstream.records import Partition

PROBE_S = 15.0
HELD_S = 2.0
"""Time after which a transaction that is still open counts as one that holds readers back."""
TRANSACTIONAL = ("runner", "joiner", "judge", "labels")


def right_findings(config: Config, principal: Principal, user: str) -> Iterator[Finding]:
    """Yield the reason why a role cannot begin transactions: no right, no coordinator, or a timeout too long.

    No other request shows this. It writes no record, and leaves a transactional id of its own, which the brokers drop.
    """
    is_needed = config.delivery == "exactly_once" or principal == "labels"
    if principal not in TRANSACTIONAL or not is_needed:
        return
    timeout_ms = config.limits.transaction_timeout_ms
    group = config.plan.group(principal)
    settings = {"transactional.id": f"{group}.doctor", "transaction.timeout.ms": timeout_ms}
    producer = make_client(Producer, client_config(config.kafka, **settings))
    try:
        producer.init_transactions(PROBE_S)
    except KafkaException as error:
        reason, code = error.args[0].str(), code_of(error)
        fix = "check the brokers' transaction.state.log settings, or set delivery: at_least_once"
        if code == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
            right = Right(Resource.TRANSACTIONAL_ID, group, WRITE, is_prefix=True)
            fix = acl_line(config.kafka.bootstrap, user, right)
        elif code == KafkaError.INVALID_TRANSACTION_TIMEOUT:
            fix = "lower limits.transaction_timeout_ms to the brokers' transaction.max.timeout.ms (900000 by default)"
        yield Finding("transactions", Severity.REFUSE, f"the {principal} cannot begin transactions: {reason}", "", fix)


def held_findings(client: AdminClient, config: Config) -> Iterator[Finding]:
    """Yield partitions whose committed records end before a transaction that stays open: every role waits there."""
    places = offsets.places(offsets.partition_counts(client, sources_of(config)))
    stable = _open(client, places)
    if not stable:
        return
    time.sleep(HELD_S)
    for place, (offset, end) in _open(client, list(stable)).items():
        if offset == stable[place][0]:
            text = f"a transaction is open on {place} for {HELD_S:.0f} s or longer: readers of committed records stop "
            text += "before it"
            words = f"kafka-transactions --bootstrap-server {config.kafka.bootstrap} abort --topic {place.topic}"
            fix = f"end its producer, or: {words} --partition {place.partition} --start-offset {offset}"
            yield Finding("open_transaction", Severity.WARN, text, f"{end - offset} offsets wait", fix)


def _open(client: AdminClient, places: list[Partition]) -> dict[Partition, tuple[int, int]]:
    """Return the last stable offset and the end of each partition where a transaction is open."""
    ends, stable = offsets.ends(client, places), offsets.stable_ends(client, places)
    return {place: (stable[place], end) for place, end in ends.items() if stable[place] < end}
