"""Each process that holds credentials for long is closed to other processes of its user."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.least_config import LEAST

COMMANDS = ["run", "join", "judge", "labels", "alerts run", "up", "web"]
ASK = """
import ctypes, json, sys
from shadowstream.cli import run
libc, hidden = ctypes.CDLL(None), {}
for command in json.loads(sys.argv[2]):
    libc.prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE
    run([*command.split(), sys.argv[1], "--listen", "no address"])
    hidden[command] = libc.prctl(3, 0, 0, 0, 0) == 0  # PR_GET_DUMPABLE
print(json.dumps(hidden))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can hide a process")
def test_processes_with_credentials_are_hidden_before_they_begin(tmp_path: Path) -> None:
    path = tmp_path / "trial.yaml"
    path.write_text(json.dumps(LEAST), "utf-8")
    command = [sys.executable, "-c", ASK, str(path), json.dumps(COMMANDS)]
    asked = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(asked.stdout.splitlines()[-1]) == dict.fromkeys(COMMANDS, True), asked.stderr
