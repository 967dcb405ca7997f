"""Processes of model servers for the tests, and their requests."""

import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple


class Server(NamedTuple):
    """A process of the scripted server."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def state(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/state", timeout=10) as answer:
            state: dict[str, Any] = json.load(answer)
        return state

    def set_away(self, away: bool) -> None:
        body = json.dumps({"away": away}).encode()
        with urllib.request.urlopen(f"{self.url}/state", body, timeout=10) as answer:
            answer.read()


@contextlib.contextmanager
def scripted(arguments: Sequence[str] = ()) -> Iterator[Server]:
    command = [sys.executable, "-m", "tests.model_server.scripted_server", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        yield Server(process, int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


OIP = {
    "model": "doubling",
    "version": "7",
    "inputs": [
        {"name": "x", "datatype": "FP64", "fields": ["x"]},
        {"name": "act", "datatype": "BYTES", "fields": ["act"], "default": ""},
    ],
    "outputs": [{"name": "y"}],
}
JSON = {"protocol": "json"}
