"""How the program begins and ends."""

import ast

import pytest
import typer

from shadowstream import cli
from shadowstream.cli.commands import COMMANDS
from tests import forked

PROGRAM = """
import atexit, sys
from shadowstream.cli import main

class Kept:
    def __del__(self):
        print("interpreter taken down")

kept = Kept()
atexit.register(print, "at exit")
sys.argv = ["shadowstream", *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize(
    ("word", "more", "code"),
    [("join", "--help", 0), ("labels", "--no-such", 2), ("gate", "--no-such", 2), ("up", "--help", 0)],
)
def test_an_ended_command_does_not_shut_the_interpreter_under_its_clients(word: str, more: str, code: int) -> None:
    done = forked.python("-c", PROGRAM, word, more)
    assert done.returncode == code
    assert done.stdout.count("at exit") == 1
    assert "interpreter taken down" not in done.stdout
    assert ("Usage" in done.stdout) if code == 0 else done.stderr.startswith("error: ")


HEAVY = {"river", "scipy", "pyarrow", "numpy", "matplotlib", "faust", "nicegui", "fastapi", "uvicorn", "structlog"}
LIGHT = (
    *("alerts", "approve", "config_commands", "diff", "down", "explain", "gate", "handover", "kafka", "override"),
    *("roles", "status", "steer", "topics", "trials", "up", "verify", "watch_over", "web"),
)
"""Modules of commands that compare and judge nothing. The rest loads what it needs."""


def loaded(look: str) -> set[str]:
    """The libraries that a process has loaded after this."""
    done = forked.python("-c", f"import sys; {look}; print({{name.partition('.')[0] for name in sys.modules}})")
    assert done.returncode == 0, done.stderr
    found = ast.literal_eval(done.stdout.splitlines()[-1])
    assert isinstance(found, set)
    return found


@pytest.mark.parametrize("module", LIGHT)
def test_commands_that_compare_nothing_load_no_heavy_library(module: str) -> None:
    numpy = {"numpy"} if module in ("alerts", "approve", "handover", "override", "steer") else set()
    assert loaded(f"import shadowstream.cli.{module}") & HEAVY <= numpy


def test_the_help_loads_neither_the_config_nor_a_client() -> None:
    found = loaded("from shadowstream import cli; cli.run(['--help'])")
    assert found & {*HEAVY, "pydantic", "confluent_kafka"} == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_programs_help_shows_the_help_of_each_command(name: str) -> None:
    command = vars(typer.main.get_command(cli.app([name])))["commands"][name]
    assert " ".join(command.help.partition("\n\n")[0].split()) == COMMANDS[name].help
    assert set(LIGHT) <= {one.module for one in COMMANDS.values()}
