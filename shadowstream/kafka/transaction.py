"""Delivery of the effects of one commit: in a transaction, or at least once.

Without transactions a crash can come between any two records. Therefore one record of each task decides: the stats
record of the joiner, the range mark of the runner. The producer writes it only after the broker has acknowledged every
record that it refers to. Of several deciding records with one number, the first in the log counts. The group's commit
comes last and only saves reading: a process that starts continues from the deciding record (docs/decisions/0015).
"""

from collections.abc import Callable, Iterable, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from shadowstream.errors import BrokerError, ConfigError
from shadowstream.health import Phase, RoleHealth
from shadowstream.kafka.client.consumers import GuardedWriter
from shadowstream.kafka.client.errors import broker_error, code_of, consequence, translated_errors
from shadowstream.kafka.role import Role
from shadowstream.kafka.watchdog import Watchdog
from shadowstream.records import Commit, Write

FLUSH_S = TRANSACTION_WAIT_S = 20.0
INIT_WAIT_S = 30.0
PhaseReport = Callable[[Phase], None]


def start_transactions(writer: GuardedWriter, watch: RoleHealth) -> None:
    """Claim the role's place; call `init_transactions` (rule 1), which fences a predecessor and awaits its end.

    Raises `ConfigError` if the broker does not accept a transaction timeout as long as the configured one.
    """
    watch.claim.take()
    if not writer.transactional:
        return
    try:
        with Watchdog(watch).call("init_transactions", INIT_WAIT_S + 5), translated_errors("init_transactions"):
            writer.producer.init_transactions(INIT_WAIT_S)
    except BrokerError as error:
        if code_of(error) != KafkaError.INVALID_TRANSACTION_TIMEOUT:
            raise
        raise ConfigError(
            "limits.transaction_timeout_ms is more than the broker accepts (its transaction.max.timeout.ms, "
            "15 minutes by default): lower it"
        ) from error


def commit_transaction(writer: GuardedWriter) -> None:
    """Commit; retry for as long as the client asks for it. The watchdog bounds the time."""
    while True:
        try:
            writer.producer.commit_transaction(TRANSACTION_WAIT_S)
            return
        except KafkaException as error:
            if consequence(error.args[0], "commit_transaction") != "retry":
                raise broker_error(error, "commit_transaction") from error


def commit_exactly_once(
    writer: GuardedWriter,
    consumer: Consumer,
    writes: Iterable[Write],
    offsets: list[TopicPartition],
    reached: PhaseReport,
) -> None:
    """Commit records and offsets in one transaction (rule 5 of the loop); the judge may have no offsets."""
    with translated_errors("begin_transaction"):
        writer.producer.begin_transaction()
    reached("begun")
    writer.write(writes)
    reached("produced")
    if offsets:
        group = consumer.consumer_group_metadata()
        with translated_errors("send_offsets_to_transaction"):
            writer.producer.send_offsets_to_transaction(offsets, group, TRANSACTION_WAIT_S)
    reached("offsets_sent")
    reached("committing")
    commit_transaction(writer)
    reached("committed")


def split_metadata(metadata: str) -> tuple[str, int]:
    """Split commit metadata into the role's own and the offset of its deciding record, -1 if there is none.

    >>> split_metadata("1abc 17"), split_metadata("1abc")
    (('1abc', 17), ('1abc', -1))
    """
    own, _, at = metadata.partition(" ")
    return own, int(at) if at.isdecimal() else -1


def publish_in_order(
    writer: GuardedWriter, writes: Sequence[Write], deciding: frozenset[str], reached: PhaseReport
) -> None:
    """Deliver the records of all topics but `deciding`, then those of `deciding`.

    Raises `BrokerError` if a record was not delivered: no deciding record was written, or all others were delivered.
    """
    reached("begun")
    writer.write(one for one in writes if one.topic not in deciding)
    writer.flush(FLUSH_S)
    reached("produced")
    writer.note(deciding)
    writer.write(one for one in writes if one.topic in deciding)
    writer.flush(FLUSH_S)
    reached("offsets_sent")


def commit_at_least_once(
    writer: GuardedWriter,
    consumer: Consumer,
    effects: tuple[Sequence[Write], Sequence[Commit]],
    role: Role,
    reached: PhaseReport,
) -> None:
    """Deliver one commit without a transaction: its records, its deciding records, its offsets."""
    writes, commits = effects
    deciding = role.deciding()
    publish_in_order(writer, writes, frozenset(deciding), reached)
    role.decided(writer.delivered)
    first = {place.partition: min(offsets) for place, offsets in writer.delivered.items()}
    (fixed,) = set(deciding.values())
    offsets = []
    for one in commits:
        at = first[one.place.partition if fixed is None else fixed]
        offsets.append(TopicPartition(*one.place, one.offset, f"{one.metadata} {at}"))
    reached("committing")
    with translated_errors("commit"):
        found = consumer.commit(offsets=offsets, asynchronous=False)
    for tp in found or ():
        if tp.error is not None:
            raise BrokerError(f"commit: {tp.topic}/{tp.partition}: {tp.error.str()}")
    reached("committed")
