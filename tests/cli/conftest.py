"""A trial on disk, and the command line as a program sees it: exit code, stdout, stderr."""

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shadowstream.cli import run
from shadowstream.testing.choice import Broker
from tests.cli.verdict_topic import Judged

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it puts into the background so, children inherit it, and Ctrl-C would never reach them.
    signal.signal(signal.SIGINT, signal.default_int_handler)

CONFIG = """\
name: {name}
kafka: {{bootstrap: "{bootstrap}"}}
schemas: {{dir: schemas}}
inputs: [payments]
production: {{outputs: [scores], group: scorer}}
candidate: {{trusted: true, call: "fraud_candidate:score"}}
"""


@dataclass(frozen=True)
class CommandResult:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The last line on stdout."""
        value = json.loads(self.out.splitlines()[-1])
        assert isinstance(value, dict)
        return value


Cli = Callable[..., CommandResult]
MakeTrial = Callable[..., Path]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process."""

    def command(*arguments: str | Path) -> CommandResult:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return CommandResult(int(code), out, err)

    return command


@pytest.fixture
def make_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeTrial:
    """Write a config with its candidate and schemas; `extra` is more YAML, `replaced` what stands for what in it."""
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "1.scores-value.avsc").write_text('"long"')
    (tmp_path / "fraud_candidate.py").write_text("def score(value):\n    return value\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(
        name: str = "fraud", bootstrap: str = "localhost:1", extra: str = "", replaced: tuple[str, str] = ("", "")
    ) -> Path:
        path = tmp_path / "trial.yaml"
        path.write_text(CONFIG.format(name=name, bootstrap=bootstrap).replace(*replaced) + extra)
        return path

    return write


@pytest.fixture
def name(topic_prefix: str) -> str:
    """The name of a trial of the test's own."""
    return topic_prefix.rstrip(".").lower()[-20:].strip("-_")


@pytest.fixture
def unjudged(kafka: Broker, name: str, make_trial: MakeTrial) -> Judged:
    """A trial of the test's own that has no topics yet."""
    return Judged(make_trial(name=name, bootstrap=kafka.bootstrap), kafka.bootstrap)


@pytest.fixture
def judged(unjudged: Judged) -> Judged:
    """A trial of the test's own, its topics of verdicts and commands made."""
    unjudged.create()
    return unjudged
