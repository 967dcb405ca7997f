"""A small real HTTP server that answers as a schema registry does, can fail, and can go away and come back."""

import http.server
import json
import threading
from typing import Any


class Registry(http.server.ThreadingHTTPServer):
    """What it was `asked`; `answers` by path; `failing`: it says 500 to everything."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []
        self.failing = False
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def url(self, user: str = "") -> str:
        """Where it is."""
        return f"http://{user}127.0.0.1:{self.server_address[1]}"

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
        if self.server.failing:
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
