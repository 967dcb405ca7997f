"""`serve`, the body of `shadowstream kafka`, as a process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from shadowstream.testing.ports import free_port

SERVE = "import sys; from pathlib import Path; from shadowstream.testing.serve import serve; "


@contextmanager
def serving(port: int | None, data: Path) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", f"{SERVE} serve({port}, Path(sys.argv[1]))", str(data)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        yield server


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_on_the_given_port_and_data_until_stopped(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    with serving(port, tmp_path) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        bootstrap = server.stdout.readline().strip()
        assert bootstrap == f"127.0.0.1:{port}"
        assert AdminClient({"bootstrap.servers": bootstrap}).describe_cluster().result(10).controller is not None
        server.send_signal(number)
        rest, talk = server.communicate(timeout=30)
    assert server.returncode == 0
    assert rest == ""
    assert f"ready at {bootstrap}" in talk
    assert talk.endswith("stopped\n")
    assert (tmp_path / "data" / ".kafka_cleanshutdown").exists()


def test_a_broker_that_dies_is_not_waited_for(tmp_path: Path) -> None:
    with serving(None, tmp_path) as server:
        assert server.stdout is not None
        assert server.stdout.readline()
        children = Path(f"/proc/{server.pid}/task").glob("*/children")
        (java,) = {int(pid) for child in children for pid in child.read_text().split()}
        os.kill(java, signal.SIGKILL)
        killed_at = time.monotonic()
        _, talk = server.communicate(timeout=30)
    assert time.monotonic() - killed_at < 10
    assert server.returncode == 1
    assert "Kafka ended by itself; the end of its log:" in talk
