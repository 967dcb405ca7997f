"""Consequences of a client's error: the same call again, abort and rewind, or the end of the process.

======================================================  ======================================================
error                                                   consequence
======================================================  ======================================================
``retriable()`` from commit_transaction                 the same call again, until the watchdog
fatal; fenced                                           exit: another process has this place
timed out, transport or coordinator error               exit: the state of the transaction at the broker is not
                                                        known; the supervisor starts a new process, which asks
``txn_requires_abort()``                                abort, load the committed state, seek, continue
a failed abort, anything else                           exit
======================================================  ======================================================

No exception of the client leaves this package untranslated. `consumers` wraps each client in a `TranslatingClient`,
whose every method translates; calls of other objects are made within `translated_errors`.

The client marks transport errors from send_offsets as retriable, but they are not retried here. A retry would commit
without knowing whether the offsets are part of the transaction (commit_transaction returned OK after it had failed).
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any, Literal

from confluent_kafka import KafkaError, KafkaException

from shadowstream.errors import BrokerError

Consequence = Literal["retry", "rewind", "exit"]
_TIMED_OUT = (KafkaError._TIMED_OUT, KafkaError._TIMED_OUT_QUEUE)
UNREACHABLE = frozenset((*_TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE))
"""Errors of an outage: no broker answers."""
_COORDINATOR = (KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS)
_OPEN = UNREACHABLE | {KafkaError.REQUEST_TIMED_OUT, KafkaError.NOT_COORDINATOR, *_COORDINATOR}
_FENCED = frozenset((KafkaError._FENCED, KafkaError.FENCED_INSTANCE_ID, KafkaError.PRODUCER_FENCED))
FORBIDDEN = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}
_ADVICE = (
    ("grant what `shadowstream topics acls` prints", FORBIDDEN),
    (
        "check the security settings under kafka.client",
        (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._SSL),
    ),
    ("is the broker up, and does kafka.bootstrap name it?", _OPEN),
    (
        "was the topic deleted? Its name and the right to describe it",
        (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION),
    ),
    ("another process has this place: give each process an --instance of its own", _FENCED),
    (
        "the broker is too old for it; kafka.group_protocol: consumer needs Kafka 4",
        (KafkaError._UNSUPPORTED_FEATURE, KafkaError.UNSUPPORTED_VERSION, KafkaError.UNSUPPORTED_ASSIGNOR),
    ),
)
"""Remedies for the codes that allow one."""


def consequence(error: KafkaError, call: str) -> Consequence:
    """Return the consequence of an error of this client call, by the table at the head of this file."""
    if error.fatal() or error.code() in _FENCED:
        return "exit"
    if call == "commit_transaction" and error.retriable():
        return "retry"
    if error.code() in _OPEN:
        return "exit"
    return "rewind" if error.txn_requires_abort() else "exit"


def broker_error(error: KafkaException, doing: str) -> BrokerError:
    """Translate the client's error; `doing` is the client's call, or its purpose."""
    cause = error.args[0]
    return BrokerError(
        f"{doing}: {cause.name()}: {cause.str()}{advice(cause.code())}",
        retriable=cause.retriable(),
        abortable=consequence(cause, doing) == "rewind",
        fatal=cause.fatal() or cause.code() in _FENCED,
    )


def event_error(error: KafkaError, where: str) -> BrokerError:
    """Translate an error that a consumer received in place of a record, and that waiting does not cure."""
    return BrokerError(f"{where}: {error.name()}: {error.str()}{advice(error.code())}", fatal=True)


def advice(code: int | None) -> str:
    """Return the remedy for an error, as the end of its message; empty if there is none for the code."""
    return next((f"; {text}" for text, codes in _ADVICE if code in codes), "")


def code_of(error: Exception) -> int | None:
    """Return the client's code of a client error, or of the error that it caused; None if there is no client error."""
    cause = error if isinstance(error, KafkaException) else error.__cause__
    return cause.args[0].code() if isinstance(cause, KafkaException) else None


def is_unreachable(error: Exception) -> bool:
    """Return whether an error only means that no broker answers, by the client's code or by a time limit."""
    return code_of(error) in UNREACHABLE or isinstance(error.__cause__, TimeoutError)


class TranslatingClient:
    """A client that raises `BrokerError` in place of the client's exceptions; `whose` names its user.

    It replaces the client everywhere but in callbacks, which get the client itself.
    """

    def __init__(self, client: Any, whose: str) -> None:
        self._client, self._whose = client, whose

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not callable(found):
            return found

        @functools.wraps(found)
        def call(*args: Any, **more: Any) -> Any:
            with translated_errors(f"{name} ({self._whose})"):
                return found(*args, **more)

        setattr(self, name, call)  # the next access finds it directly
        return call


@contextlib.contextmanager
def translated_errors(doing: str) -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise broker_error(error, doing) from error
