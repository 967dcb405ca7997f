"""`alerts list` and `alerts ack` on a real broker, and what `alerts run` refuses."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from shadowstream.cli import run
from shadowstream.extras import command
from shadowstream.testing.topics import create_topics
from tests.alerts.alerts_trial import AlertsTrial, drift
from tests.cli.conftest import CommandResult
from tests.cli.verdict_topic import NOT_GIVEN
from tests.least_config import LEAST

Ask = Callable[..., CommandResult]


@pytest.fixture
def ask(alerts_trial: AlertsTrial, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run a command of alerts in this process on the trial, whose topics are there."""
    trial = alerts_trial.trial
    create_topics(trial.bootstrap, {trial.topic(kind): 1 for kind in ("drift", "verdict", "commands")})

    def answer(word: str, *options: str) -> CommandResult:
        capsys.readouterr()
        code = run(["alerts", word, str(trial.config_path), *options])
        return CommandResult(int(code), *capsys.readouterr())

    return answer


def test_an_incident_is_listed_acknowledged_and_listed_again(alerts_trial: AlertsTrial, ask: Ask) -> None:
    alerts_trial.judge(drift("opened", "mismatch-1"), drift("opened", "extra-2", criterion="extra"))
    alerts_trial.judge(drift("opened", "missing-3"), abort=True)
    alerts_trial.judge(drift("closed", "extra-2"))

    assert ask("ack", "mismatch-1", "--by", "ann", "--reason", "rolled back").code == 0
    (written,) = alerts_trial.trial.records("commands")
    given = {"command": "ack", "subject": "mismatch-1", "by": "ann", "reason": "rolled back"}
    assert {**written, "at_ms": 0} == {
        **given,
        "at_ms": 0,
        "decision": "",
        "until_ms": None,
        "signature": "",
        "share": None,
        "group": "",
        "offsets": [],
        "promote_since_ms": None,
    }
    listed = ask("list", "--json")
    first, second = map(json.loads, listed.out.splitlines())
    found = (first["incident"], first["state"], first["acknowledged_by"], first["ack_reason"])
    assert (listed.code, *found) == (0, "mismatch-1", "open", "ann", "rolled back")
    assert (second["incident"], second["state"], second["acknowledged_by"]) == ("extra-2", "closed", None)
    text = ask("list")
    assert text.code == 0
    assert "ann: rolled back" in text.out
    assert text.err == f"2 incidents, 1 open, in '{alerts_trial.trial.topic('drift')}'\n"

    refused = ask("ack", "mismatch-9", "--by", "ann")
    assert refused.code == 2
    assert "no incident 'mismatch-9'; open are: mismatch-1" in refused.err
    assert len(alerts_trial.trial.records("commands")) == 1


def test_an_incident_is_muted_for_a_while_or_until_it_closes(alerts_trial: AlertsTrial, ask: Ask) -> None:
    alerts_trial.judge(drift("opened", "mismatch-1"))
    muted = ask("mute", "mismatch-1", "--by", "ann", "--reason", "known", "--for", "2h", "--json")
    (written,) = alerts_trial.trial.records("commands")
    assert (muted.code, muted.json | NOT_GIVEN | {"decision": ""}) == (0, written)
    found = (written["command"], written["subject"], written["by"], written["reason"])
    assert found == ("mute", "mismatch-1", "ann", "known")
    assert written["until_ms"] == written["at_ms"] + 2 * 3_600_000
    row = ask("list", "--json").json
    assert (row["state"], row["muted_by"], row["muted_until_ms"]) == ("open", "ann", written["until_ms"])
    muted = ask("mute", "mismatch-1", "--by", "bob")
    assert (muted.code, muted.err) == (0, "mismatch-1: muted by bob until it closes\n")
    listed = ask("list")
    assert (listed.code, "bob" in listed.out) == (0, True)
    assert ask("mute", "mismatch-9", "--by", "ann").code == 2
    assert ask("mute", "mismatch-1", "--by", " ").code == 2
    assert ask("mute", "mismatch-1", "--by", "ann", "--for", "long").code == 2
    assert len(alerts_trial.trial.records("commands")) == 2


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "nobody_home.py").write_text("def judge(value):\n    return value\n")
    path = tmp_path / "trial.yaml"
    cluster = {"bootstrap": "localhost:1", "client": {"security.protocol": "SSL", "ssl.keystore.location": "me.p12"}}
    path.write_text(yaml.safe_dump(LEAST | {"kafka": cluster, "candidate": {"call": "nobody_home:judge"}}))
    return path


def test_a_setting_that_faust_cannot_express_is_refused(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(config.parent))
    assert run(["alerts", "run", str(config)]) == 2
    assert "kafka.client: the alerts role cannot use ssl.keystore.location" in capsys.readouterr().err


def test_without_faust_it_says_what_to_install(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "faust", None)
    assert run(["alerts", "run", str(config)]) == 2
    assert f"`alerts run` needs faust of the extra `alerts`, which is not installed here: {command('alerts')}" in (
        capsys.readouterr().err
    )
