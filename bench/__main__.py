"""Run engines on workloads and write what they took to bench/results.json and into the README.

`python -m bench --pairs 100000 --workloads flat-100 --engines raw-python shadowstream` for a look; `--write` for keeps.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient

from bench import environments, java_engines, ours, table
from bench.conditions import conditions, since
from bench.java_engines import Absent
from bench.measure import EngineFailed, Run, run
from bench.workloads import ATOL, NAMES, PARTITIONS, Topics, Workload, load, mismatches_of
from shadowstream.native import library
from shadowstream.testing.embedded import EmbeddedKafka
from shadowstream.testing.kafka_jars import KAFKA_VERSION

ROOT = Path(__file__).resolve().parents[1]
PAIRS = 1_000_000
OTHERS_SHARE = 0.2
"""Of the pairs of the README's workload so many on each other one: a whole run has to end within half an hour."""
LIMIT_S = 600.0


@dataclass(frozen=True)
class Engine:
    """How an engine is started, and on what share of the pairs: slow ones run on fewer."""

    command: Callable[[Place, str], list[str]]
    version: str
    share: float = 1.0


@dataclass
class Place:
    """The broker, and the folder of this run."""

    kafka: EmbeddedKafka
    folder: Path
    loaded: set[Topics]

    def topics(self, workload: str, pairs: int) -> Topics:
        """The workload on the broker."""
        topics = Topics(Workload(workload), pairs)
        if topics not in self.loaded:
            print(f"loading {topics.stem}", file=sys.stderr)
            topics.workload.write_schema(self.folder / topics.stem)
            load(self.kafka.bootstrap, topics)
            self.loaded.add(topics)
        return topics

    def drop(self) -> None:
        """Remove what was loaded: a gigabyte a topic of the large workloads."""
        client = AdminClient({"bootstrap.servers": self.kafka.bootstrap})
        names = [name for topics in self.loaded for name in topics.names]
        for gone in client.delete_topics(names).values():
            gone.result(30)

    def asked(self, topics: Topics, engine: str) -> dict[str, Any]:
        return {
            "bootstrap": self.kafka.bootstrap,
            "production": topics.production,
            "shadow": topics.shadow,
            "found": topics.found,
            "schema": str(next((self.folder / topics.stem).iterdir())),
            "pairs": topics.pairs,
            "partitions": PARTITIONS,
            "atol": ATOL,
            "headers": False,
            "config": str(self.folder / f"{name_of(topics, engine)}.yaml"),
        }


def name_of(topics: Topics, engine: str) -> str:
    """The name of a trial of ours."""
    return f"b-{topics.workload.name}-{topics.pairs}-{engine}".replace(".", "-")


def python(module: str, peer: str | None = None) -> Callable[[Place, str], list[str]]:
    def command(place: Place, spec: str) -> list[str]:
        executable = str(environments.python_of(peer)) if peer else sys.executable
        return [executable, "-m", f"bench.engines.{module}", f"{spec}.json"]

    return command


def java(main: str, *arguments: str) -> Callable[[Place, str], list[str]]:
    return lambda place, spec: java_engines.command(place.folder, main, f"{spec}.properties", *arguments)


_OURS = f"shadowstream {version('shadowstream')}"
_CLIENT = f"confluent-kafka {version('confluent-kafka')}"
WITHOUT_KERNEL = "env", f"{library.SWITCH}=0"
JOINERS = "shadowstream", "shadowstream-python"
ENGINES = {
    "raw-python": Engine(python("raw_python"), _CLIENT),
    "hand-python": Engine(python("hand_python"), f"{_CLIENT}, fastavro {version('fastavro')}", 0.3),
    "hand-java": Engine(java("HandJoin"), f"kafka-clients {KAFKA_VERSION}, avro {java_engines.AVRO_VERSION}"),
    "kafka-streams-alo": Engine(java("StreamsJoin", "alo"), f"kafka-streams {KAFKA_VERSION}", 0.3),
    "kafka-streams-eos": Engine(java("StreamsJoin", "eos"), f"kafka-streams {KAFKA_VERSION}", 0.3),
    "kafka-streams-left": Engine(java("StreamsJoin", "left"), f"kafka-streams {KAFKA_VERSION}", 0.3),
    "quix": Engine(python("quix", "quix"), f"quixstreams {environments.version_of('quix')}", 0.03),
    "faust": Engine(python("faust_agents", "faust"), f"faust-streaming {environments.version_of('faust')}", 0.03),
    "bytewax": Engine(python("bytewax_flow", "bytewax"), f"bytewax {environments.version_of('bytewax')}", 0.1),
    "shadowstream": Engine(python("shadow"), _OURS),
    "shadowstream-python": Engine(
        lambda place, spec: [*WITHOUT_KERNEL, *python("shadow")(place, spec)], f"{_OURS}, no native code"
    ),
    "plain-loop": Engine(python("plain_loop"), f"{_CLIENT}, fastavro {version('fastavro')}", 0.3),
    "shadowstream-runner": Engine(python("runner"), _OURS, 0.3),
}


def play(place: Place, name: str, workload: str, pairs: int, *, is_sampled: bool = False) -> dict[str, Any]:
    """One run of one engine; a row of results.json. Raises `Absent` and `EngineFailed`.

    `is_sampled`: of the joiner; the row has the `shares` of its CPU time too (`bench.sampled`).
    """
    engine = ENGINES[name]
    topics = place.topics(workload, max(1_000, int(pairs * engine.share)))
    asked = place.asked(topics, name) | {"sampled": is_sampled}
    spec = place.folder / f"{topics.stem}.{name}"
    Path(f"{spec}.json").write_text(json.dumps(asked), "utf-8")
    Path(f"{spec}.properties").write_text(java_engines.properties(asked), "utf-8")
    command = engine.command(place, str(spec))
    if name in JOINERS:
        config = ours.write_config(place.kafka.bootstrap, topics, name_of(topics, name), place.folder)
        ours.say_start(place.kafka.bootstrap, config, topics)
    if name == "shadowstream-runner":
        ours.write_runner_config(place.kafka.bootstrap, topics, name_of(topics, name), place.folder)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    taken = run(command, env, Path(f"{spec}.log"), place.kafka.pid, topics.pairs, LIMIT_S)
    row = _row(name, engine, workload, topics.pairs, taken)
    if name in JOINERS:
        committed = ours.committed_outcomes(place.kafka.bootstrap, name_of(topics, name))
        row["exact"] &= sum(committed.values()) == topics.pairs and committed["mismatch"] == row["mismatches"]
    return row | ({"shares": taken.found["shares"]} if is_sampled else {})


ONE_SIDE = ("plain-loop", "shadowstream-runner")
"""Engines that read production's topic alone: what they count as pairs is inputs with their output."""


def _row(name: str, engine: Engine, workload: str, pairs: int, taken: Run) -> dict[str, Any]:
    found, mismatches = taken.found["pairs"], taken.found["mismatches"]
    compared = mismatches >= 0
    return {
        "engine": name,
        "workload": workload,
        "records": pairs if name in ONE_SIDE else 2 * pairs,
        "pairs": found,
        "mismatches": mismatches if compared else None,
        "exact": found == pairs and (not compared or mismatches == mismatches_of(pairs)),
        "pairs_per_cpu_s": round(found / taken.cpu_s),
        "pairs_per_cpu_s_steady": None if taken.steady is None else round(taken.steady),
        "pairs_per_s": round(found / taken.wall_s),
        "cpu_s": round(taken.cpu_s, 2),
        "wall_s": round(taken.wall_s, 2),
        "rss_mb": round(taken.rss_mb),
        "broker_cpu_s": round(taken.broker_cpu_s, 2),
        "version": engine.version,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--workloads", nargs="+", default=list(NAMES))
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=list(ENGINES))
    parser.add_argument("--write", action="store_true", help="write bench/results.json and the README's table")
    arguments = parser.parse_args()
    print(since(table.read()["conditions"]), file=sys.stderr)
    rows, skipped, began = [], {}, conditions()
    with EmbeddedKafka(heap_mb=1_024) as kafka, tempfile.TemporaryDirectory(prefix="shadowstream-bench-") as folder:
        for workload in arguments.workloads:
            place = Place(kafka, Path(folder), set())
            for name in arguments.engines:
                if name in skipped:
                    continue
                try:
                    share = 1 if workload == table.SHOWN else OTHERS_SHARE
                    rows.append(play(place, name, workload, round(arguments.pairs * share)))
                except Absent as error:
                    skipped[name] = str(error)
                    print(f"skipped {name}: {error}", file=sys.stderr)
                except EngineFailed as error:
                    print(f"failed {name} on {workload}: {error}", file=sys.stderr)
                else:
                    print(json.dumps(rows[-1]), flush=True)
            place.drop()
    if arguments.write:
        table.write({"conditions": began, "rows": rows})


if __name__ == "__main__":
    main()
