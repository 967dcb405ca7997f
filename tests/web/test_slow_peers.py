"""Peers that hold a connection without a request: they are cut off, and others are served meanwhile. Real sockets."""

import contextlib
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn

from shadowstream.health import RoleHealth
from shadowstream.kafka.client.consumers import Stoppable
from shadowstream.web import bounded_server, probes
from shadowstream.web.bounded_server import HEAD_BYTES_MAX, SETTINGS, BoundedServer

HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "
SECONDS = 0.6
MAX = 8


def probes_port() -> Iterator[int]:
    server = probes.serve("0", RoleHealth("t", "runner"))
    assert server.server_address[0] == "127.0.0.1", "without a host, other machines reach nothing"
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


async def _app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


def page_port() -> Iterator[int]:
    stop = Stoppable()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        settings = uvicorn.Config(_app, log_config=None, lifespan="off", **SETTINGS)
        thread = threading.Thread(target=BoundedServer(settings, stop).run, args=([listening],))
        thread.start()
        yield listening.getsockname()[1]
        stop.stop()
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture(params=[probes_port, page_port], ids=["probes", "page"])
def port(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    for module in (probes, bounded_server):
        monkeypatch.setattr(module, "REQUEST_S", SECONDS)
        monkeypatch.setattr(module, "CONNECTIONS_MAX", MAX)
    serving: Callable[[], Iterator[int]] = request.param
    with contextlib.contextmanager(serving)() as number:
        yield number


def _is_cut(peer: socket.socket) -> bool:
    peer.settimeout(20)
    try:
        while peer.recv(1_000):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


def _answer(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=20) as answer:
        return str(answer.read().decode().strip())


@pytest.mark.parametrize("head", [b"", HEAD], ids=["silent", "half a request"])
def test_peers_without_a_request_are_cut_and_others_are_served(port: int, head: bytes) -> None:
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(5 * MAX)]
        for peer in peers:
            with contextlib.suppress(ConnectionError):
                peer.sendall(head)
        assert _answer(port) == "ok"
        assert threading.active_count() < 5 * MAX, "each peer has a thread"
        assert all(map(_is_cut, peers))
    assert _answer(port) == "ok"


def test_a_byte_now_and_then_does_not_keep_a_connection(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.sendall(HEAD)
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 30:
                peer.sendall(b"x")
                time.sleep(0.05)
        assert time.monotonic() - began < 30
    assert _answer(port) == "ok"


def test_headers_without_end_are_refused(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as peer:
        with contextlib.suppress(ConnectionError):
            peer.sendall(HEAD + b"x" * 8 * HEAD_BYTES_MAX + b"\r\n\r\n")
        peer.settimeout(20)
        with contextlib.suppress(ConnectionError):
            assert peer.recv(12) in (b"HTTP/1.0 431", b"HTTP/1.1 431", b"HTTP/1.1 400", b"")
    assert _answer(port) == "ok"
