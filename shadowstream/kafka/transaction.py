"""How the effects of one commit get to the broker: in a transaction, or at least once.

Without transactions a crash can come between any two records, so one record of each task decides: the stats record of
the joiner, the range mark of the runner. Everything that it speaks of is on the broker before it is handed over, and
of several that bear one number the first in the log is the one that counts. The group's commit comes last and only
saves reading: who starts goes on from the deciding record (docs/decisions/0015).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from shadowstream.errors import BrokerError, ConfigError
from shadowstream.health import Phase, Watch
from shadowstream.kafka.client.consumers import GuardedWriter
from shadowstream.kafka.client.errors import broker_error, code_of, follows, told
from shadowstream.kafka.watchdog import Watchdog
from shadowstream.records import Commit, Place, Write

FLUSH_S = TRANSACTION_WAIT_S = 20.0
INIT_WAIT_S = 30.0
Reached = Callable[[Phase], None]


class DecidingRole(Protocol):
    """The part of a role that a commit without transactions needs."""

    def deciding(self) -> dict[str, int | None]:
        """Topics of the records that decide, and the partition in which they lie (None: that of the place itself)."""
        ...

    def decided(self, delivered: Mapping[Place, Sequence[int]]) -> None:
        """These offsets hold the deciding records of the last `prepare`; raises an abortable `BrokerError` where
        another process was there first."""
        ...


def start_transactions(writer: GuardedWriter, watch: Watch) -> None:
    """Claim the role's place, then `init_transactions`, which fences a predecessor and waits for its open transaction
    (rule 1 of the loop); without transactions the claim alone. Raises `ConfigError` where the broker takes no
    transactions that may last so long."""
    watch.claim.take()
    if not writer.transactional:
        return
    try:
        with Watchdog(watch).call("init_transactions", INIT_WAIT_S + 5), told("init_transactions"):
            writer.producer.init_transactions(INIT_WAIT_S)
    except BrokerError as error:
        if code_of(error) != KafkaError.INVALID_TRANSACTION_TIMEOUT:
            raise
        raise ConfigError(
            "limits.transaction_timeout_ms is more than the broker takes (its transaction.max.timeout.ms, "
            "15 minutes by default): lower it"
        ) from error


def commit_transaction(writer: GuardedWriter) -> None:
    """`commit_transaction`, again and again where the client says so; the watchdog ends that."""
    while True:
        try:
            writer.producer.commit_transaction(TRANSACTION_WAIT_S)
            return
        except KafkaException as error:
            if follows(error.args[0], "commit_transaction") != "retry":
                raise broker_error(error, "commit_transaction") from error


def separated(metadata: str) -> tuple[str, int]:
    """The role's own metadata of a commit, and where its deciding record lies; -1 where there is none.

    >>> separated("1abc 17"), separated("1abc")
    (('1abc', 17), ('1abc', -1))
    """
    own, _, at = metadata.partition(" ")
    return own, int(at) if at.isdecimal() else -1


def hand_over(writer: GuardedWriter, writes: Sequence[Write], deciding: frozenset[str], reached: Reached) -> None:
    """Without a transaction: write, wait for every delivery report, and only then write what decides, and wait again.

    Raises `BrokerError` where something was not delivered: what decides is then not there, or all else is.
    """
    reached("begun")
    with told("produce"):
        writer.write(one for one in writes if one.topic not in deciding)
        writer.flush(FLUSH_S)
    reached("produced")
    writer.note(deciding)
    with told("produce"):
        writer.write(one for one in writes if one.topic in deciding)
        writer.flush(FLUSH_S)
    reached("offsets_sent")


def commit_at_least_once(
    writer: GuardedWriter,
    consumer: Consumer,
    effects: tuple[Sequence[Write], Sequence[Commit]],
    role: DecidingRole,
    reached: Reached,
) -> None:
    """All of one commit."""
    writes, commits = effects
    deciding = role.deciding()
    hand_over(writer, writes, frozenset(deciding), reached)
    role.decided(writer.delivered)
    first = {place.partition: min(offsets) for place, offsets in writer.delivered.items()}
    (fixed,) = set(deciding.values())
    offsets = []
    for one in commits:
        at = first[one.place.partition if fixed is None else fixed]
        offsets.append(TopicPartition(*one.place, one.offset, f"{one.metadata} {at}"))
    reached("committing")
    with told("commit"):
        found = consumer.commit(offsets=offsets, asynchronous=False)
    for tp in found or ():
        if tp.error is not None:
            raise BrokerError(f"commit: {tp.topic}/{tp.partition}: {tp.error.str()}")
    reached("committed")
