"""`doctor` on a real broker: each finding is provoked, its printed fix is run, and the next run does not have it."""

import itertools
import json
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, not in __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from shadowstream.codecs.framing import framed
from shadowstream.compare.redact import DROPPED
from shadowstream.kafka.client.consumers import BASE_CONSUMER
from shadowstream.testing.topics import Write, create_topics, produce_all
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.trial_fixture import PARTITIONS, Trial
from tests.pipeline.written_records import await_that

ORDERS = 60


def findings(trial: Trial, limit_s: float = 60.0) -> dict[str, dict[str, Any]]:
    """The last finding of each check."""
    done = trial.ask("doctor", "--json", limit_s=limit_s)
    assert done.returncode in (0, 2), done.stderr
    return {one["check"]: one for one in map(json.loads, done.stdout.splitlines())}


def alter(bootstrap: str, topic: str, **settings: str) -> None:
    changes = [
        ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for name, value in settings.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=changes)
    client = AdminClient({"bootstrap.servers": bootstrap})
    for future in client.incremental_alter_configs([resource]).values():
        future.result(30)


def run_configs_line(bootstrap: str, line: str) -> None:
    """Do as the printed `kafka-configs` command says."""
    words = shlex.split(line)
    options = dict(itertools.pairwise(words))
    pairs = re.findall(r"([a-z.]+)=(\[[^]]*\]|[^,]*)", options["--add-config"])
    alter(bootstrap, options["--entity-name"], **{name.replace(".", "_"): value.strip("[]") for name, value in pairs})


@pytest.fixture
def trial(make_trial: MakeTrial) -> Trial:
    return make_trial("doctor-").answered(ORDERS)


def test_missing_topics_and_wrong_settings_are_found_and_mended(trial: Trial) -> None:
    first = findings(trial)
    assert first["rights"]["severity"] == "note"
    assert first["topics"]["fix"] == "shadowstream topics apply"
    assert trial.ask("topics", "apply").returncode != 0  # an argument, not a command
    assert trial.ask(first["topics"]["fix"].removeprefix("shadowstream ")).returncode == 0
    assert findings(trial).keys() <= {"rights", "retention", "groups"}
    alter(trial.bootstrap, trial.input, retention_ms="3600000")
    alter(trial.bootstrap, trial.topic("stats"), retention_ms="3600000")
    found = findings(trial)
    assert (found["retention"]["severity"], found["topics"]["severity"]) == ("warn", "refuse")
    for check in ("retention", "topics"):
        run_configs_line(trial.bootstrap, found[check]["fix"])
    assert findings(trial).keys() == {"rights", "groups"}, "production of a test runs no more"


def test_samples_of_production_are_held_against_config_and_clock(trial: Trial) -> None:
    alter(trial.bootstrap, trial.input, message_timestamp_after_max_ms=str(2**63 - 1))
    late = round(time.time() * 1000) + 86_400_000

    dated_ahead = [Write(b'{"n": 1}', b"order-1", 0, late)]
    # The broker answers a change of a topic's settings before it applies it.
    await_that("the record is written", lambda: produce_all(trial.bootstrap, trial.input, dated_ahead) == 1, 30)
    again = [Write(b'{"id": "order-1", "score": %d}' % n, b"order-1", 1, 0) for n in range(ORDERS)]
    produce_all(trial.bootstrap, trial.output, again)
    found = findings(trial)
    assert "24 h ahead" in found["clock"]["text"]
    assert found["identity"]["severity"] == "warn"
    assert f"{2 * ORDERS} records of {trial.output} were sampled" == found["identity"]["evidence"]
    fixed = yaml.safe_load(found["identity"]["fix"])
    fixed |= yaml.safe_load(re.search(r"future_ms_max: [0-9]+", found["clock"]["fix"])[0])  # type: ignore[index]  # it is
    trial.write_config(**fixed)
    assert not findings(trial).keys() & {"clock", "identity"}


def test_a_partitioner_that_nothing_explains_is_noted(make_trial: MakeTrial) -> None:
    trial = make_trial("doctor-").answered(300, partitioner=lambda key: sum(key) // 2 % PARTITIONS)
    found = findings(trial)["partitioner"]
    assert (found["severity"], found["fix"]) == ("note", "")
    assert f"will be copied to {trial.topic('repartition.')}{trial.output}" in found["text"]


def test_commits_come_once_production_has_the_named_group(trial: Trial) -> None:
    late = Trial(trial.bootstrap, trial.name, trial.folder, settings={"start": "earliest", "bounded": True})
    late.write_config(production={"outputs": [trial.output], "group": f"{trial.name}-other", "commits": "after_output"})
    found = findings(trial)
    assert f"{trial.name}-other has no commits on {PARTITIONS} partitions" in found["commits"]["text"]
    assert f"{trial.name}-other has no members" in found["groups"]["text"]
    trial.write_config()
    with reading(trial.bootstrap, trial.group, trial.input):
        assert not findings(trial).keys() & {"commits", "groups"}


@contextmanager
def reading(bootstrap: str, group: str, topic: str) -> Iterator[None]:
    """A program that reads a topic in a group."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "client.id": "other", **BASE_CONSUMER})
    consumer.subscribe([topic])

    def is_assigned() -> bool:
        consumer.poll(0.1)
        return bool(consumer.assignment())

    try:
        await_that("it is a member", is_assigned)
        yield
    finally:
        consumer.close()


def test_members_of_other_programs_are_named_until_they_leave(trial: Trial) -> None:
    with (
        reading(trial.bootstrap, trial.group, trial.output),
        reading(trial.bootstrap, trial.topic("joiner"), trial.input),
    ):
        done = trial.ask("doctor", "--role", "operator", "--json")
        named = [one for one in map(json.loads, done.stdout.splitlines()) if one["check"] == "groups"]
        assert [one["severity"] for one in named] == ["warn", "warn"]
        texts = " ".join(one["text"] for one in named)
        assert f"production.group {trial.group} reads none of the inputs: {trial.output}" in texts
        assert f"group {trial.topic('joiner')} is not of this trial" in texts
        assert all("client id other, host 127.0.0.1" in one["fix"] for one in named)
    assert findings(trial)["groups"]["text"].startswith(f"production.group {trial.group} has no members")


def test_an_open_transaction_is_named_until_it_ends(trial: Trial) -> None:
    writer = Producer({"bootstrap.servers": trial.bootstrap, "transactional.id": f"{trial.name}-production"})
    writer.init_transactions(30)
    writer.begin_transaction()
    writer.produce(trial.output, b"{}", b"k", 0)
    assert writer.flush(30) == 0
    found = findings(trial)["open_transaction"]
    assert f"a transaction is open on {trial.output}/0" in found["text"]
    assert f"abort --topic {trial.output} --partition 0 --start-offset {ORDERS // PARTITIONS}" in found["fix"]
    writer.abort_transaction(30)
    await_that("the transaction has ended", lambda: "open_transaction" not in findings(trial))


def test_a_timeout_beyond_the_brokers_is_named_by_each_transactional_role(trial: Trial) -> None:
    trial.write_config(limits={"transaction_timeout_ms": 900_001})
    done = trial.ask("doctor", "--json")
    named = [one for one in map(json.loads, done.stdout.splitlines()) if one["check"] == "transactions"]
    assert (done.returncode, [one["role"] for one in named]) == (2, ["runner", "joiner", "judge"])
    limit = int(re.search(r"[0-9]+", named[0]["fix"])[0])  # type: ignore[index]  # it names the limit
    trial.write_config(limits={"transaction_timeout_ms": limit})
    assert "transactions" not in findings(trial)


def test_a_compacted_source_is_named_until_it_keeps_what_is_unread(trial: Trial) -> None:
    alter(trial.bootstrap, trial.output, cleanup_policy="compact")
    found = findings(trial)["cleanup"]
    assert found["text"].startswith(f"topic {trial.output} is compacted")
    run_configs_line(trial.bootstrap, found["fix"])
    assert "cleanup" not in findings(trial)


def test_schemas_that_make_every_pair_differ_are_named_and_mended(trial: Trial) -> None:
    schemas = trial.folder / "schemas"
    schemas.mkdir()
    record: dict[str, Any] = {"type": "record", "name": "Score", "fields": [{"name": "score", "type": "double"}]}
    named = {"name": "id", "type": "string"}
    (schemas / f"1.{trial.output}-value.avsc").write_text(json.dumps({**record, "fields": [named, *record["fields"]]}))
    trial.write_config(schemas={"dir": str(schemas)})
    written = framed(1) + b"\x02a" + bytes(8)
    produce_all(trial.bootstrap, trial.output, [Write(written, b"order-a", n % PARTITIONS, 0) for n in range(3)])
    assert "schemas" not in findings(trial)
    (schemas / f"2.{trial.output}-value.avsc").write_text(json.dumps(record))
    found = findings(trial)["schemas"]
    assert "production writes schema 1 and the candidate schema 2: removed id" in found["text"]
    assert subprocess.run(shlex.split(found["fix"]), check=False).returncode == 0
    assert "schemas" not in findings(trial)
    produce_all(trial.bootstrap, trial.output, [Write(framed(7) + b"a", b"order-b", 0, 0)])
    lacking = findings(trial)["schemas"]
    assert f"topic {trial.output}: 1 of " in lacking["text"]
    assert "schema 7 is unknown" in lacking["evidence"]
    produce_all(trial.bootstrap, trial.output, [Write(b"ada@example", b"order-c", 0, 0)] * 2)
    trial.write_config(schemas={"dir": str(schemas)}, compare={"examples": {"values": "numbers"}})
    broken = findings(trial)["schemas"]
    assert (broken["text"].split(": ")[1][:5], broken["evidence"]) == ("3 of ", f"framing: {DROPPED}")
    (schemas / "7.other-value.avsc").write_text('"boolean"')
    assert "cannot be decoded" not in findings(trial).get("schemas", {}).get("text", "")


def test_the_printed_line_removes_a_foreign_topic(trial: Trial) -> None:
    create_topics(trial.bootstrap, {trial.topic("stats"): PARTITIONS})
    produce_all(trial.bootstrap, trial.topic("stats"), [Write(b"foreign", b"k", 1)])
    fix = findings(trial)["foreign_records"]["fix"].partition(" (")[0]
    assert fix == f"kafka-topics --bootstrap-server {trial.bootstrap} --delete --topic {trial.topic('stats')}"
    client = AdminClient({"bootstrap.servers": trial.bootstrap})
    for future in client.delete_topics([fix.split()[-1]]).values():
        future.result(30)
    assert "foreign_records" not in findings(trial)
