"""AWS's services of credentials on loopback: the metadata of an instance (IMDSv2), and STS."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

METADATA = "/latest/meta-data/iam/security-credentials/"
ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>AKIA-{role}</AccessKeyId><SecretAccessKey>assumed-secret</SecretAccessKey><SessionToken>assumed</SessionToken>
<Expiration>{expiration}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""


@contextmanager
def aws_services() -> Iterator[tuple[str, list[str]]]:
    """Give the services' address, and the requests that they have answered."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self._answer("session-token")

        def do_GET(self) -> None:
            if self.headers["x-aws-ec2-metadata-token"] != "session-token":
                self._answer("", 401)
            elif self.path == METADATA:
                self._answer("instance")
            else:
                keys = {"AccessKeyId": "AKIA-instance", "SecretAccessKey": "secret", "Token": "instance-session"}
                self._answer(json.dumps({"Code": "Success", "Type": "AWS-HMAC", **keys, "Expiration": _in_an_hour()}))

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            signed = "Credential=AKIA-instance/" in self.headers["Authorization"]
            role = form["RoleArn"][0].rpartition("/")[2]
            known = form["Action"] == ["AssumeRole"] and signed and role != "unknown"
            self._answer(ASSUMED.format(role=role, expiration=_in_an_hour()) if known else "", 200 if known else 403)

        def _answer(self, text: str, status: int = 200) -> None:
            asked.append(f"{self.command} {self.path}")
            self.send_response(status)
            self.send_header("x-aws-ec2-metadata-token-ttl-seconds", "21600")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def _in_an_hour() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
