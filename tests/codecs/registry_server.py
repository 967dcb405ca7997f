"""A small real HTTP server that answers as a schema registry does, can fail, and can go away and come back."""

import http.server
import json
import ssl
import threading
from typing import Any


class Registry(http.server.ThreadingHTTPServer):
    """What it was `asked`; `answers` by path; `failing`: it says 500 to everything.

    `secured`: the TLS context of its side. `authorization`: the header that it demands.
    """

    def __init__(self, port: int = 0, secured: ssl.SSLContext | None = None, authorization: str = "") -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self._scheme, self.authorization = "https" if secured else "http", authorization
        if secured is not None:
            self.socket = secured.wrap_socket(self.socket, server_side=True)
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []
        self.failing = False
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def url(self, user: str = "") -> str:
        """Where it is."""
        return f"{self._scheme}://{user}127.0.0.1:{self.server_address[1]}"

    def close(self) -> None:
        """Nobody answers any more."""
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        status, answer = 200, self.server.answers.get(path)
        if self.server.authorization not in ("", self.headers["Authorization"]):
            status, answer = 401, {"error_code": 40101, "message": "unauthorized"}
        elif self.server.failing:
            status, answer = 500, {"error_code": 50001, "message": "no store"}
        elif answer is None:
            status, answer = 404, {"error_code": 40403, "message": "not found"}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing on stderr."""
