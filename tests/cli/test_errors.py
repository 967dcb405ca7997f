"""However a command ends: one exit code, one line that says why, never a traceback."""

import json
import os
import subprocess
import sys
from functools import partial

import pytest
import typer

from shadowstream import cli as program
from shadowstream.cli.commands import COMMANDS
from shadowstream.errors import BrokerError, CandidateError, ConfigError, IsolationError, RecordError, ShadowstreamBug
from tests import forked
from tests.cli.conftest import Cli, MakeTrial


@pytest.mark.parametrize("command", ["validate", "config show", "gate", "explain", "diff"])
def test_a_wrong_key_ends_every_command_with_2_and_its_place(command: str, cli: Cli, make_trial: MakeTrial) -> None:
    path = make_trial(extra="grace: 5\n")
    result = cli(*command.split(), path)
    assert result.code == 2
    assert f"{path}:7: grace: unknown key; did you mean 'grace_ms'?" in result.out + result.err
    result = cli(*command.split(), path, "--json")
    assert result.code == 2
    problems = result.json["problems"] if command == "validate" else result.json["error"]["problems"]
    expected = {"file": str(path), "line": 7, "key": "grace", "message": "unknown key; did you mean 'grace_ms'?"}
    assert problems == [expected]


@pytest.mark.parametrize("command", ["validate", "config show"])
def test_taking_a_shadow_topic_for_productions_ends_with_1_and_names_it(
    command: str, cli: Cli, make_trial: MakeTrial
) -> None:
    path = make_trial(replaced=("[payments]", "[shadow.fraud.out.scores]"))
    result = cli(*command.split(), path, "--json")
    assert result.code == 1
    assert result.json["error"]["kind"] == "IsolationError"
    assert result.err.startswith("error: 'shadow.fraud.out.scores' is under 'shadow.'")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("gate",), "Missing argument 'CONFIG'; see `shadowstream gate --help`"),
        (("gat",), "No such command 'gat'"),
        (("gate", "x.yaml", "--max-ag", "5"), "No such option: --max-ag"),
        (("gate", "x.yaml", "--max-age", "soon"), "--max-age 'soon': give seconds"),
        (("gate", "x.yaml", "--max-age=-1"), "--max-age '-1': give seconds"),
        (("report", "x.yaml", "--format", "pdf"), "Invalid value for '--format': 'pdf' is not one of"),
        (("config",), "config --help"),
        (("--log-level", "loud", "gate"), "loud"),
        (("gate", "nowhere.yaml"), "nowhere.yaml:1: cannot be read"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(arguments: tuple[str, ...], part: str, cli: Cli) -> None:
    result = cli(*arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert part in result.err
    result = cli(*arguments, "--json")
    assert result.code == 2
    assert part in result.json["error"]["message"]
    assert result.json["error"]["exit_code"] == 2


@pytest.mark.parametrize("arguments", [(), ("--help",), ("gate", "--help")], ids=str)
def test_help_is_no_error(arguments: tuple[str, ...], cli: Cli) -> None:
    result = cli(*arguments)
    assert result.code == 0
    assert "Usage: shadowstream" in result.out


def test_every_command_has_json() -> None:
    def leaves(command: typer.main.TyperCommand, name: str) -> list[tuple[str, set[str]]]:
        inner = getattr(command, "commands", None)
        if inner is not None:
            return [leaf for sub, below in inner.items() for leaf in leaves(below, f"{name} {sub}")]
        return [(name, {option for parameter in command.params for option in parameter.opts})]

    found = [leaf for name in COMMANDS for leaf in leaves(typer.main.get_command(program.app([name])), "shadowstream")]
    assert {"shadowstream gate", "shadowstream validate", "shadowstream schema config"} <= {name for name, _ in found}
    assert [name for name, options in found if "--json" not in options] == []


def test_every_command_is_found_in_the_module_that_the_table_names() -> None:
    def names(arguments: list[str]) -> set[str]:
        return set(vars(typer.main.get_command(program.app(arguments)))["commands"])

    whole = names([])
    for name in whole:
        without_level = names(["--log-level", "error", name])
        assert name in without_level
        assert len(without_level) < len(whole)


def test_a_role_loads_nothing_that_only_other_commands_need() -> None:
    loading = (
        "import sys; from shadowstream import cli; cli.app(['join']); import shadowstream.kafka.roles.joiner; "
        "loaded = {name.partition('.')[0] for name in sys.modules}; "
        "print(sorted(loaded & {'scipy', 'river', 'matplotlib', 'faust'}))"
    )
    done = forked.python("-c", loading)
    assert (done.stdout, done.stderr) == ("[]\n", "")


OTHERS = (IsolationError, BrokerError, partial(RecordError, reason="schema"), CandidateError, ShadowstreamBug)


@pytest.mark.parametrize(
    ("error", "code"), [(ConfigError("no"), 2), *((kind("no"), 1) for kind in (*OTHERS, ZeroDivisionError))]
)
def test_every_error_has_its_exit_code(error: Exception, code: int, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    app = typer.Typer()

    @app.callback()
    def nothing() -> None: ...

    @app.command()
    def fail(as_json: bool = typer.Option(False, "--json")) -> None:
        raise error

    monkeypatch.setattr(program, "app", lambda arguments: app)
    result, kind = cli("fail", "--json"), type(error).__name__
    assert (result.code, result.json["error"]["kind"]) == (code, kind)
    assert ("report it" in result.err) == (kind in ("ShadowstreamBug", "ZeroDivisionError"))


def test_a_traceback_is_shown_where_asked_for() -> None:
    command = ("-m", "shadowstream", "validate", "nowhere.yaml", "--revision")
    quiet = forked.python(*command)
    assert quiet.returncode == 2
    assert "Traceback" not in quiet.stderr
    loud = forked.python(*command, SHADOWSTREAM_TRACEBACK="1")
    assert loud.returncode == 2
    assert "Traceback" in loud.stderr


def test_the_program_says_data_on_stdout_and_talk_on_stderr(make_trial: MakeTrial) -> None:
    path = make_trial(extra="grace: 5\n")
    done = forked.python("-m", "shadowstream", "validate", str(path), "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["ok"] is False
    assert done.stderr == f"1 problem in {path}\n"


def test_a_reader_that_has_seen_enough_is_no_reason_for_noise() -> None:
    command = f"{sys.executable} -m shadowstream schema config | head -c 1"
    env = {**os.environ, "PYTHONPATH": str(forked.ROOT)}
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=env, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("{", "")
