"""How the program begins and ends."""

import ast
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import typer

from shadowstream import cli
from shadowstream.cli.commands import COMMANDS
from tests import forked
from tests.least_config import LEAST

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


HEAVY = {
    *("river", "scipy", "pyarrow", "numpy", "matplotlib", "faust", "nicegui", "fastapi", "uvicorn", "structlog"),
    *("jinja2", "apprise", "urllib3", "rich", "prometheus_client", "msgpack", "email", "fastavro"),
    *("confluent_kafka", "pydantic"),
}
"""Libraries, and a part of Python, each of which takes at least a fiftieth of `gate`."""
TRIAL = {"pydantic"}
CLIENT = {*TRIAL, "confluent_kafka"}
READS = {*CLIENT, "fastavro"}
SHOWS = {*READS, "rich"}
STEERS = {*READS, "numpy", "prometheus_client", "email"}
SERVES = {*SHOWS, "prometheus_client", "email"}
COMPARES = {*READS, "numpy", "pyarrow", "email"}
SAMPLES = {*COMPARES, "rich"}
ANSWERS = {*COMPARES, "prometheus_client", "msgpack"}
JUDGES = {*ANSWERS, "rich"}
NEEDS = {
    "kafka": set(),
    "watch_over": TRIAL,
    "config_commands": {*TRIAL, "fastavro"},
    **dict.fromkeys(("down", "plan"), CLIENT),
    **dict.fromkeys(("gate", "diff", "dlq", "topics", "trials", "verify"), READS),
    **dict.fromkeys(("status", "explain"), SHOWS),
    **dict.fromkeys(("approve", "override", "steer", "handover", "alerts"), STEERS),
    **dict.fromkeys(("up", "web"), SERVES),
    **dict.fromkeys(("compare", "doctor", "init"), SAMPLES),
    **dict.fromkeys(("prove", "replay", "suggest"), JUDGES),
    "challengers": {*READS, "numpy"},
    "report": {*SHOWS, "numpy"},
    "roles": {*CLIENT, "prometheus_client", "email"},
    "demo": {*CLIENT, "prometheus_client", "email", "rich"},
}
"""The heavy libraries that the module of a command needs in any case. It loads others where it uses them."""
ROLES = {"joiner": ANSWERS, "runner": ANSWERS, "labels": ANSWERS, "judge": STEERS}
"""The heavy libraries of a role's process before its first record."""


def loaded(look: str, *words: str) -> set[str]:
    """The libraries that a fresh process has loaded after this."""
    shown = "print(sorted({name.partition('.')[0] for name in sys.modules}), flush=True)"
    script = f"import atexit, sys; atexit.register(lambda: {shown}); {look}"
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(ast.literal_eval(done.stdout.splitlines()[-1]))


def alike(needs: Mapping[str, set[str]]) -> list[list[str]]:
    """The names in groups of the same needs. One process loads a group: each has only its needs, if all together do."""
    groups: dict[frozenset[str], list[str]] = {}
    for name in sorted(needs):
        groups.setdefault(frozenset(needs[name]), []).append(name)
    return list(groups.values())


def test_the_needs_of_each_command_are_stated() -> None:
    assert {one.module for one in COMMANDS.values()} == set(NEEDS)


@pytest.mark.parametrize("modules", alike(NEEDS), ids=" ".join)
def test_commands_load_only_the_heavy_libraries_that_each_needs(modules: list[str]) -> None:
    look = "import " + ", ".join(f"shadowstream.cli.{module}" for module in modules)
    assert loaded(look) & HEAVY <= NEEDS[modules[0]]


@pytest.mark.parametrize("roles", alike(ROLES), ids=" ".join)
def test_roles_load_only_the_heavy_libraries_that_each_needs(roles: list[str]) -> None:
    look = "import shadowstream.cli.roles, " + ", ".join(f"shadowstream.kafka.roles.{role}" for role in roles)
    assert loaded(look) & HEAVY <= ROLES[roles[0]]


def test_the_help_loads_neither_the_config_nor_a_client() -> None:
    found = loaded("from shadowstream import cli; cli.run(['--help'])")
    assert found & HEAVY <= {"rich"}


def test_a_checked_config_loads_no_client_and_no_table(tmp_path: Path) -> None:
    path = tmp_path / "trial.yaml"
    path.write_text(json.dumps(LEAST | {"candidate": {"topic": "shadow-out", "version": "1"}}))
    found = loaded("from shadowstream import cli; cli.run(sys.argv[1:])", "validate", str(path))
    assert found & HEAVY <= NEEDS["config_commands"]


def test_plugins_of_pydantic_are_found_for_models_of_others() -> None:
    look = (
        "from shadowstream import loading; loading.load_pydantic(); assert 'email' not in sys.modules; "
        "import pydantic; pydantic.TypeAdapter(int); assert 'email' in sys.modules; "
        "from importlib.metadata import version; assert version('pydantic') == pydantic.VERSION"
    )
    assert "pydantic" in loaded(look)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_programs_help_shows_the_help_of_each_command(name: str) -> None:
    command = vars(typer.main.get_command(cli.app([name])))["commands"][name]
    assert " ".join(command.help.partition("\n\n")[0].split()) == COMMANDS[name].help
