"""Kafka in Docker through testcontainers, only where that needs no download."""

import atexit
import os
from collections.abc import Callable

from shadowstream.errors import BrokerError
from shadowstream.testing.properties import ONE_NODE, QUICK, STRICT

_DAEMON_PATIENCE_S = 3


def image_name() -> str:
    """SHADOWSTREAM_KAFKA_IMAGE, else the image that this testcontainers is made for. The container's start script needs
    the Confluent image's own scripts, so `apache/kafka` does not do."""
    return os.environ.get("SHADOWSTREAM_KAFKA_IMAGE", "confluentinc/cp-kafka:7.6.0")


def docker_refusal() -> str | None:
    """Why Docker is not used, as half a sentence; None if a daemon answers and holds the image. Never pulls."""
    try:
        import docker  # type: ignore[import-untyped]  # docker ships no types
        import docker.errors  # type: ignore[import-untyped]  # as above
    except ImportError:
        return "the docker package is not installed"
    try:
        client = docker.from_env(timeout=_DAEMON_PATIENCE_S)
    except docker.errors.DockerException:
        return "no Docker daemon answers"
    try:
        client.images.get(image_name())
    except docker.errors.ImageNotFound:
        return f"Docker has no image {image_name()}"
    except (docker.errors.DockerException, OSError) as error:
        return f"the Docker daemon does not answer properly ({type(error).__name__})"
    finally:
        client.close()
    try:
        import testcontainers.community.kafka  # noqa: F401 - asked for here, so that the refusal can say it is missing
    except ImportError as error:
        return f"testcontainers is not complete ({error})"
    return None


def start_container() -> tuple[str, Callable[[], None]]:
    """Start the image with the settings of the embedded broker; return its bootstrap address and what stops it. Raises
    `BrokerError`: the container does not start; holds Docker's words."""
    if not _has_image(os.environ.get("RYUK_CONTAINER_IMAGE", "testcontainers/ryuk:0.8.1")):
        # The reaper would be pulled; without it a killed Python leaves the container behind.
        os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
    from testcontainers.community.kafka import KafkaContainer

    container = KafkaContainer(image_name()).with_kraft()
    for key, value in {**ONE_NODE, **QUICK, **STRICT}.items():
        container.with_env("KAFKA_" + key.upper().replace(".", "_"), value)
    try:
        container.start(timeout=90)
    except Exception as error:  # Docker's, requests' and testcontainers' errors: one meaning for us
        container.stop()
        raise BrokerError(f"Kafka in Docker ({image_name()}) did not start: {error}") from error

    def stop() -> None:
        atexit.unregister(stop)
        container.stop()

    atexit.register(stop)
    return str(container.get_bootstrap_server()), stop


def _has_image(name: str) -> bool:
    import docker
    import docker.errors

    client = docker.from_env(timeout=_DAEMON_PATIENCE_S)
    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        return False
    finally:
        client.close()
    return True
