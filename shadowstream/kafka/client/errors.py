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

No exception of the client leaves this package untranslated. `clients` wraps each client in a `TranslatingClient`, whose
every method translates; calls of other objects stand within `translated_errors`.

Whoever goes on after a transport error from send_offsets commits without knowing whether the offsets are in
(commit_transaction returned OK after it had failed), so these are not retried although the client says they may be.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any, Literal

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
UNREACHABLE = frozenset(
    (
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
    )
)
"""No broker answers: what every role meets in an outage, for as long as it lasts."""
FORBIDDEN = frozenset(
    (
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    )
)


_ADVICE = (
    ("grant what `shadowstream topics acls` prints", FORBIDDEN),
    (
        "check the security settings under kafka.client",
        (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._SSL),
    ),
    ("is the broker up, and does kafka.bootstrap name it?", _OPEN),
    (
        "was the topic deleted? Its name and the right to describe it",
        (
            KafkaError.UNKNOWN_TOPIC_OR_PART,
            KafkaError._UNKNOWN_TOPIC,
            KafkaError._UNKNOWN_PARTITION,
        ),
    ),
    ("another process has this place: two must not have the same --instance", _FENCED),
    (
        "the broker is too old for it; kafka.group_protocol: consumer needs Kafka 4",
        (KafkaError._UNSUPPORTED_FEATURE, KafkaError.UNSUPPORTED_VERSION, KafkaError.UNSUPPORTED_ASSIGNOR),
    ),
)
"""What to do about it, where that can be told from the code."""


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
        f"{doing}: {cause.name()}: {cause.str()}{advice(cause.code())}",
        retriable=cause.retriable(),
        abortable=what == "rewind",
        fatal=cause.fatal() or cause.code() in _FENCED,
    )


def event_error(error: KafkaError, where: str) -> BrokerError:
    """What a consumer was told in the place of a record, of which nothing better comes by waiting."""
    return BrokerError(f"{where}: {error.name()}: {error.str()}{advice(error.code())}", fatal=True)


def advice(code: int | None) -> str:
    """What to do about an error, as the end of its message; empty where the code does not tell."""
    return next((f"; {text}" for text, codes in _ADVICE if code in codes), "")


def code_of(error: Exception) -> int | None:
    """The client's code of an error of the client or of ours that it caused; None where it caused none."""
    cause = error if isinstance(error, KafkaException) else error.__cause__
    return cause.args[0].code() if isinstance(cause, KafkaException) else None


def is_unreachable(error: Exception) -> bool:
    """Whether an error says only that no broker answers, by the client's code or by a time limit of ours."""
    return code_of(error) in UNREACHABLE or isinstance(error.__cause__, TimeoutError)


class TranslatingClient:
    """A client whose methods raise `BrokerError` in place of the client's exceptions; `whose` says whose client it is.

    Stands for the client wherever one is asked for, but for callbacks, which get the client itself.
    """

    def __init__(self, client: Any, whose: str) -> None:
        self._client, self._whose = client, whose

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not callable(found):
            return found

        @functools.wraps(found)
        def call(*args: Any, **more: Any) -> Any:
            try:
                return found(*args, **more)
            except KafkaException as error:
                raise broker_error(error, f"{name} ({self._whose})") from error

        setattr(self, name, call)  # the next one finds it at once
        return call


@contextlib.contextmanager
def translated_errors(doing: str) -> Iterator[None]:
    """The client's exceptions leave this block as `BrokerError`."""
    try:
        yield
    except KafkaException as error:
        raise broker_error(error, doing) from error
