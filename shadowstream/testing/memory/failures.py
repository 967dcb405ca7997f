"""Errors that clients raise, as confluent_kafka makes them."""

from confluent_kafka import KafkaError, KafkaException


def abortable(code: int, reason: str) -> KafkaException:
    """Abortable: the transaction must be aborted, and the client stays usable."""
    return KafkaException(KafkaError(code, reason, txn_requires_abort=True))


def retriable(code: int, reason: str) -> KafkaException:
    """Retriable: repeat the same call."""
    return KafkaException(KafkaError(code, reason, retriable=True))


def plain(code: int, reason: str) -> KafkaException:
    """Neither fatal, abortable nor retriable."""
    return KafkaException(KafkaError(code, reason))


def state() -> KafkaException:
    """A call that the client's state forbids."""
    return plain(KafkaError._STATE, "Local: Erroneous state")


def fenced() -> KafkaException:
    """Fatal: a newer producer has the same transactional id."""
    reason = "Local: This instance has been fenced by a newer instance"
    return KafkaException(KafkaError(KafkaError._FENCED, reason, fatal=True))
