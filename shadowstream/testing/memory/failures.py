"""Errors that clients raise, as confluent_kafka makes them."""

from confluent_kafka import KafkaError, KafkaException


def fatal(code: int, reason: str) -> KafkaException:
    """Fatal: the client can do nothing more."""
    return KafkaException(KafkaError(code, reason, fatal=True))


def abortable(code: int, reason: str) -> KafkaException:
    """Abortable: the transaction must be aborted, and the client stays usable."""
    return KafkaException(KafkaError(code, reason, txn_requires_abort=True))


def retriable(code: int, reason: str) -> KafkaException:
    """Retriable: repeat the same call."""
    return KafkaException(KafkaError(code, reason, retriable=True))


def plain(code: int, reason: str) -> KafkaException:
    """Neither fatal, abortable nor retriable."""
    return KafkaException(KafkaError(code, reason))


def state(reason: str) -> KafkaException:
    """A call that the client's state forbids."""
    return plain(KafkaError._STATE, reason)


def fenced() -> KafkaException:
    """Fenced: a newer producer has the same transactional id."""
    return fatal(KafkaError._FENCED, "Local: This instance has been fenced by a newer instance")
