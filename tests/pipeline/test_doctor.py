"""`doctor` on a real broker: each finding is provoked, its printed fix is run, and the next run does not have it."""

import itertools
import json
import re
import shlex
import time
from typing import Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, not in __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from shadowstream.kafka.client.offsets import existing
from shadowstream.testing.topics import Write, create_topics, produce_all
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.trial_fixture import PARTITIONS, Trial

ORDERS = 60


def findings(trial: Trial) -> dict[str, dict[str, Any]]:
    """The last finding of each check."""
    done = trial.ask("doctor", "--json")
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
    assert findings(trial).keys() <= {"rights", "retention"}
    alter(trial.bootstrap, trial.input, retention_ms="3600000")
    alter(trial.bootstrap, trial.topic("stats"), retention_ms="3600000")
    found = findings(trial)
    assert (found["retention"]["severity"], found["topics"]["severity"]) == ("warn", "refuse")
    for check in ("retention", "topics"):
        run_configs_line(trial.bootstrap, found[check]["fix"])
    assert findings(trial).keys() == {"rights"}


def test_records_of_others_under_the_prefix_are_refused_and_not_adopted(trial: Trial) -> None:
    create_topics(
        trial.bootstrap, {trial.topic("stats"): PARTITIONS}, {"cleanup.policy": "delete", "retention.ms": "-1"}
    )
    produce_all(trial.bootstrap, trial.topic("stats"), [Write(b'{"not": "ours"}', b"k", 1)])
    client = AdminClient({"bootstrap.servers": trial.bootstrap})
    before = existing(client)
    found = findings(trial)["foreign_records"]
    assert (found["severity"], trial.topic("stats") in found["text"]) == ("refuse", True)
    for role in ("join", "judge"):
        done = trial.ask(role)
        assert (done.returncode, "holds records that shadowstream did not write" in done.stderr) == (2, True)
    assert existing(client) == before, "a refused start creates nothing"
    # A trial has begun by a mark in its topic of starts, not by whatever it holds.
    create_topics(trial.bootstrap, {trial.topic("starts"): 1})
    produce_all(trial.bootstrap, trial.topic("starts"), [Write(b"no mark", b"begin", 0)])
    for role in ("run", "join", "judge"):
        done = trial.ask(role)
        assert (done.returncode, "holds records that shadowstream did not write" in done.stderr) == (2, True)


def test_samples_of_production_are_held_against_config_and_clock(trial: Trial) -> None:
    alter(trial.bootstrap, trial.input, message_timestamp_after_max_ms=str(2**63 - 1))
    late = round(time.time() * 1000) + 86_400_000
    produce_all(trial.bootstrap, trial.input, [Write(b'{"n": 1}', b"order-1", 0, late)])
    again = [Write(b'{"id": "order-1", "score": %d}' % n, b"order-1", 1, 0) for n in range(ORDERS)]
    produce_all(trial.bootstrap, trial.output, again)
    found = findings(trial)
    assert "24 h ahead" in found["clock"]["text"]
    assert found["identity"]["severity"] == "warn"
    assert f"{2 * ORDERS} records of {trial.output} were sampled" == found["identity"]["evidence"]
    trial.write_config(
        production={"outputs": [trial.output], "group": f"{trial.name}-other", "commits": "after_output"}
    )
    assert f"{trial.name}-other has no commits on {PARTITIONS} partitions" in findings(trial)["commits"]["text"]
