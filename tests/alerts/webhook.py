"""A webhook of the tests' own: a real HTTP server that can be away or refuse, and remembers what it took."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from shadowstream.testing.ports import free_port


class Webhook:
    """`calls`: bodies that were answered 200, in order. `refused`: how many were answered `status`, where set.

    While it is down nothing listens on its port.
    """

    def __init__(self, *, keyed: bool = True) -> None:
        self.keyed = keyed
        self.port = free_port()
        self.status = 200
        self.statuses: dict[str, int] = {}
        """What alerts are answered whose text holds this, in the place of `status`."""
        self.location: str | None = None
        self.gets = 0
        self.late_s = 0.0
        self.calls: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.refused = 0
        self.waiting = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/alerts"

    @property
    def ids(self) -> list[str]:
        return [call["id"] for call in self.calls]

    def up(self) -> None:
        """Listen."""
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                body = json.loads(raw)
                assert not webhook.keyed or self.headers["Idempotency-Key"] == body["id"]
                text = body.get("text", "") + body.get("details", "") if webhook.keyed else ""
                asked = (one for part, one in webhook.statuses.items() if part in text)
                status = next(asked, webhook.status)
                if status == 0:
                    webhook.waiting += 1
                    time.sleep(webhook.late_s)
                if status == 200:
                    webhook.headers.append(dict(self.headers))
                    webhook.bodies.append(raw)
                    webhook.calls.append(body)
                else:
                    webhook.refused += 1
                self.send_response(status or 200)
                if webhook.location is not None:
                    self.send_header("Location", webhook.location)
                self.end_headers()

            def do_GET(self) -> None:
                """The page that a redirect leads to."""
                webhook.gets += 1
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def down(self) -> None:
        """Close the port."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.down()
