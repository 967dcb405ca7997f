"""`dlq` on a broker: dead letters as the project itself writes them, with their reasons."""

import json
from pathlib import Path

import pytest

from shadowstream.compare.redact import Redactor
from shadowstream.configfile import load
from shadowstream.protocol.dead_letters import FailedRecord, dead_letter
from shadowstream.records import Partition
from shadowstream.testing.choice import Broker
from shadowstream.testing.topics import Write, create_topics, produce_all
from tests.cli.conftest import Cli, MakeTrial


@pytest.fixture
def trial(kafka: Broker, name: str, make_trial: MakeTrial) -> Path:
    """A trial with three dead letters of the runner and one of the joiner."""
    path = make_trial(name=name, bootstrap=kafka.bootstrap, extra="compare: {examples: {values: shown}}\n")
    config = load(path)
    redactor = Redactor.of(config)
    create_topics(kafka.bootstrap, {config.plan.dead_letter(role): 1 for role in ("runner", "joiner")})
    letters = []
    for n in range(3):
        failed = FailedRecord(Partition("payments", 2), n, b"k%d" % n, b'{"amount": "x"}', 1_372_651_200_000 + n)
        error = "CandidateError", f"TypeError: no score for {n}"
        letters.append(dead_letter(config, redactor, "runner", failed, error, "TRANSFORMATION"))
    undecodable = FailedRecord(Partition("scores", 0), 9, None, b"\xff", 1_372_651_200_000)
    error = "RecordError", "framing: begins with ff"
    letters.append(dead_letter(config, redactor, "joiner", undecodable, error, "VALUE_CONVERTER"))
    for one in letters:
        headers = [(name, content or b"") for name, content in one.headers or ()]
        produce_all(kafka.bootstrap, one.topic, [Write(one.value, one.key, one.partition, one.time_ms, headers)])
    return path


def test_dead_letters_are_shown_with_place_and_reason(cli: Cli, trial: Path) -> None:
    found = cli("dlq", trial)
    assert found.code == 0
    assert "3 × runner: CandidateError: TypeError" in found.err
    assert "4 of 4 dead letters shown" in found.err
    assert "payments/2@1" in found.out
    assert "TypeError: no score for 1" in found.out
    assert '{"amount": "x"}' in found.out


def test_dead_letters_are_chosen_by_role_and_reason(cli: Cli, trial: Path) -> None:
    rows = [json.loads(line) for line in cli("dlq", trial, "--role", "joiner", "--json").out.splitlines()]
    assert [(one["record"], one["stage"], one["value"]) for one in rows] == [("scores/0@9", "VALUE_CONVERTER", "\\xff")]
    rows = [json.loads(line) for line in cli("dlq", trial, "--reason", "score for 2", "--json").out.splitlines()]
    assert [one["key"] for one in rows] == ["k2"]
    assert len(cli("dlq", trial, "--limit", "1", "--json").out.splitlines()) == 1
    assert "give one of runner, joiner" in cli("dlq", trial, "--role", "judge").err


def test_a_trial_without_dead_letter_topics_has_none(kafka: Broker, cli: Cli, name: str, make_trial: MakeTrial) -> None:
    found = cli("dlq", make_trial(name=name, bootstrap=kafka.bootstrap))
    assert found.code == 0
    assert "0 of 0 dead letters shown" in found.err
