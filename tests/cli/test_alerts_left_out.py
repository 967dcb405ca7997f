"""Alerts that cannot start: `validate` says so beforehand, `alerts run` refuses, `up` runs the others without."""

import json
from pathlib import Path
from typing import ClassVar

import pytest

from shadowstream.cli import up
from tests.cli.conftest import Cli, MakeTrial

INEXPRESSIBLE = [
    ("{security.protocol: SSL, ssl.keystore.location: me.p12}", "ssl.keystore.location: give PEM files"),
    ("{security.protocol: SASL_SSL, sasl.mechanism: GSSAPI}", "sasl.mechanism: GSSAPI is none of PLAIN"),
    ("{security.protocol: SASL_SSL, sasl.mechanism: OAUTHBEARER}", "sasl.oauthbearer.method: set it to oidc"),
]
SECURED = [client for client, _ in INEXPRESSIBLE]
PLAIN = ["{security.protocol: SASL_SSL, sasl.mechanism: PLAIN}", "{ssl.ca.location: ca.pem}", "{linger.ms: 5}"]
WEBHOOK = "alerts: {webhook: 'https://example.org/hook'}\n"


def trial(make_trial: MakeTrial, client: str, extra: str = WEBHOOK) -> Path:
    """A config with these client properties."""
    return make_trial(extra=extra, replaced=("kafka: {", f"kafka: {{client: {client}, "))


@pytest.mark.parametrize(("kafka", "problem_text"), INEXPRESSIBLE)
def test_validate_says_with_key_and_line_what_to_do(
    kafka: str, problem_text: str, cli: Cli, make_trial: MakeTrial
) -> None:
    path = trial(make_trial, kafka)
    result = cli("validate", path, "--json")
    assert result.code == 2
    (problem,) = result.json["problems"]
    assert (problem["key"], problem["line"]) == ("alerts.webhook", 7)
    assert problem_text in problem["message"]
    assert "example.org" not in problem["message"], "the address is often its password"
    assert cli("alerts", "run", path).code == 2


@pytest.mark.parametrize(("kafka", "extra"), [*((one, WEBHOOK) for one in PLAIN), *((one, "") for one in SECURED)])
def test_validate_says_nothing_where_alerts_can_run_or_are_not_asked_for(
    kafka: str, extra: str, cli: Cli, make_trial: MakeTrial
) -> None:
    assert cli("validate", trial(make_trial, kafka, extra)).code == 0


class Stopped:
    """A supervisor that starts nobody and tells whom it would have."""

    asked: ClassVar[list[tuple[list[str], list[str]]]] = []

    def __init__(self, commands: dict[str, list[str]], _: object, spared: list[str], **_more: object) -> None:
        self.asked.append((list(commands), spared))
        self.children: dict[str, object] = {}

    def run(self, _stopped: object) -> bool:
        return True


@pytest.mark.parametrize(("kafka", "started"), [(SECURED[0], ["run", "join", "judge"]), (PLAIN[0], None)])
def test_up_runs_the_others_and_says_once_why(
    kafka: str, started: list[str] | None, cli: Cli, make_trial: MakeTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up, "Supervisor", Stopped)
    monkeypatch.setattr(up, "begin", lambda *_: "session")
    result = cli("up", trial(make_trial, kafka))
    assert result.code == 0
    assert Stopped.asked.pop() == (started or ["run", "join", "judge", "alerts"], ["alerts"])
    assert result.err.count("alerts_left_out") == (started is not None)
    if started:
        (line,) = [line for line in result.err.splitlines() if "alerts_left_out" in line]
        assert "ssl.keystore.location" in (json.loads(line)["problem"] if line.startswith("{") else line)
