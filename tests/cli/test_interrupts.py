"""Ctrl-C and SIGTERM at any moment end a command without a traceback, with the exit code of docs/exit-codes.md."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shadowstream.cli.output import ExitCode
from shadowstream.kafka.watchdog import EXIT_STUCK
from shadowstream.testing.ports import free_port
from tests import forked

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 60.0
ENDS_S = 8.0
"""On a busy machine; a client waits 10 s for a broker."""
AT_IMPORT = """
import os, sys

module, number, sys.argv[1:] = sys.argv[1], int(sys.argv[2]), sys.argv[3:]

class Interrupting:
    def find_spec(self, name, *_):
        if name == module:
            os.kill(os.getpid(), number)

sys.meta_path.insert(0, Interrupting())
from shadowstream.__main__ import main
main()
"""
TRIAL = """
name: fraud
kafka: {{bootstrap: "127.0.0.1:{port}"}}
inputs: [payments]
production: {{outputs: [scores], group: scoring}}
candidate: {{call: "json:loads", trusted: true}}
"""


def at_import(module: str, number: int, *words: str) -> subprocess.CompletedProcess[str]:
    """A command that gets a signal in the moment when it begins to import a module."""
    return forked.python("-c", AT_IMPORT, module, str(int(number)), *words)


@pytest.mark.parametrize(
    ("module", "number", "code"),
    [
        *(
            (module, signal.SIGINT, 130)
            for module in ("shadowstream.cli", "typer", "pydantic", "shadowstream.cli.gate")
        ),
        *((module, signal.SIGTERM, 143) for module in ("shadowstream.cli", "typer", "shadowstream.cli.commands")),
        # Loaded with the command, after the handlers of commands: shells show this as 143 too.
        *((module, signal.SIGTERM, -15) for module in ("pydantic", "shadowstream.cli.gate")),
    ],
)
def test_a_command_that_asks_ends_at_once_while_it_imports(module: str, number: int, code: int) -> None:
    done = at_import(module, number, "gate", "trial.yaml")
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", ["shadowstream.cli", "typer", "confluent_kafka", "shadowstream.kafka.supervisor"])
@pytest.mark.parametrize(
    ("word", "number"),
    [
        ("up", signal.SIGINT),
        ("run", signal.SIGTERM),
        pytest.param("up", signal.SIGTERM, marks=pytest.mark.long),
        pytest.param("run", signal.SIGINT, marks=pytest.mark.long),
    ],
)
def test_a_stop_during_imports_ends_a_role_well(module: str, number: int, word: str) -> None:
    done = at_import(module, number, word, "trial.yaml")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def trial(folder: Path) -> str:
    """A config whose broker is not there."""
    path = folder / "trial.yaml"
    path.write_text(TRIAL.format(port=free_port()))
    return str(path)


def started(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "shadowstream", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


IN_A_CALLBACK = """
import os, signal, sys, weakref

class Watched:
    pass

class Interrupting:
    def find_spec(self, name, *_):
        if name == "shadowstream.cli.gate":
            watched = Watched()
            self.kept = weakref.ref(watched, lambda _: os.kill(os.getpid(), signal.SIGINT))

sys.meta_path.insert(0, Interrupting())
from shadowstream.__main__ import main
main()
"""


def test_ctrl_c_within_a_callback_of_the_interpreter_ends_a_command_too(tmp_path: Path) -> None:
    began = time.monotonic()
    done = forked.python("-c", IN_A_CALLBACK, "gate", trial(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
    assert time.monotonic() - began < ENDS_S


@pytest.mark.parametrize(
    ("word", "after_s"),
    [("up", 0.3), ("up", 0.6), ("up", 1.0), ("gate", 0.3), ("gate", 0.7), ("gate", 3.0), ("run", 3.0)],
)
def test_ctrl_c_at_the_terminal_ends_a_command_whatever_it_is_doing(word: str, after_s: float, tmp_path: Path) -> None:
    process = started(word, trial(tmp_path), *(["--wait", "60"] if word == "gate" else []))
    time.sleep(after_s)
    os.killpg(process.pid, signal.SIGINT)
    began = time.monotonic()
    out, errors = process.communicate(timeout=LIMIT_S)
    assert time.monotonic() - began < ENDS_S
    assert process.returncode == (130 if word == "gate" else 0)
    assert "Traceback" not in errors
    assert word != "gate" or out == ""


def test_ctrl_c_ends_up_where_no_broker_answers(tmp_path: Path) -> None:
    process = started("up", trial(tmp_path))
    assert process.stderr is not None
    line = json.loads(process.stderr.readline())
    os.killpg(process.pid, signal.SIGINT)
    began = time.monotonic()
    assert process.communicate(timeout=LIMIT_S) == ("", "")
    assert time.monotonic() - began < ENDS_S
    assert (process.returncode, line["event"]) == (0, "broker_unreachable")
    assert "no broker answers at '127.0.0.1:" in line["reason"]


def test_the_table_of_exit_codes_holds_every_code() -> None:
    table = (ROOT / "docs" / "exit-codes.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| (\d+) \| ([^|]+) \|", table, re.MULTILINE))
    assert {int(code) for code in rows} == {*map(int, ExitCode), EXIT_STUCK, 128 + signal.SIGTERM}
