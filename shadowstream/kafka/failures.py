"""What a client's error asks for: the same call again, abort and rewind, or the end of the process.

======================================================  ======================================================
error                                                   what follows
======================================================  ======================================================
``retriable()`` from commit_transaction                 the same call again, until the watchdog
fatal; fenced                                           exit: another process has our place
timed out, transport or coordinator error               exit: what the broker knows of the transaction is open,
                                                        and a new process asks for it; its supervisor starts it
``txn_requires_abort()``                                abort, load what is committed, seek, go on: no rebalance
a failed abort, anything else                           exit
======================================================  ======================================================

Whoever goes on after a transport error from send_offsets commits without knowing whether the offsets are in
(commit_transaction returned OK after it had failed), so these are not retried although the client says they may be.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Literal

from confluent_kafka import KafkaError, KafkaException

from shadowstream.errors import BrokerError

Follows = Literal["retry", "rewind", "exit"]
_OPEN = frozenset(
    (
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    )
)
_FENCED = frozenset(
    (
        KafkaError._FENCED,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.PRODUCER_FENCED,
    )
)


def follows(error: KafkaError, call: str) -> Follows:
    """What an error of this client call asks for; see the head of this file."""
    if error.fatal() or error.code() in _FENCED:
        return "exit"
    if call == "commit_transaction" and error.retriable():
        return "retry"
    if error.code() in _OPEN:
        return "exit"
    return "rewind" if error.txn_requires_abort() else "exit"


def broker_error(error: KafkaException, doing: str) -> BrokerError:
    """The client's error in the words of `errors`; `doing` is the client's call, or what it was made for."""
    cause = error.args[0]
    what = follows(cause, doing)
    return BrokerError(
        f"{doing}: {cause.name()}: {cause.str()}",
        retriable=cause.retriable(),
        abortable=what == "rewind",
        fatal=cause.fatal() or cause.code() in _FENCED,
    )


@contextlib.contextmanager
def told(doing: str) -> Iterator[None]:
    """The client's exceptions leave this block as `BrokerError`."""
    try:
        yield
    except KafkaException as error:
        raise broker_error(error, doing) from error
