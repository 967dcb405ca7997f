"""`alerts list` and `alerts ack` on a real broker, and what `alerts run` refuses."""

import json
import sys
from pathlib import Path

import pytest
import yaml

from shadowstream.cli import run
from shadowstream.testing.topics import create_topics
from tests.alerts.alerts_trial import drift
from tests.alerts.conftest import MakeAlertsTrial
from tests.pipeline.written_records import records


def test_an_incident_is_listed_acknowledged_and_listed_again(
    make_alerts_trial: MakeAlertsTrial, capsys: pytest.CaptureFixture[str]
) -> None:
    alerts_trial = make_alerts_trial()
    path = str(alerts_trial.trial.config_path)
    create_topics(
        alerts_trial.bootstrap, {alerts_trial.trial.topic(kind): 1 for kind in ("drift", "verdict", "commands")}
    )
    alerts_trial.judge(drift("opened", "mismatch-1"), drift("opened", "extra-2", criterion="extra"))
    alerts_trial.judge(drift("opened", "missing-3"), abort=True)
    alerts_trial.judge(drift("closed", "extra-2"))

    assert run(["alerts", "ack", path, "mismatch-1", "--by", "ann", "--reason", "rolled back"]) == 0
    (written,) = alerts_trial.trial.records("commands")
    assert {**written, "at_ms": 0} == {
        "command": "ack",
        "subject": "mismatch-1",
        "by": "ann",
        "reason": "rolled back",
        "at_ms": 0,
        "decision": "",
        "until_ms": None,
    }
    capsys.readouterr()
    assert run(["alerts", "list", path, "--json"]) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["incident"], first["state"], first["acknowledged_by"], first["ack_reason"]) == (
        *("mismatch-1", "open", "ann"),
        "rolled back",
    )
    assert (second["incident"], second["state"], second["acknowledged_by"]) == ("extra-2", "closed", None)
    assert run(["alerts", "list", path]) == 0
    text = capsys.readouterr()
    assert "ann: rolled back" in text.out
    assert text.err == f"2 incidents, 1 open, in '{alerts_trial.trial.topic('drift')}'\n"

    assert run(["alerts", "ack", path, "mismatch-9", "--by", "ann"]) == 2
    assert "no incident 'mismatch-9'; open are: mismatch-1" in capsys.readouterr().err
    assert len(alerts_trial.trial.records("commands")) == 1


def test_an_incident_is_muted_for_a_while_or_until_it_closes(
    make_alerts_trial: MakeAlertsTrial, capsys: pytest.CaptureFixture[str]
) -> None:
    alerts_trial = make_alerts_trial()
    path = str(alerts_trial.trial.config_path)
    create_topics(
        alerts_trial.bootstrap, {alerts_trial.trial.topic(kind): 1 for kind in ("drift", "verdict", "commands")}
    )
    alerts_trial.judge(drift("opened", "mismatch-1"))
    assert run(["alerts", "mute", path, "mismatch-1", "--by", "ann", "--reason", "known", "--for", "2h", "--json"]) == 0
    (written,) = alerts_trial.trial.records("commands")
    assert json.loads(capsys.readouterr().out) == {name: written[name] for name in written if name != "decision"}
    assert (written["command"], written["subject"], written["by"], written["reason"]) == (
        *("mute", "mismatch-1", "ann"),
        "known",
    )
    assert written["until_ms"] == written["at_ms"] + 2 * 3_600_000
    assert run(["alerts", "list", path, "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["state"], row["muted_by"], row["muted_until_ms"]) == ("open", "ann", written["until_ms"])
    assert run(["alerts", "mute", path, "mismatch-1", "--by", "bob"]) == 0
    assert capsys.readouterr().err == "mismatch-1: muted by bob until it closes\n"
    assert run(["alerts", "list", path]) == 0
    assert "bob" in capsys.readouterr().out
    assert run(["alerts", "mute", path, "mismatch-9", "--by", "ann"]) == 2
    assert run(["alerts", "mute", path, "mismatch-1", "--by", " "]) == 2
    assert run(["alerts", "mute", path, "mismatch-1", "--by", "ann", "--for", "long"]) == 2
    assert len(alerts_trial.trial.records("commands")) == 2


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "nobody_home.py").write_text("def judge(value):\n    return value\n")
    path = tmp_path / "trial.yaml"
    document = {
        "name": "t",
        "kafka": {"bootstrap": "localhost:1", "client": {"security.protocol": "SSL"}},
        "inputs": ["orders"],
        "production": {"outputs": ["scores"]},
        "candidate": {"call": "nobody_home:judge"},
    }
    path.write_text(yaml.safe_dump(document))
    return path


def test_security_settings_are_refused_rather_than_left_out(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(config.parent))
    assert run(["alerts", "run", str(config)]) == 2
    assert "kafka.client: security.protocol: the alerts role cannot use" in capsys.readouterr().err


def test_without_faust_it_says_what_to_install(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "faust", None)
    assert run(["alerts", "run", str(config)]) == 2
    assert "pip install 'shadowstream[alerts]'" in capsys.readouterr().err
