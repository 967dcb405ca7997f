"""Errors that clients raise, as confluent_kafka makes them."""

from confluent_kafka import KafkaError, KafkaException


def failure(code: int, reason: str, **kind: bool) -> KafkaException:
    """An error of a `kind`: `fatal` (the client can do nothing more), `txn_requires_abort` (it stays usable),
    `retriable` (repeat the same call), or none of them."""
    return KafkaException(KafkaError(code, reason, **kind))


def state() -> KafkaException:
    """A call that the client's state forbids."""
    return failure(KafkaError._STATE, "Local: Erroneous state")


def fenced() -> KafkaException:
    """A newer producer has the same transactional id."""
    return failure(KafkaError._FENCED, "Local: This instance has been fenced by a newer instance", fatal=True)
