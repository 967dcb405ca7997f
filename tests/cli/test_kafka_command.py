"""`kafka`: a real broker for as long as the command runs."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from shadowstream.testing.topics import Write, create_topics, produce_all, read_all
from tests import forked

COMMAND = [sys.executable, "-m", "shadowstream", "kafka"]


def test_it_says_its_address_on_stdout_serves_and_ends_on_a_signal(tmp_path: Path) -> None:
    command = [*COMMAND, "--data-dir", str(tmp_path / "data"), "--json"]
    with (tmp_path / "talk").open("w") as talk:
        env = {**os.environ, "PYTHONPATH": str(forked.ROOT)}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=talk, text=True, env=env)
        try:
            assert process.stdout is not None
            bootstrap = json.loads(process.stdout.readline())["bootstrap"]
            create_topics(bootstrap, {"t": 1})
            produce_all(bootstrap, "t", [Write(b"served")])
            assert [read.value for read in read_all(bootstrap, "t")] == [b"served"]
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            assert process.stdout.read() == ""
        finally:
            process.kill()
            process.wait()
    host, _, port = bootstrap.partition(":")
    with socket.socket() as probe:
        assert probe.connect_ex((host, int(port))) != 0


def test_a_port_in_use_is_1_and_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = forked.python(*COMMAND[1:], "--port", str(port), "--json", timeout=120)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["kind"] == "BrokerError"
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr
