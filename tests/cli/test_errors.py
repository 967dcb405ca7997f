"""However a command ends: one exit code, one line that says why, never a traceback."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from shadowstream import cli as program
from shadowstream.errors import BrokerError, CandidateError, ConfigError, IsolationError, RecordError, ShadowstreamBug
from tests.cli.conftest import Cli, MakeTrial

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = [
    ("validate", "CONFIG"),
    ("config", "show", "CONFIG"),
    ("gate", "CONFIG"),
    ("explain", "CONFIG"),
    ("diff", "CONFIG"),
]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_wrong_key_ends_every_command_with_2_and_its_place(
    command: tuple[str, ...], cli: Cli, make_trial: MakeTrial
) -> None:
    path = make_trial(extra="grace: 5\n")
    result = cli(*(part.replace("CONFIG", str(path)) for part in command))
    assert result.code == 2
    assert f"{path}:7: grace: unknown key; did you mean 'grace_ms'?" in result.out + result.err


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_wrong_key_is_an_object_on_stdout_with_json(
    command: tuple[str, ...], cli: Cli, make_trial: MakeTrial
) -> None:
    path = make_trial(extra="grace: 5\n")
    result = cli(*(part.replace("CONFIG", str(path)) for part in command), "--json")
    assert result.code == 2
    problems = result.json["problems"] if command[0] == "validate" else result.json["error"]["problems"]
    expected = {"file": str(path), "line": 7, "key": "grace", "message": "unknown key; did you mean 'grace_ms'?"}
    assert problems == [expected]


@pytest.mark.parametrize("command", [("validate",), ("config", "show")], ids=" ".join)
def test_taking_a_shadow_topic_for_productions_ends_with_1_and_names_it(
    command: tuple[str, ...], cli: Cli, make_trial: MakeTrial
) -> None:
    path = make_trial()
    path.write_text(path.read_text().replace("[payments]", "[shadow.fraud.out.scores]"))
    result = cli(*command, path, "--json")
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

    found = leaves(typer.main.get_command(program.app([])), "shadowstream")
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
    done = subprocess.run(
        [sys.executable, "-c", loading], capture_output=True, text=True, env=environment(), timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (ConfigError("no"), 2, "ConfigError"),
        (IsolationError("no"), 1, "IsolationError"),
        (BrokerError("no"), 1, "BrokerError"),
        (RecordError("no", reason="schema"), 1, "RecordError"),
        (CandidateError("no"), 1, "CandidateError"),
        (ShadowstreamBug("no"), 1, "ShadowstreamBug"),
        (ZeroDivisionError("no"), 1, "ZeroDivisionError"),
    ],
)
def test_every_error_has_its_exit_code(
    error: Exception, code: int, kind: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = typer.Typer()

    @app.callback()
    def nothing() -> None: ...

    @app.command()
    def fail(as_json: bool = typer.Option(False, "--json")) -> None:
        raise error

    monkeypatch.setattr(program, "app", lambda arguments: app)
    result = cli("fail", "--json")
    assert (result.code, result.json["error"]["kind"]) == (code, kind)
    assert ("report it" in result.err) == (kind in ("ShadowstreamBug", "ZeroDivisionError"))


def test_a_traceback_is_shown_where_asked_for() -> None:
    command = [sys.executable, "-m", "shadowstream", "validate", "nowhere.yaml", "--revision"]
    quiet = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60, check=False)
    assert quiet.returncode == 2
    assert "Traceback" not in quiet.stderr
    loud = subprocess.run(
        command, capture_output=True, text=True, env=environment(SHADOWSTREAM_TRACEBACK="1"), timeout=60, check=False
    )
    assert loud.returncode == 2
    assert "Traceback" in loud.stderr


def test_the_program_says_data_on_stdout_and_talk_on_stderr(make_trial: MakeTrial) -> None:
    path = make_trial(extra="grace: 5\n")
    command = [sys.executable, "-m", "shadowstream", "validate", str(path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60, check=False)
    assert done.returncode == 2
    assert json.loads(done.stdout)["ok"] is False
    assert done.stderr == f"1 problem in {path}\n"


def test_a_reader_that_has_seen_enough_is_no_reason_for_noise() -> None:
    command = f"{sys.executable} -m shadowstream schema config | head -c 1"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, env=environment(), timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("{", "")


def test_ctrl_c_ends_quietly_as_shells_expect(make_trial: MakeTrial) -> None:
    # Nothing listens there, so the command is looking for a broker when the signal comes.
    command = [sys.executable, "-m", "shadowstream", "gate", str(make_trial()), "--wait", "60"]
    env = environment(PYTHONPATH=os.pathsep.join([str(ROOT), str(make_trial().parent)]))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        time.sleep(6)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (out, "Traceback" in err) == ("", False)
