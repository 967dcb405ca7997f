"""A real MLServer, installed apart: it needs older releases of what the locked packages of this project need.

Its lock holds only what differs from requirements.lock; `make lock` writes it, by this module as a program.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from shadowstream.testing.ports import free_port

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LOCK = HERE / "mlserver.lock"
WANTED = "mlserver==1.7.1"
START_S = 300.0
_OPTIONS = "--python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate"
_PINNED = re.compile(r"(?m)^(\S+==[^\s;]+)[^\n]*(?:\n    [^\n]*)*\n")


def without(lock: str, other: str) -> str:
    """Return the entries of a lock that the other one does not pin."""
    known = {match[1] for match in _PINNED.finditer(other)}
    return "".join(match[0] for match in _PINNED.finditer(lock) if match[1] not in known)


def write_lock() -> None:
    """Resolve with the versions of requirements.lock where that is possible."""
    main = (ROOT / "requirements.lock").read_text("utf-8")
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, "whole.lock")
        whole.write_text(main, "utf-8")
        uv = [Path(sys.executable).with_name("uv"), "pip", "compile", "-", "--quiet", *_OPTIONS.split()]
        subprocess.run([*uv, "--output-file", whole], input=WANTED, text=True, check=True)
        LOCK.write_text(without(whole.read_text("utf-8"), main), "utf-8")


def installed() -> Path:
    """Return the folder of MLServer's packages beside this environment, filled if it is not."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    folder, stamp = Path(sys.prefix, "mlserver"), Path(sys.prefix, "mlserver", ".lock")
    if not stamp.exists() or stamp.read_text() != digest:
        shutil.rmtree(folder, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps"]
        subprocess.run([*pip, "--require-hashes", "--target", folder, "-r", LOCK], check=True)
        stamp.write_text(digest)
    return folder


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
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(installed()), str(ROOT)))}
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
    write_lock()
