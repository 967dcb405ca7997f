"""Which Kafka is chosen, and that it says so."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, not in __all__
    AdminClient,
    ConfigResource,
    ResourceType,
)

from shadowstream.errors import BrokerError, ConfigError
from shadowstream.testing import Broker, broker, choice, open_broker
from shadowstream.testing.container import docker_refusal
from shadowstream.testing.ports import free_port
from shadowstream.testing.readiness import answers


class EmptyDocker(BaseHTTPRequestHandler):
    """A Docker daemon without a single image, as far as the SDK asks; keeps what it was asked."""

    asked: list[tuple[str, str]]

    def do_GET(self) -> None:
        self.asked.append((self.command, self.path))
        if self.path.endswith("/version"):
            self.reply(200, {"ApiVersion": "1.44", "Version": "25.0"})
        else:
            self.reply(404, {"message": "No such image"})

    do_POST = do_GET

    def reply(self, status: int, body: dict[str, str]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def empty_docker(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    asked: list[tuple[str, str]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (EmptyDocker,), {"asked": asked}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")
    yield asked
    server.shutdown()
    server.server_close()


def answering(bootstrap: str) -> bool:
    with answers(bootstrap) as ready:
        return ready()


def test_a_given_bootstrap_comes_first_and_is_left_running(kafka: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOWSTREAM_BOOTSTRAP", "127.0.0.1:1")
    with broker(kafka.bootstrap) as given:
        assert (given.bootstrap, given.kind) == (kafka.bootstrap, "given")
        assert kafka.bootstrap in given.why
    assert answering(kafka.bootstrap)


def test_the_environment_names_a_broker(kafka: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOWSTREAM_BOOTSTRAP", kafka.bootstrap)
    with broker() as given:
        assert (given.bootstrap, given.kind) == (kafka.bootstrap, "given")
        assert "SHADOWSTREAM_BOOTSTRAP" in given.why


def test_a_given_broker_that_is_absent_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_GIVEN_PATIENCE_S", 1.0)
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("SHADOWSTREAM_BOOTSTRAP", address)
    with pytest.raises(BrokerError, match=f"no Kafka answers at {address} .SHADOWSTREAM_BOOTSTRAP"):
        open_broker()


def test_an_empty_bootstrap_is_a_mistake_and_named_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOWSTREAM_BOOTSTRAP", " ")
    with pytest.raises(ConfigError, match="SHADOWSTREAM_BOOTSTRAP is empty"):
        open_broker()


def test_without_a_docker_daemon_the_reason_is_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{free_port()}")
    assert docker_refusal() == "no Docker daemon answers"


def test_a_docker_without_the_image_is_not_made_to_pull_it(
    empty_docker: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHADOWSTREAM_BOOTSTRAP", raising=False)
    monkeypatch.setenv("SHADOWSTREAM_KAFKA_IMAGE", "example/kafka:7.9.9")
    with closing(open_broker(properties={"group.max.size": "7"})) as chosen:
        assert chosen.kind == "embedded"
        assert "Docker has no image example/kafka:7.9.9" in chosen.why
        client = AdminClient({"bootstrap.servers": chosen.bootstrap})
        (answer,) = client.describe_configs([ConfigResource(ResourceType.BROKER, "1")]).values()
        assert answer.result(10)["group.max.size"].value == "7"
        assert chosen.bootstrap in chosen.why
        assert answering(chosen.bootstrap)
    assert not answering(chosen.bootstrap), "what was started for it is stopped"
    assert any("/images/example/kafka:7.9.9/json" in path for _, path in empty_docker)
    assert {method for method, _ in empty_docker} == {"GET"}
