"""`init` on a real broker: asked on a terminal and with --yes, it writes a config that holds, and it only reads."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.kafka.client.offsets import existing
from shadowstream.testing.choice import Broker
from shadowstream.testing.topics import Write, create_topics, produce_all, read_all
from tests import forked
from tests.cli.conftest import Cli

RECORDS, PARTITIONS = 300, 2
FIRST_MS = 1_767_225_600_000
CANDIDATE = 'def score(payment):\n    return {"score": payment["amount"] / 1000, "model_version": "2.0"}\n'


@pytest.fixture(scope="module")
def kafka(own_kafka: Broker) -> Broker:
    return own_kafka


@pytest.fixture
def topics(kafka: Broker, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Payments and their scores, with production's commits; the candidate is in the working folder."""
    inputs, outputs = f"{name}-payments", f"{name}-scores"
    create_topics(kafka.bootstrap, {inputs: PARTITIONS, outputs: PARTITIONS, f"{name}-empty": 1})
    for topic in (inputs, outputs):
        produce_all(kafka.bootstrap, topic, [_write(topic == inputs, n) for n in range(RECORDS)])
    commit(kafka.bootstrap, f"{name}-model", inputs)
    (tmp_path / "candidate.py").write_text(CANDIDATE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return inputs, outputs


def _write(is_input: bool, n: int) -> Write:
    payment = {"amount": n * 37 % 1_000}
    value = payment if is_input else {"score": payment["amount"] / 1000, "model_version": "1.0"}
    return Write(json.dumps(value).encode(), b"payment-%d" % n, None, FIRST_MS + n * 1_000)


def commit(bootstrap: str, group: str, topic: str) -> None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    offsets = [TopicPartition(topic, partition, 100) for partition in range(PARTITIONS)]
    consumer.commit(offsets=offsets, asynchronous=False)
    consumer.close()


def groups(bootstrap: str) -> set[str]:
    client = AdminClient({"bootstrap.servers": bootstrap})
    return {one.group_id for one in client.list_consumer_groups().result(30).valid}


def test_the_file_validates_and_its_samples_are_clean(kafka: Broker, topics: tuple[str, str], cli: Cli) -> None:
    inputs, outputs = topics
    client = AdminClient({"bootstrap.servers": kafka.bootstrap})
    before = existing(client), groups(kafka.bootstrap), [read_all(kafka.bootstrap, topic) for topic in topics]
    words = ("init", "--bootstrap", kafka.bootstrap, "--inputs", inputs, "--outputs", outputs)
    found = cli(*words, "--candidate", "candidate:score", "--yes", "--json")
    assert found.code == 0, found.err
    assert found.json["identity"] == {"kind": "key"}
    assert found.json["group"] == inputs.replace("payments", "model")
    assert found.json["notes"] == []
    assert (existing(client), groups(kafka.bootstrap)) == before[:2]
    assert [read_all(kafka.bootstrap, topic) for topic in topics] == before[2]
    assert cli("validate", "trial.yaml").code == 0
    doubts = [json.loads(line) for line in cli("doctor", "trial.yaml", "--role", "runner", "--json").out.splitlines()]
    assert {one["check"] for one in doubts if one["severity"] != "note"} == set()
    again = cli(*words, "--candidate", "candidate:score", "--yes")
    assert (again.code, "trial.yaml exists" in again.err) == (2, True)
    forced = cli(*words, "--candidate", "nowhere:score", "--yes", "--force")
    assert (forced.code, "not usable yet: candidate.call: there is no module" in forced.err) == (0, True)


def test_without_a_terminal_the_missing_option_is_named(kafka: Broker, topics: tuple[str, str], cli: Cli) -> None:
    options = {"--inputs": topics[0], "--outputs": topics[1], "--candidate": "candidate:score", "--yes": ""}
    for left_out in options:
        words = [word for name, value in options.items() if name != left_out for word in (name, value) if word]
        done = cli("init", "--bootstrap", kafka.bootstrap, *words)
        assert (done.code, done.err.startswith(f"error: {left_out}: ")) == (2, True), done.err
    assert not Path("trial.yaml").exists()


def test_empty_topics_and_small_bounds_are_reported(
    kafka: Broker, topics: tuple[str, str], name: str, cli: Cli
) -> None:
    words = ("init", "--bootstrap", kafka.bootstrap, "--candidate", "candidate:score", "--yes", "--json")
    bounded = cli(*words, "--inputs", topics[0], "--outputs", topics[1], "--records", "50", "--bytes", "500")
    assert all(one["limits"] == ["500 bytes (--bytes)"] for one in bounded.json["topics"])
    empty = cli(*words, "--inputs", topics[0], "--outputs", f"{name}-empty", "--out", "empty.yaml")
    assert (empty.json["fits"], empty.json["topics"][1]["records"]) == (False, 0)
    text = Path("empty.yaml").read_text()
    assert "no record yet" in text
    assert "No output was sampled, so this is a guess" in text
    assert cli("validate", "empty.yaml").code == 0


def on_a_terminal(words: list[str], answers: list[tuple[str, str]]) -> tuple[int, str]:
    """Run the program on a terminal; answer each question once its text is there. Return exit code and all it shows."""
    master, slave = pty.openpty()
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(forked.ROOT), os.getcwd())), "COLUMNS": "80"}
    shown, left = "", list(answers)
    with subprocess.Popen(
        [sys.executable, "-m", "shadowstream", *words], stdin=slave, stdout=slave, stderr=slave, env=env
    ) as process:
        os.close(slave)
        at = 0
        while True:
            try:
                part = os.read(master, 65_536)
            except OSError:  # Linux reports so that the last writer has closed a terminal
                break
            shown += part.decode()
            if left and left[0][0] in shown[at:] and shown.rstrip(" ").endswith((":", "?")):
                at = len(shown)
                os.write(master, f"{left.pop(0)[1]}\n".encode())
        code = process.wait(60)
    os.close(master)
    assert left == [], shown
    return code, shown


def test_a_person_is_asked_only_what_no_sample_shows(
    kafka: Broker, topics: tuple[str, str], name: str, cli: Cli
) -> None:
    commit(kafka.bootstrap, f"{name}-other", topics[0])
    answers = [
        ("Topics that production reads", "no-such-topic"),
        ("Topics that production reads", topics[0]),
        ("Topics that production writes", topics[0]),
        ("Topics that production writes", topics[1]),
        ("Candidate", "candidate"),
        ("Candidate", "candidate:score"),
        ("Which is production's?", "1"),
        ("after its outputs are flushed?", "y"),
        ("Judge the records that are there", "y"),
        ("May the candidate's value differ", "y"),
    ]
    code, shown = on_a_terminal(["init", "--bootstrap", kafka.bootstrap], answers)
    assert code == 0, shown
    plain = re.sub(r"\s+", " ", shown)
    assert "the cluster shows no topic 'no-such-topic'" in plain
    assert "is an input already" in plain
    found = json.loads(cli("config", "show", "trial.yaml", "--json").out)
    assert found["production"]["group"] in (f"{name}-model", f"{name}-other")
    assert (found["production"]["commits"], found["start"], found["bounded"]) == ("after_output", "earliest", True)
    assert [(rule["path"], rule["ignore"]) for rule in found["compare"]["rules"]] == [("model_version", True)]
    assert cli("validate", "trial.yaml").code == 0
