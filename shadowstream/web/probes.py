"""`/metrics`, `/healthz` and `/readyz` of one role, served beside its loop.

The work is done by prometheus-client's WSGI app and threading server; this module adds two paths.
"""

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from shadowstream.errors import ConfigError
from shadowstream.health import RoleHealth
from shadowstream.logs import get_logger

log = get_logger("probes")
LOOPBACK = "127.0.0.1"
CONNECTIONS_MAX = 32
REQUEST_S = 10.0
_NO_DESCRIPTOR_S = 0.1
_PORT_DIGITS_MAX = 5


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: probes come every few seconds."""


class _Bounded(ThreadingWSGIServer):
    """Server with a bound on connections and on the time of each, from its first byte to the last of the answer.

    The oldest makes room for a new one, so that connections that say nothing do not keep a probe out.
    """

    request_queue_size = 2 * CONNECTIONS_MAX

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self._open: dict[socket.socket, float] = {}

    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            found: tuple[socket.socket, Any] = super().get_request()
        except OSError:
            time.sleep(_NO_DESCRIPTOR_S)  # without a free descriptor, the next try would be at once
            raise
        return found

    def process_request(self, request: Any, client_address: Any) -> None:
        surplus = len(self._open) - CONNECTIONS_MAX + 1
        for oldest in list(self._open)[: max(0, surplus)]:
            self._cut(oldest)
        self._open[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Cut connections that take too long; called between requests, and twice a second."""
        super().service_actions()
        latest = time.monotonic() - REQUEST_S
        for request in [one for one, began in list(self._open.items()) if began < latest]:
            self._cut(request)

    def _cut(self, request: socket.socket) -> None:
        """End a connection; its thread then finds it closed."""
        self._open.pop(request, None)
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing of a peer that is gone: the log has one event a line."""
        log.debug("request_failed", error=type(sys.exc_info()[1]).__name__)


class _V6(_Bounded):
    address_family = socket.AF_INET6


def split(listen: str) -> tuple[str, int]:
    """Split HOST:PORT into host and port; raise `ConfigError` for another form. Without a host, only this machine
    reaches the port.

    >>> split("0.0.0.0:9464"), split("9464")
    (('0.0.0.0', 9464), ('127.0.0.1', 9464))
    """
    host, _, port = listen.rpartition(":")
    if not port.isdecimal() or len(port) > _PORT_DIGITS_MAX:
        raise ConfigError(f"--listen: {listen!r} is not HOST:PORT, for example 127.0.0.1:9464")
    return host or LOOPBACK, int(port)


def serve(listen: str, watch: RoleHealth) -> ThreadingWSGIServer:
    """Serve in a separate thread; `listen` is HOST:PORT, port 0 chooses a free port. `shutdown()` ends it. Raises
    `ConfigError` if the address is unavailable."""
    host, port = split(listen)
    try:
        server = make_server(host.strip("[]"), port, _app(watch), _V6 if ":" in host else _Bounded, _Quiet)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"--listen: cannot listen on {listen}: {error}; choose another port") from error
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()
    log.info("listening", host=host, port=server.server_port)
    return server


def _app(watch: RoleHealth) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    metrics_app = make_wsgi_app(watch.metrics.registry)

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            shown: Iterable[bytes] = metrics_app(environ, start_response)
            return shown
        states = {"/healthz": watch.alive, "/readyz": watch.alive and watch.ready}
        if path not in states:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"metrics, healthz, readyz\n"]
        status, word = ("200 OK", "ok") if states[path] else ("503 Service Unavailable", "not ok")
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{word}: {watch.busy}\n".encode() if watch.busy else f"{word}\n".encode()]

    return app
