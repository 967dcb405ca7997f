"""`pause`, `resume`, `sample set`: refused before anything is written where a command has no reason or is not safe."""

import json

import pytest

from shadowstream.codecs import own
from shadowstream.testing.choice import Broker
from shadowstream.testing.topics import create_topics, read_all
from tests.cli.conftest import Cli, MakeTrial

WHO = ("--by", "ana", "--reason", "quarter end")
SAMPLED = ('"fraud_candidate:score"}', '"fraud_candidate:score", sample: 0.5}')
KEYED = "identity: {kind: key}\n"
EXTERNAL = ('{trusted: true, call: "fraud_candidate:score"}', '{topic: scores-new, group: job, version: "2"}')


@pytest.mark.parametrize("words", [("pause",), ("resume",), ("sample", "set")])
@pytest.mark.parametrize("who", [("--by", " ", "--reason", "x"), ("--by", "ana", "--reason", "")])
def test_a_command_without_name_or_reason_is_refused(
    cli: Cli, make_trial: MakeTrial, words: tuple[str, ...], who: tuple[str, ...]
) -> None:
    share = ("0.1",) if "set" in words else ()
    done = cli(*words, make_trial(), *share, *who)
    assert (done.code, "must not be empty" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("share", "why"), [("0.6", "is above candidate.sample 0.5"), ("0", "above 0"), ("nan", "above 0")]
)
def test_an_unsafe_share_is_refused(cli: Cli, make_trial: MakeTrial, share: str, why: str) -> None:
    done = cli("sample", "set", make_trial(extra=KEYED, replaced=SAMPLED), share, *WHO)
    assert done.code == 2
    assert why in done.err


def test_an_external_candidate_is_not_paused_here(cli: Cli, make_trial: MakeTrial) -> None:
    done = cli("pause", make_trial(replaced=EXTERNAL), *WHO)
    assert done.code == 2
    assert "pause or sample it there" in done.err


def test_each_is_a_record_of_commands_under_the_trials_name(
    cli: Cli, make_trial: MakeTrial, kafka: Broker, topic_prefix: str
) -> None:
    name = topic_prefix.rstrip(".").lower()[-40:].strip("-_")
    topic = f"shadow.{name}.commands"
    create_topics(kafka.bootstrap, {topic: 1})
    path = make_trial(name, kafka.bootstrap, KEYED, SAMPLED)
    shown = [
        cli(*words, *WHO, "--json") for words in (("pause", path), ("resume", path), ("sample", "set", path, "0.1"))
    ]
    assert [one.code for one in shown] == [0, 0, 0]
    rows = read_all(kafka.bootstrap, topic)
    found = [own.read("command", row.value or b"") for row in rows]
    assert [(one["command"], one["share"]) for one in found] == [("pause", None), ("resume", None), ("sample", 0.1)]
    assert {(one["subject"], one["by"], one["reason"]) for one in found} == {(name, "ana", "quarter end")}
    assert {row.key for row in rows} == {name.encode()}
    assert json.loads(shown[2].out)["share"] == 0.1
