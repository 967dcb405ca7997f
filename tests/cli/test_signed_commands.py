"""A key of commands: the gate obeys signed commands only, and names the others; and the gate that obeys no override."""

import pytest

from shadowstream.codecs import own
from shadowstream.configfile import load
from shadowstream.kafka.operator_commands import commands
from shadowstream.testing.topics import Write, produce_all
from tests.cli.conftest import Cli
from tests.cli.verdict_topic import Judged

WHO = ("--by", "ana", "--reason", "known")
KEYED = "judge: {commands_key: '${COMMANDS_KEY}'}\n"


@pytest.fixture
def keyed(judged: Judged, monkeypatch: pytest.MonkeyPatch) -> Judged:
    judged.path.write_text(judged.path.read_text() + KEYED)
    monkeypatch.setenv("COMMANDS_KEY", "0123456789abcdef")
    return judged


def test_the_gate_obeys_a_signed_override_and_names_an_unsigned_one(cli: Cli, keyed: Judged) -> None:
    keyed.say("not_yet")
    record = {"command": "override", "subject": keyed.revision, "by": "eve", "at_ms": 9_000, "decision": "promote"}
    forged = Write(own.encode("command", record), keyed.revision.encode(), 0)
    assert cli("override", keyed.path, "--decision", "none", *WHO).code == 0  # makes the topic known
    produce_all(keyed.bootstrap, keyed.config.plan.of("commands"), [forged])
    result = cli("gate", keyed.path)
    assert (result.code, "refused: override to promote by eve" in result.out) == (4, True)
    assert cli("override", keyed.path, "--decision", "promote", *WHO).code == 0
    assert cli("gate", keyed.path).code == 0
    found = commands(load(keyed.path))
    assert (len(found.taken), len(found.refused)) == (2, 1)


def test_a_process_without_the_key_neither_signs_nor_asks_nor_delivers(
    cli: Cli, keyed: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyed.say("promote")
    monkeypatch.setenv("COMMANDS_KEY", "")
    override = ("override", keyed.path, "--decision", "promote", *WHO)
    for words in (("gate", keyed.path), override, ("judge", keyed.path), ("alerts", "run", keyed.path)):
        result = cli(*words)
        assert (result.code, "judge.commands_key: is empty here" in result.err) == (2, True)
    assert load(keyed.path).acting_as("runner").commands_key is None


def test_the_key_is_no_part_of_the_revision_and_is_never_shown(cli: Cli, judged: Judged) -> None:
    revision = judged.revision
    judged.path.write_text(judged.path.read_text() + "judge: {commands_key: a-key-of-16-chars}\n")
    assert cli("validate", judged.path, "--json").json["revision"] == revision
    assert "a-key-of" not in cli("config", "show", judged.path).out


def test_a_gate_that_obeys_no_override_names_it_all_the_same(cli: Cli, judged: Judged) -> None:
    judged.say("reject")
    assert cli("override", judged.path, "--decision", "promote", *WHO).code == 0
    assert cli("gate", judged.path).code == 0
    result = cli("gate", judged.path, "--no-override")
    assert result.code == 3
    assert "not obeyed (--no-override): overridden to promote by ana" in result.out
