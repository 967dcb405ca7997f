"""A token service of OAuth client credentials on loopback, with unsigned tokens of the client that asks."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from tests.secured.secured_kafka import TOKENS_S, password_of, unsigned_token


@contextmanager
def token_service() -> Iterator[tuple[str, list[str]]]:
    """Give the service's address, and the names of the clients that were given a token."""
    given: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            login = base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
            name, _, secret = login.partition(":")
            right = form["grant_type"] == ["client_credentials"] and secret == password_of(name)
            token = {"access_token": unsigned_token(name, time.time()), "token_type": "bearer", "expires_in": TOKENS_S}
            body = json.dumps(token if right else {"error": "invalid_client"}).encode()
            given.extend([name] * right)
            self.send_response(200 if right else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token", given
    finally:
        server.shutdown()
        server.server_close()
