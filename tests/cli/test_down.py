"""`down` and `list` on a broker: a trial is shown, and removed without a trace; nothing else is touched."""

import io
import json
import os
import sys
import time
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.errors import IsolationError
from shadowstream.kafka.trial.removal import groups_of, remove
from shadowstream.testing.choice import Broker
from shadowstream.testing.topics import create_topics
from tests import forked
from tests.cli.conftest import Cli, MakeTrial
from tests.cli.verdict_topic import Judged
from tests.pipeline.written_records import await_that

LIMIT_S = 30.0


@pytest.fixture(scope="module")
def kafka(own_kafka: Broker) -> Broker:
    """A broker with few trials: `list` reads of every trial on it."""
    return own_kafka


class Terminal(io.StringIO):
    """Standard input of a person."""

    def isatty(self) -> bool:
        return True


def topics_under(bootstrap: str, prefix: str) -> set[str]:
    found = AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=LIMIT_S).topics
    return {topic for topic in found if topic.startswith(prefix)}


@pytest.fixture
def trial(kafka: Broker, name: str, make_trial: MakeTrial, cli: Cli) -> Judged:
    """A trial with all its topics, a verdict, and a group that has committed."""
    path = make_trial(name=name, bootstrap=kafka.bootstrap)
    path.write_text(path.read_text().replace("payments", f"{name}-in").replace("scores", f"{name}-out"))
    create_topics(kafka.bootstrap, {f"{name}-in": 1, f"{name}-out": 1})
    assert cli("topics", "apply", path).code == 0
    found = Judged(path, kafka.bootstrap)
    found.say("promote")
    return found


def rows(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def member(bootstrap: str, group: str, topic: str) -> Consumer:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    deadline = time.monotonic() + LIMIT_S
    while not consumer.assignment() and time.monotonic() < deadline:
        consumer.poll(0.2)
    consumer.commit(offsets=[TopicPartition(topic, 0, 0)], asynchronous=False)
    return consumer


def test_a_trial_is_removed_without_a_trace_once_its_roles_have_ended(
    kafka: Broker, trial: Judged, cli: Cli, name: str
) -> None:
    prefix, admin = trial.config.plan.prefix, AdminClient({"bootstrap.servers": kafka.bootstrap})
    foreign, neighbour = f"{prefix}orders", f"shadow.{name}x.diff"
    create_topics(kafka.bootstrap, {foreign: 1, neighbour: 1})
    before = topics_under(kafka.bootstrap, prefix)
    running = member(kafka.bootstrap, f"{prefix}runner", f"{name}-in")
    refused = cli("down", trial.path, "--yes")
    assert refused.code == 2
    assert f"is running: these groups have members: {prefix}runner (1)" in refused.err
    shown = [one for one in rows(cli("list", trial.path, "--json").out) if one["name"] == name]
    assert [(one["decision"], one["roles"], one["revision"]) for one in shown] == [
        ("promote", ["runner"], trial.revision)
    ]
    running.close()
    asked = cli("down", trial.path)
    assert (asked.code, topics_under(kafka.bootstrap, prefix)) == (2, before)
    assert "nothing was removed" in asked.err
    kept = cli("down", trial.path, "--yes", "--keep-audit", "--json").json
    audit = {f"{prefix}{kind}" for kind in ("audit", "verdict", "commands")}
    assert set(kept["left"]) == {*audit, foreign} == topics_under(kafka.bootstrap, prefix)
    assert kept["groups"] == [f"{prefix}runner"]
    assert groups_of(admin, prefix) == ()
    assert f"left: {foreign} (shadowstream did not name it" in cli("down", trial.path, "--yes").err
    assert cli("down", trial.path, "--yes", "--foreign", "--json").json["left"] == []
    assert topics_under(kafka.bootstrap, prefix) == set()
    assert topics_under(kafka.bootstrap, f"{name}-") == {f"{name}-in", f"{name}-out"}
    assert topics_under(kafka.bootstrap, neighbour) == {neighbour}
    assert cli("down", trial.path, "--yes", "--json").json == {
        "trial": name, "topics": [], "groups": [], "left": []
    }  # fmt: skip


def test_a_judge_without_other_roles_is_seen_until_it_ends(kafka: Broker, trial: Judged, cli: Cli, name: str) -> None:
    def roles() -> list[str]:
        (shown,) = [one for one in rows(cli("list", trial.path, "--json").out) if one["name"] == name]
        return list(shown["roles"])

    command = [sys.executable, "-m", "shadowstream", "judge", str(trial.path)]
    judge = forked.Forked(command, cwd=trial.path.parent, env={**os.environ, "PYTHONPATH": str(trial.path.parent)})
    try:
        await_that("the judge is shown", lambda: roles() == ["judge"])
        refused = cli("down", trial.path, "--yes")
        assert (refused.code, "judge.present (1)" in refused.err) == (2, True)
    finally:
        judge.terminate()
        assert judge.wait(LIMIT_S) == 0
    await_that("it has left", lambda: roles() == [])
    assert cli("down", trial.path, "--yes").code == 0


def test_a_role_that_starts_while_the_question_is_open_keeps_the_trial(
    kafka: Broker, trial: Judged, cli: Cli, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = trial.config.plan.prefix
    before, started = topics_under(kafka.bootstrap, prefix), []

    def answer(question: str) -> bool:
        started.append(member(kafka.bootstrap, f"{prefix}runner", f"{name}-in"))
        return True

    monkeypatch.setattr("typer.confirm", answer)
    monkeypatch.setattr("sys.stdin", Terminal())
    refused = cli("down", trial.path)
    assert (refused.code, f"{prefix}runner (1)" in refused.err) == (2, True)
    assert topics_under(kafka.bootstrap, prefix) == before
    started[0].close()


def test_nothing_outside_the_prefix_can_be_removed(kafka: Broker, trial: Judged) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    with pytest.raises(IsolationError):
        remove(admin, trial.config, [trial.config.inputs[0]], [])
    with pytest.raises(IsolationError):
        remove(admin, trial.config, [], ["scorer"])
    assert topics_under(kafka.bootstrap, trial.config.inputs[0])


def test_list_asks_for_one_place_to_look_at(cli: Cli, make_trial: MakeTrial) -> None:
    for arguments in ((), (make_trial(), "--bootstrap", "localhost:1")):
        assert "give a config or --bootstrap HOST:PORT" in cli("list", *arguments).err
