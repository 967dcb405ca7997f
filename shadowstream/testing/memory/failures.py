"""The errors that clients raise, as confluent_kafka makes them."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException


def fatal(code: int, reason: str) -> KafkaException:
    """The client is of no use any more."""
    return KafkaException(KafkaError(code, reason, fatal=True))


def abortable(code: int, reason: str) -> KafkaException:
    """The transaction has to be aborted; the client goes on."""
    return KafkaException(KafkaError(code, reason, txn_requires_abort=True))


def retriable(code: int, reason: str) -> KafkaException:
    """The same call again."""
    return KafkaException(KafkaError(code, reason, retriable=True))


def plain(code: int, reason: str) -> KafkaException:
    """Neither."""
    return KafkaException(KafkaError(code, reason))


def state(reason: str) -> KafkaException:
    """A call that the client's state does not allow."""
    return plain(KafkaError._STATE, reason)


def fenced() -> KafkaException:
    """A newer producer has the same transactional id."""
    return fatal(KafkaError._FENCED, "Local: This instance has been fenced by a newer instance")
