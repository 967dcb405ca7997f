"""What our own engines need on the broker: a config, the groups' commits, and the start said by the watcher."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import Consumer, TopicPartition

from bench.workloads import ATOL, PARTITIONS, SCHEMA_ID, Topics
from shadowstream.codecs import own
from shadowstream.configfile import load
from shadowstream.health import RoleHealth
from shadowstream.kafka.client.consumers import Stoppable
from shadowstream.kafka.reading.marks import MarksReader
from shadowstream.kafka.roles import external_candidate
from shadowstream.revision import revision_of
from shadowstream.testing.topics import read_all


def write_config(bootstrap: str, topics: Topics, name: str, folder: Path) -> Path:
    """The config of a trial of two topics that somebody has filled."""
    document: dict[str, Any] = {
        "name": name,
        "kafka": {"bootstrap": bootstrap},
        "schemas": {"dir": str(folder / topics.stem)},
        "inputs": [topics.input],
        "production": {"outputs": [topics.production], "group": f"{name}-production", "commits": "after_output"},
        "candidate": {
            "topic": topics.shadow,
            "group": f"{name}-candidate",
            "version": "2",
            "commits": "after_output",
        },
        "start": "earliest",
        "identity": {"kind": "key"},
        "compare": {
            "rules": [{"path": "score", "atol": ATOL}, {"path": "model", "ignore": True}],
            "dimensions": [{"name": "label", "path": "label"}, {"name": "country", "path": "country"}],
        },
        "judge": {"window_ms": 60_000},
        "limits": {"commit_ms": 1_000, "commit_records": 1_000_000},
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    return path


def write_runner_config(bootstrap: str, topics: Topics, name: str, folder: Path, call: str = "same") -> Path:
    """The config of a trial whose input is the workload's production topic; its candidate is one of `noop`."""
    schemas = folder / name
    schemas.mkdir(exist_ok=True)
    (schemas / f"{SCHEMA_ID}.{topics.found}-value.avsc").write_text(json.dumps(topics.workload.schema), "utf-8")
    document: dict[str, Any] = {
        "name": name,
        "kafka": {"bootstrap": bootstrap},
        "schemas": {"dir": str(schemas)},
        "inputs": [topics.production],
        "production": {"outputs": [topics.found], "group": f"{name}-production", "commits": "after_output"},
        "candidate": {
            "call": f"bench.engines.noop:{call}",
            "takes": "batch",
            "isolation": "in-process",
            "trusted": True,
            "partitioner": "input",
        },
        "start": "earliest",
        "bounded": True,
        "limits": {"commit_ms": 1_000, "commit_records": 1_000_000},
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    return path


def say_start(bootstrap: str, config_path: Path, topics: Topics) -> None:
    """Commit both groups to the inputs' ends, and let the watcher say the start of the trial."""
    config = load(config_path)
    for group in (config.production.group, config.candidate.group):
        consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
        consumer.commit(offsets=[TopicPartition(topics.input, p, 1) for p in range(PARTITIONS)], asynchronous=False)
        consumer.close()

    class UntilSaid(Stoppable):
        """Stopped once the marks hold as many lines as there are inputs, beside the start."""

        @property
        def stopped(self) -> bool:
            return self._said() > PARTITIONS

        def _said(self) -> int:
            reader = MarksReader(config, "bench")
            try:
                return sum(1 for _ in reader.to_end())
            finally:
                reader.close()

    external_candidate.run(config, revision_of(config), UntilSaid(), RoleHealth(config.name, "runner"))


def committed_outcomes(bootstrap: str, name: str) -> Counter[str]:
    """All outcomes in the trial's stats, read back without the joiner: what has been committed exactly once."""
    found: Counter[str] = Counter()
    for read in read_all(bootstrap, f"shadow.{name}.stats"):
        for window in own.decode(read.value or b"")[1]["windows"]:
            found.update(window["outcomes"])
    return +found
