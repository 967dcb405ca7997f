"""`handover` on a broker: production and the new version are processes, and a shell runs the printed lines."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from shadowstream.codecs import own
from shadowstream.testing.choice import Broker
from shadowstream.testing.topics import create_topics, read_all
from tests.cli.conftest import Cli, MakeTrial
from tests.cli.verdict_topic import REVISION, Judged
from tests.pipeline.kafka_tools import Shell
from tests.pipeline.takeover_run import PARTITIONS, Takeover, lines_of, offsets_of
from tests.pipeline.written_records import await_that

QUICK = ("--by", "ann", "--watch", "1s")


@pytest.fixture
def trial(kafka: Broker, name: str, make_trial: MakeTrial) -> Judged:
    """A trial with topics of its own, its verdict a promote."""
    path = make_trial(name=name, bootstrap=kafka.bootstrap)
    words = {"payments": f"{name}-in", "scores": f"{name}-out", "scorer": f"{name}-production"}
    text = path.read_text()
    for word, replacement in words.items():
        text = text.replace(f"[{word}]", f"[{replacement}]").replace(f"group: {word}", f"group: {replacement}")
    path.write_text(text)
    found = Judged(path, kafka.bootstrap)
    found.create()
    create_topics(kafka.bootstrap, {words["payments"]: PARTITIONS, words["scores"]: PARTITIONS})
    found.say("promote")
    return found


@pytest.fixture
def takeover(trial: Judged, name: str, tmp_path: Path) -> Iterator[Takeover]:
    with Takeover(trial.bootstrap, f"{name}-in", f"{name}-out", Shell(tmp_path)) as found:
        yield found


def commit(trial: Judged, offsets: dict[int, int], group: str | None = None) -> None:
    """Commit as a consumer that assigns partitions itself."""
    named = group or trial.config.production.group
    consumer = Consumer({"bootstrap.servers": trial.bootstrap, "group.id": named, "enable.auto.commit": False})
    places = [TopicPartition(trial.config.inputs[0], partition, offset) for partition, offset in offsets.items()]
    consumer.commit(offsets=places, asynchronous=False)
    consumer.close()


def commits_of(trial: Judged, group: str) -> list[int]:
    consumer = Consumer({"bootstrap.servers": trial.bootstrap, "group.id": group, "enable.auto.commit": False})
    places = [TopicPartition(trial.config.inputs[0], partition) for partition in range(PARTITIONS)]
    found = [one.offset for one in consumer.committed(places, 30)]
    consumer.close()
    return found


def commands_of(trial: Judged) -> list[dict[str, Any]]:
    return [own.decode(one.value or b"")[1] for one in read_all(trial.bootstrap, trial.config.plan.of("commands"))]


def test_printed_lines_hand_over_and_back_and_every_input_is_answered_once(
    cli: Cli, trial: Judged, takeover: Takeover
) -> None:
    group = trial.config.production.group or ""
    takeover.write(60)
    old = takeover.start("old", group, "earliest")
    takeover.await_answers(20)
    running = cli("handover", trial.path, *QUICK, "--json")
    assert (running.code, running.json["final"], running.json["recorded"]) == (4, False, None)
    assert "production still commits" in running.json["obstacles"][0]["text"]
    takeover.stop(old)
    takeover.write(40)

    final = cli("handover", trial.path, *QUICK, "--json")
    assert (final.code, final.json["final"]) == (0, True), final.out
    plan = final.json
    before = commits_of(trial, group)
    written = takeover.shell.run(lines_of(plan["steps"], but=("Take the offsets", "End the trial")))
    assert "Empty" in written
    assert commits_of(trial, group) == before == [offsets_of(plan)[at] for at in range(PARTITIONS)]
    new = takeover.start("new", plan["group"])
    takeover.check_each_once(["old", "new"])
    assert all(offset == offsets_of(plan)[at] for at, offset in takeover.firsts("new").items())

    takeover.write(30)
    takeover.await_answers(takeover.written - 5)
    takeover.stop(new)
    takeover.shell.run(lines_of(plan["way_back"], but=("Only where the new version's answers must be replaced",)))
    takeover.write(30)
    takeover.start("again", group)
    takeover.check_each_once(["old", "new", "again"])
    (record,) = commands_of(trial)
    assert (record["command"], record["subject"], record["by"]) == ("handover", trial.revision, "ann")
    assert (record["group"], record["offsets"]) == (group, plan["recorded"]["offsets"])


@pytest.mark.parametrize(("decision", "code"), [("reject", 3), ("not_yet", 4)])
def test_without_a_promote_of_this_revision_there_is_no_plan(decision: str, code: int, cli: Cli, trial: Judged) -> None:
    trial.say(decision)
    result = cli("handover", trial.path, *QUICK)
    assert (result.code, "kafka-consumer-groups" in result.out) == (code, False)
    assert f"because {decision}" in result.out
    trial.say("promote", REVISION)
    assert cli("handover", trial.path, *QUICK, "--json").code == code, "the promote is of another revision"
    assert commands_of(trial) == []


def test_it_commits_nothing_and_names_what_hinders(cli: Cli, trial: Judged, takeover: Takeover) -> None:
    group = trial.config.production.group or ""
    absent = cli("handover", trial.path, *QUICK)
    assert (absent.code, f"the cluster shows no group {group}" in absent.out) == (4, True)
    takeover.write(20)
    commit(trial, {0: 4})
    result = cli("handover", trial.path, *QUICK)
    assert result.code == 4
    assert f"production has no commit of {takeover.source}/1, which hold records" in result.out
    (line,) = [line for line in result.out.splitlines() if "--reset-offsets" in line and "--to-earliest" in line]
    takeover.shell.run([line])
    assert commits_of(trial, group) == [4, 0]
    assert commands_of(trial) == []
    commit(trial, {1: 99})
    assert "beyond the end of the log" in cli("handover", trial.path, *QUICK).out
    commit(trial, {1: 7})
    final = cli("handover", trial.path, *QUICK)
    assert (final.code, final.out.splitlines()[0]) == (0, "final")
    assert "recorded by ann" in final.out
    assert commits_of(trial, group) == [4, 7]


@pytest.mark.long
def test_a_group_of_the_new_versions_own_gets_the_exact_offsets(cli: Cli, trial: Judged, takeover: Takeover) -> None:
    group, own_group = trial.config.production.group or "", f"{trial.config.name}-next"
    takeover.write(20)
    commit(trial, {0: 4, 1: 7})
    plan = cli("handover", trial.path, *QUICK, "--json", "--new-group", own_group).json
    (step,) = [step for step in plan["steps"] if step["title"] == f"Set the offsets of group {own_group}"]
    takeover.shell.run(step["commands"])
    assert (commits_of(trial, own_group), commits_of(trial, group)) == ([4, 7], [4, 7])
    commit(trial, {0: 9, 1: 10}, own_group)
    takeover.shell.run(plan["way_back"][1]["commands"])
    assert commits_of(trial, group) == [9, 10]


def test_an_open_transaction_of_production_is_waited_for(cli: Cli, trial: Judged, takeover: Takeover) -> None:
    """Killed within a transaction: its answers and its commits are undecided until it ends."""
    takeover.write(20)
    commit(trial, {0: 4, 1: 7})
    settings = {"bootstrap.servers": trial.bootstrap, "transactional.id": f"{takeover.target}.app"}
    killed = Producer(settings)
    killed.init_transactions(30)
    killed.begin_transaction()
    killed.produce(takeover.target, b"{}", partition=1)
    consumer = Consumer({"bootstrap.servers": trial.bootstrap, "group.id": trial.config.production.group})
    places = [TopicPartition(takeover.source, 0, 9)]
    killed.send_offsets_to_transaction(places, consumer.consumer_group_metadata(), 30)
    consumer.close()
    killed.flush(30)
    held = cli("handover", trial.path, *QUICK, "--json").json
    (obstacle,) = held["obstacles"]
    assert (held["final"], held["recorded"]) == (False, None)
    assert obstacle["text"] == f"an open transaction holds commits of production: {takeover.source}/0"
    assert any(f"open on production's outputs, at {takeover.target}/1@0" in note for note in held["notes"])
    Producer(settings).init_transactions(30)  # as the remedy says: a new producer with its transactional.id
    final = cli("handover", trial.path, *QUICK, "--json").json
    assert (final["final"], offsets_of(final)) == (True, {0: 4, 1: 7}), final["obstacles"]
    assert not any("open on production's outputs" in note for note in final["notes"])


@pytest.mark.parametrize("protocol", [pytest.param("classic", marks=pytest.mark.long), "consumer"])
def test_members_of_either_protocol_are_seen(protocol: str, cli: Cli, trial: Judged, takeover: Takeover) -> None:
    takeover.write(4)
    group = {"group.id": trial.config.production.group, "group.protocol": protocol, "enable.auto.commit": False}
    consumer = Consumer({"bootstrap.servers": trial.bootstrap, "auto.offset.reset": "earliest", **group})
    consumer.subscribe([takeover.source])
    await_that("it has partitions", lambda: bool(consumer.poll(0.2) and consumer.assignment()))
    places = [TopicPartition(takeover.source, at, 1) for at in range(PARTITIONS)]
    consumer.commit(offsets=places, asynchronous=False)
    result = cli("handover", trial.path, *QUICK)
    assert (result.code, "production still commits" in result.out) == (4, True)
    consumer.close()
    assert cli("handover", trial.path, *QUICK).code == 0


@pytest.mark.parametrize(
    ("given", "part"),
    [
        (("--by", " "), "--by: must not be empty"),
        ((*QUICK, "--new-group", "shadow.other.runner"), "--new-group 'shadow.other.runner'"),
        ((*QUICK, "--new-group", "scorer"), "--new-group 'scorer'"),
        ((), "Missing option '--by'"),
    ],
)
def test_arguments_that_cannot_be_are_refused(
    given: tuple[str, ...], part: str, cli: Cli, make_trial: MakeTrial
) -> None:
    result = cli("handover", make_trial(), *given)
    assert (result.code, part in result.err) == (2, True)


def test_the_commands_that_it_prints_work_from_any_folder(cli: Cli, trial: Judged) -> None:
    printed = json.loads(cli("handover", trial.path, *QUICK, "--reason", "as agreed", "--json").out)["steps"]
    (line,) = printed[1]["commands"]
    assert shlex.split(line)[:3] == ["shadowstream", "handover", str(trial.path)]
    assert "'as agreed'" in line
    (trial.path.parent / "old_version.py").write_text("def score(value):\n    return value\n")
    _, line, _ = printed[-1]["text"][0].split("`")
    watched = cli(*(word.replace("OLD", "old_version:score") for word in shlex.split(line)[1:]))
    assert (watched.code, (trial.path.parent / "back.yaml").exists()) == (0, True), watched.err
