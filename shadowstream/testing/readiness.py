"""Readiness of a broker: a client gets an answer, not only an open port."""

import contextlib
import logging
from collections.abc import Callable, Iterator

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

_silent = logging.getLogger("shadowstream.testing.readiness")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


@contextlib.contextmanager
def answers(bootstrap: str, *, patience_s: float = 0.5) -> Iterator[Callable[[], bool]]:
    """A question to ask again and again: does the cluster describe itself, with a controller and a live broker? One
    client for all the asking; what librdkafka says about refused connections meanwhile is silenced."""
    admin = AdminClient(
        {
            "bootstrap.servers": bootstrap,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 100,
        },
        logger=_silent,
    )

    def ready() -> bool:
        try:
            cluster = admin.describe_cluster(request_timeout=patience_s).result(timeout=patience_s + 1)
        except (KafkaException, TimeoutError):
            return False
        return cluster.controller is not None and len(cluster.nodes) > 0

    yield ready
