"""The Kafka that a test or a demo talks to: a given one, else Docker's, else the embedded one."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from shadowstream.errors import BrokerError, ConfigError
from shadowstream.testing.container import docker_refusal, image_name, start_container
from shadowstream.testing.embedded import EmbeddedKafka
from shadowstream.testing.kafka_jars import KAFKA_VERSION
from shadowstream.testing.readiness import answers

Kind = Literal["given", "testcontainers", "embedded"]

_GIVEN_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Broker:
    """A Kafka that answers. `why` names it and the reason for the choice in one sentence."""

    bootstrap: str
    kind: Kind
    why: str
    close: Callable[[], None]
    """Stop what was started for it; do nothing to a given broker."""


def open_broker(bootstrap: str | None = None, properties: Mapping[str, str] | None = None) -> Broker:
    """Choose in this order, start what has to be started, and return once it answers.

    1. `bootstrap`, else the environment variable SHADOWSTREAM_BOOTSTRAP: used as it is, never started or stopped.
    2. testcontainers, where a Docker daemon answers and the image (SHADOWSTREAM_KAFKA_IMAGE) is present: nothing is
       ever pulled.
    3. The embedded Kafka, with `properties`.

    The caller calls `close`; `broker` does so by itself. Raises `ConfigError`: SHADOWSTREAM_BOOTSTRAP is set and empty.
    Raises `BrokerError`: the chosen one does not answer or does not start. There is no falling back from a chosen one:
    a test that silently ran elsewhere would prove nothing about where it was told to run.
    """
    given = bootstrap if bootstrap is not None else os.environ.get("SHADOWSTREAM_BOOTSTRAP")
    if given is not None:
        origin = "SHADOWSTREAM_BOOTSTRAP" if bootstrap is None else "the bootstrap given"
        return _given(given, origin)
    refusal = docker_refusal()
    if refusal is None:
        address, stop = start_container()
        why = f"Kafka in Docker ({image_name()}), since a daemon answers and has the image"
        return Broker(address, "testcontainers", f"{why}: {address}", stop)
    kafka = EmbeddedKafka(properties=properties)
    kafka.start()
    why = f"embedded Kafka {KAFKA_VERSION}, since SHADOWSTREAM_BOOTSTRAP is not set and {refusal}: {kafka.bootstrap}"
    return Broker(kafka.bootstrap, "embedded", why, kafka.stop)


@contextlib.contextmanager
def broker(bootstrap: str | None = None) -> Iterator[Broker]:
    """`open_broker` as a context manager.

    Example::

        with broker() as kafka:
            print(kafka.why, file=sys.stderr)
    """
    chosen = open_broker(bootstrap)
    try:
        yield chosen
    finally:
        chosen.close()


def _given(bootstrap: str, origin: str) -> Broker:
    if not bootstrap.strip():
        raise ConfigError(f"{origin} is empty: unset it, or give host:port")
    with answers(bootstrap, patience_s=_GIVEN_PATIENCE_S) as ready:
        if not ready():
            raise BrokerError(
                f"no Kafka answers at {bootstrap} ({origin}) within {_GIVEN_PATIENCE_S:g} s: "
                "check the address, or unset it for an embedded one"
            )
    return Broker(bootstrap, "given", f"the Kafka at {bootstrap}, since {origin} names it", lambda: None)
