"""`/metrics`, `/healthz` and `/readyz` of one role, served beside its loop.

The work is done by prometheus-client's WSGI app and threading server; this module adds two paths.
"""

import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from shadowstream.errors import ConfigError
from shadowstream.health import RoleHealth
from shadowstream.logs import get_logger

log = get_logger("probes")


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: probes come every few seconds."""


class _V6(ThreadingWSGIServer):
    address_family = socket.AF_INET6


def split(listen: str) -> tuple[str, int]:
    """Split HOST:PORT into host and port; raise `ConfigError` for another form.

    >>> split("127.0.0.1:9464")
    ('127.0.0.1', 9464)
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(f"--listen: {listen!r} is not HOST:PORT, for example 127.0.0.1:9464")
    return host, int(port)


def serve(listen: str, watch: RoleHealth) -> ThreadingWSGIServer:
    """Serve in a separate thread; `listen` is HOST:PORT, port 0 chooses a free port. `shutdown()` ends it. Raises
    `ConfigError` if the address is unavailable."""
    host, port = split(listen)
    try:
        server = make_server(host.strip("[]"), port, _app(watch), _V6 if ":" in host else ThreadingWSGIServer, _Quiet)
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
