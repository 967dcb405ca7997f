"""A real MLServer, installed apart: it needs older releases of what the locked packages of this project need.

`make lock` writes its lock, by this module as a program.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from shadowstream.testing.ports import free_port
from tests.packages_apart import installed, write_lock

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LOCK = HERE / "mlserver.lock"
WANTED = "mlserver==1.7.1"
START_S = 300.0


@contextlib.contextmanager
def started(folder: Path) -> Iterator[str]:
    """Run MLServer with the model of the tests; yield its URL once the model is ready."""
    http, grpc, metrics = free_port(), free_port(), free_port()
    model = folder / "doubling"
    model.mkdir()
    settings = {"host": "127.0.0.1", "http_port": http, "grpc_port": grpc, "metrics_port": metrics}
    (folder / "settings.json").write_text(json.dumps({**settings, "debug": False, "parallel_workers": 0}), "utf-8")
    named = {"name": "doubling", "implementation": "tests.model_server.mlserver_runtime.Doubling"}
    (model / "model-settings.json").write_text(json.dumps({**named, "parameters": {"version": "7"}}), "utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(installed(LOCK)), str(ROOT)))}
    log = folder / "mlserver.log"
    with log.open("w") as written:
        command = [sys.executable, "-m", "mlserver.cli.main", "start", str(folder)]
        process = subprocess.Popen(command, env=environment, stdout=written, stderr=written)
    url, ends = f"http://127.0.0.1:{http}", time.monotonic() + START_S
    try:
        while not _is_ready(url):
            if process.poll() is not None or time.monotonic() > ends:
                raise AssertionError(log.read_text("utf-8")[-4_000:])
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/v2/models/doubling/versions/7/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    write_lock(LOCK, WANTED)
