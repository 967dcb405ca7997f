"""Signed verdicts and webhooks: the gate takes no other verdict where it has a key, and `verify` says who signed."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shadowstream.alerts.channels.http import WebhookChannel
from shadowstream.codecs import own
from shadowstream.config import Channel
from shadowstream.configfile import load
from shadowstream.judge.verdict.approval import approval_of
from shadowstream.protocol.verdict_signatures import HEADER, key_id, signature_of
from shadowstream.testing.topics import Write, produce_all
from shadowstream.webhook_signatures import signed_headers
from tests.cli.conftest import Cli, MakeTrial
from tests.cli.verdict_topic import Judged, verdict

NEW, OLD, FOREIGN = "the newer key of 2027", "the older key of 2026", "a key of somebody else"
WHO = ("--by", "ana", "--reason", "known")
KEYED = "judge: {signing_keys: ['${SIGNING_KEY:-}', '${SIGNING_KEY_OLD:-}'], commands_key: '${COMMANDS_KEY:-}'}\n"
Say = Callable[..., None]


@pytest.fixture
def keyed(judged: Judged, monkeypatch: pytest.MonkeyPatch) -> Judged:
    judged.path.write_text(judged.path.read_text() + KEYED)
    for name, key in (("SIGNING_KEY", NEW), ("SIGNING_KEY_OLD", OLD), ("COMMANDS_KEY", "0123456789abcdef")):
        monkeypatch.setenv(name, key)
    return judged


@pytest.fixture
def say(keyed: Judged) -> Say:
    """Write a verdict as a judge with a key does; None writes it unsigned."""

    def write(decision: str, key: str | None = NEW, age_s: float = 0, **more: Any) -> None:
        at_ms = round((time.time() - age_s) * 1000)
        record = verdict(decision, keyed.revision, at_ms, name=keyed.config.name, **more)
        value = own.encode("verdict", record)
        signed = [] if key is None else [(HEADER, signature_of(value, keyed.config.name, keyed.revision, key).encode())]
        produce_all(keyed.bootstrap, keyed.topic, [Write(value, keyed.revision.encode(), headers=signed)])

    return write


def test_the_gate_takes_a_verdict_by_either_key(cli: Cli, keyed: Judged, say: Say) -> None:
    for key in (NEW, OLD):
        say("promote", key)
        assert cli("gate", keyed.path, "--require-signature").code == 0
        found = cli("verify", keyed.path)
        assert (found.code, f"signed by the key with id {key_id(key)}" in " ".join(found.out.split())) == (0, True)


@pytest.mark.parametrize("decision", ["promote", "reject"])
@pytest.mark.parametrize(("key", "why", "code"), [(None, "no signature", 4), (FOREIGN, "another key", 3)])
def test_the_gate_takes_no_verdict_that_no_key_of_the_trial_signed(
    cli: Cli, keyed: Judged, say: Say, key: str | None, why: str, code: int, decision: str
) -> None:
    say("promote")
    say(decision, key)
    answer = cli("gate", keyed.path)
    assert (answer.code, "is not proven to be the judge's" in answer.out, why in answer.out) == (4, True, True)
    assert cli("verify", keyed.path).code == code
    assert "shadowstream verify" in cli("explain", keyed.path).out


def test_a_copy_of_an_older_verdict_opens_no_gate(cli: Cli, keyed: Judged, say: Say) -> None:
    say("promote", age_s=60)
    say("not_yet")
    say("promote", age_s=60)
    assert (cli("gate", keyed.path).code, cli("verify", keyed.path).code) == (4, 3)
    say("promote")
    assert cli("gate", keyed.path).code == 0


def test_a_process_without_a_key_checks_nothing_unless_asked(
    cli: Cli, keyed: Judged, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    say("promote", None)
    for name in ("SIGNING_KEY", "SIGNING_KEY_OLD"):
        monkeypatch.delenv(name)
    assert cli("gate", keyed.path).code == 0
    for words in (("gate", keyed.path, "--require-signature"), ("verify", keyed.path), ("judge", keyed.path)):
        refused = cli(*words)
        assert (refused.code, "signing_keys" in refused.err) == (2, True)
    assert load(keyed.path).acting_as("runner").signing_keys == ()


def test_a_key_stands_in_a_variable_and_is_shown_nowhere(cli: Cli, keyed: Judged) -> None:
    assert NEW not in cli("config", "show", keyed.path).out
    written = keyed.path.read_text()
    keyed.path.write_text(written.replace("${SIGNING_KEY:-}", NEW))
    refused = cli("validate", keyed.path)
    assert (refused.code, "name its variable" in refused.out + refused.err, NEW in refused.out) == (2, True, False)


def test_the_keys_are_no_part_of_the_revision(cli: Cli, judged: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cli("validate", judged.path, "--json").json["revision"]
    judged.path.write_text(judged.path.read_text() + KEYED)
    monkeypatch.setenv("SIGNING_KEY", NEW)
    assert cli("validate", judged.path, "--json").json["revision"] == before


def written(cli: Cli, keyed: Judged, command: str, to: Path) -> dict[str, Any]:
    to.write_text(cli(command, keyed.path, "--json").out.splitlines()[-1])
    content: dict[str, Any] = json.loads(to.read_text())
    return content


@pytest.mark.parametrize(
    ("command", "decision"), [("gate", "promote"), ("gate", "reject"), ("gate", "not_yet"), ("report", "promote")]
)
def test_what_gate_and_report_wrote_is_genuine_until_it_is_changed(
    cli: Cli, keyed: Judged, say: Say, tmp_path: Path, command: str, decision: str
) -> None:
    say(decision)
    file = tmp_path / "answer.json"
    content = written(cli, keyed, command, file)
    assert cli("verify", keyed.path, "--file", file).code == 0
    record = content.get("verdict", content)
    for name, value in {"revision": "00", "outcomes": {"match": 1}, "to_ms": 5, "evidence_digest": "ff"}.items():
        was = record[name]
        record[name] = value
        file.write_text(json.dumps(content))
        record[name] = was
        found = cli("verify", keyed.path, "--file", file)
        assert (found.code, f"differs from the signed verdict in {name}" in " ".join(found.out.split())) == (3, True)
    content["decision"] = "reject" if decision == "promote" else "promote"
    file.write_text(json.dumps(content))
    assert cli("verify", keyed.path, "--file", file).code == 3
    content["signed"] = None
    file.write_text(json.dumps(content))
    assert cli("verify", keyed.path, "--file", file).code == 4


@pytest.mark.parametrize("decision", ["reject", "not_yet"])
def test_no_fact_beside_the_verdict_can_be_changed(
    cli: Cli, keyed: Judged, say: Say, tmp_path: Path, decision: str
) -> None:
    say(decision)
    file = tmp_path / "answer.json"
    content = written(cli, keyed, "gate", file)
    gate = content["gate"]
    forged: list[dict[str, Any]] = [
        {**content, "name": "another"},
        {**content, "gate": {**gate, "exit_code": 0}},
        {**content, "gate": {**gate, "judged": "promote"}},
        {**content, "gate": []},
        {**content, "outcomes": {"match": 10**6}, "verdict": {**content, "outcomes": content["outcomes"]}},
    ]
    for one in forged:
        file.write_text(json.dumps(one))
        assert cli("verify", keyed.path, "--file", file).code == 3, one
    file.write_text(json.dumps(content).replace("{", '{"decision": "promote", ', 1))
    assert cli("verify", keyed.path, "--file", file).code == 2


def test_an_override_that_had_ended_before_the_verdict_is_not_genuine(
    cli: Cli, keyed: Judged, say: Say, tmp_path: Path
) -> None:
    say("not_yet", age_s=60)
    assert cli("override", keyed.path, "--decision", "promote", "--for", "1h", *WHO).code == 0
    file = tmp_path / "answer.json"
    content = written(cli, keyed, "gate", file)
    assert cli("verify", keyed.path, "--file", file).code == 0
    say("not_yet", age_s=-7200)
    later = written(cli, keyed, "gate", tmp_path / "later.json")
    later |= {"decision": "promote", "gate": {**later["gate"], "exit_code": 0, "override": content["gate"]["override"]}}
    file.write_text(json.dumps(later))
    assert cli("verify", keyed.path, "--file", file).code == 3


def test_an_override_in_a_file_needs_its_own_signature(cli: Cli, keyed: Judged, say: Say, tmp_path: Path) -> None:
    say("not_yet")
    assert cli("override", keyed.path, "--decision", "promote", *WHO).code == 0
    file = tmp_path / "answer.json"
    content = written(cli, keyed, "gate", file)
    found = cli("verify", keyed.path, "--file", file)
    assert (found.code, "by a signed override of ana" in " ".join(found.out.split())) == (0, True)
    content["gate"]["override"]["by"] = "eve"
    file.write_text(json.dumps(content))
    assert cli("verify", keyed.path, "--file", file).code == 3
    content["gate"]["override"]["signature"] = ""
    file.write_text(json.dumps(content))
    assert cli("verify", keyed.path, "--file", file).code == 4


def test_a_promote_without_an_approval_in_the_record_is_not_genuine(
    cli: Cli, keyed: Judged, say: Say, tmp_path: Path
) -> None:
    say("promote", approval=approval_of(5, None))
    assert cli("approve", keyed.path, *WHO).code == 0
    file = tmp_path / "answer.json"
    assert written(cli, keyed, "gate", file)["decision"] == "promote"
    assert cli("verify", keyed.path, "--file", file).code == 4
    say("promote", approval=approval_of(5, {"by": "ana", "reason": "", "at_ms": 1, "promote_since_ms": 5}))
    written(cli, keyed, "gate", file)
    assert cli("verify", keyed.path, "--file", file).code == 0


SIGNED = "alerts: {channels: [{name: hook, webhook: 'http://h/', secret: '${HOOK}', previous_secret: '${HOOK_OLD}'}]}\n"


@pytest.mark.parametrize("form", ["lines", "json"])
def test_a_webhook_is_verified_by_its_body_and_headers(
    cli: Cli, make_trial: MakeTrial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setenv("HOOK", NEW)
    monkeypatch.setenv("HOOK_OLD", OLD)
    path, body, headers = make_trial(extra=SIGNED), tmp_path / "body", tmp_path / "headers"

    def verified(secret: str, content: bytes = b'{"a": 1}', at_s: float = 0, lacking: str = "") -> int:
        given = signed_headers("reject/ab", b'{"a": 1}', int(time.time() + at_s), [secret])
        given.pop(lacking, None)
        body.write_bytes(content)
        shown = "\r\n".join(f"{name.title()}: {value}" for name, value in given.items())
        headers.write_text(shown if form == "lines" else json.dumps(given))
        return cli("verify", path, "--webhook", body, "--headers", headers).code

    assert [verified(secret) for secret in (NEW, OLD, FOREIGN)] == [0, 0, 3]
    assert (verified(NEW, b'{"a":1}'), verified(NEW, at_s=-600), verified(NEW, lacking="webhook-id")) == (3, 3, 4)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (("--webhook", "body"), "give both"),
        (("--webhook", "body", "--headers", "body", "--file", "body"), "give one of the two"),
        (("--webhook", "body", "--headers", "body"), "0 channels have a secret"),
        (("--webhook", "nowhere", "--headers", "body"), "cannot read"),
    ],
)
def test_what_cannot_be_verified_is_an_error_of_the_command_line(
    cli: Cli, make_trial: MakeTrial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...], why: str
) -> None:
    path = make_trial()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "body").write_text("{}")
    refused = cli("verify", path, *given)
    assert (refused.code, why in refused.err) == (2, True)


def test_a_channel_has_two_secrets_and_keeps_the_names_of_its_headers() -> None:
    channel = Channel(webhook="http://h/", secret=NEW, previous_secret=OLD)
    assert channel.secrets == (NEW, OLD)
    assert WebhookChannel(channel, 1_000).target == "webhook"
    with pytest.raises(ValueError, match="previous_secret: needs secret"):
        Channel(webhook="http://h/", previous_secret=OLD)
    with pytest.raises(ValueError, match="webhook-signature"):
        Channel(webhook="http://h/", headers={"webhook-signature": "x"})
