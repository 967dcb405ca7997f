"""What exactly-once costs: the same roles on the same topics in transactions and at least once, side by side.

`python -m bench.eos_cost` (`make eos-cost`). All runs read one input and one output of production on one broker; each
is a trial of its own, whose runner, joiner and judge are the processes that `shadowstream up` starts. Told is the CPU
of these processes, the client's threads included, beyond what the same trial takes with next to no records: its
start-up. Both deliveries take turns, and so does who of the two is first, so that what else the machine does meets
both.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import yaml
from confluent_kafka import Consumer, TopicPartition

from shadowstream.testing import EmbeddedKafka
from shadowstream.testing.topics import Write, create_topics, produce_all

PARTITIONS = 4
RECORDS = 250_000
REPEATS = 3
COMMITS_MS = 100, 500, 2_000
DELIVERIES = "exactly_once", "at_least_once"
IDLE = "idle"
ROLES = "run", "join", "judge"
LIMIT_S = 300.0
LIMIT_AT_MS, LIMIT = 500, 1.10
FIRST_MS, STEP_MS = 1_370_000_000_000, 100
MISMATCH_EACH = 50
"""2 % of the pairs differ and have a row."""
CANDIDATE = f"""
def answers(orders):
    return [{{"n": one["n"], "score": one["n"] * 7 + (one["n"] % {MISMATCH_EACH} == 0)}} for one in orders]
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One trial: CPU seconds by role."""

    delivery: str
    commit_ms: int
    cpu_s: dict[str, float]
    commits: int

    @property
    def all_s(self) -> float:
        """Of all roles."""
        return sum(self.cpu_s.values())


def _records(n: int, value: str) -> Iterator[Write]:
    for i in range(n):
        text = value % {"n": i, "score": i * 7}
        yield Write(
            text.encode(), key=b"%d" % i, partition=i % PARTITIONS, timestamp_ms=1_370_000_000_000 + i * STEP_MS
        )


def fill(bootstrap: str, records: int) -> None:
    """Input and production's output, and production's group at the end of the input; and the same with few records."""
    for stem, n in (("cost", records), (IDLE, PARTITIONS)):
        create_topics(bootstrap, {f"{stem}-orders": PARTITIONS, f"{stem}-scores": PARTITIONS})
        produce_all(bootstrap, f"{stem}-orders", list(_records(n, '{"n":%(n)d}')))
        produce_all(bootstrap, f"{stem}-scores", list(_records(n, '{"n":%(n)d,"score":%(score)d}')))
        ends = [TopicPartition(f"{stem}-orders", p, len(range(p, n, PARTITIONS))) for p in range(PARTITIONS)]
        consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"{stem}-production"})
        consumer.commit(offsets=ends, asynchronous=False)
        consumer.close()


def run(bootstrap: str, folder: Path, number: int, delivery: str, commit_ms: int) -> Run:
    """One trial to its end; with few records where `commit_ms` is 0."""
    name, stem = f"cost{number}", "cost" if commit_ms else IDLE
    document: dict[str, Any] = {
        "name": name,
        "kafka": {"bootstrap": bootstrap},
        "inputs": [f"{stem}-orders"],
        "production": {"outputs": [f"{stem}-scores"], "group": f"{stem}-production", "commits": "after_output"},
        "candidate": {
            "call": "cost_candidate:answers",
            "takes": "batch",
            "isolation": "in-process",
            "trusted": True,
            "partitioner": "input",
        },
        "start": "earliest",
        "bounded": True,
        "delivery": delivery,
        "limits": {"commit_ms": commit_ms or 500},
    }
    (folder / "cost_candidate.py").write_text(CANDIDATE, "utf-8")
    config = folder / f"{name}.yaml"
    config.write_text(yaml.safe_dump(document), "utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)])}
    with ExitStack() as stack:
        started = {}
        for role in ROLES:
            errors = stack.enter_context((folder / f"{name}.{role}.err").open("wb"))
            words = [sys.executable, "-m", "shadowstream", role, str(config), "--json"]
            started[role] = Popen(words, stdout=PIPE, stderr=errors, env=environment)
            stack.callback(started[role].kill)
        figures = {}
        for role, process in started.items():
            out, _ = process.communicate(timeout=LIMIT_S)
            if process.returncode:
                raise RuntimeError((folder / f"{name}.{role}.err").read_text("utf-8")[-2_000:])
            figures[role] = json.loads(out)
    commits = sum(figures[role]["commits"] for role in ROLES)
    return Run(delivery, commit_ms, {role: figures[role]["cpu_s"] for role in ROLES}, commits)


def measured(bootstrap: str, folder: Path, commits_ms: Iterable[int], repeats: int) -> Iterator[Run]:
    """All runs, taking turns."""
    number = 0
    for repeat in range(repeats):
        for commit_ms in (0, *commits_ms):
            for delivery in DELIVERIES if repeat % 2 == 0 else reversed(DELIVERIES):
                yield run(bootstrap, folder, number, delivery, commit_ms)
                number += 1


def startup_s(runs: Iterable[Run], delivery: str, role: str) -> float:
    """CPU of a role in a trial with next to no records, the median."""
    return statistics.median(one.cpu_s[role] for one in runs if (one.delivery, one.commit_ms) == (delivery, 0))


def ratio(runs: list[Run], commit_ms: int) -> float:
    """CPU in transactions over CPU without, start-up taken off both: the median over the pairs of runs that followed
    each other."""
    both = []
    for delivery in DELIVERIES:
        idle_s = sum(startup_s(runs, delivery, role) for role in ROLES)
        both.append([one.all_s - idle_s for one in runs if (one.delivery, one.commit_ms) == (delivery, commit_ms)])
    return statistics.median(once / least for once, least in zip(*both, strict=True))


def table(runs: list[Run]) -> list[str]:
    """CPU seconds of each role beyond its start-up, medians, and the ratio."""
    lines = [f"{'commit':>8} {'delivery':<14}" + "".join(f"{role:>9}" for role in ROLES) + f"{'all':>9}{'commits':>9}"]
    for commit_ms in sorted({one.commit_ms for one in runs} - {0}):
        for delivery in DELIVERIES:
            some = [one for one in runs if (one.delivery, one.commit_ms) == (delivery, commit_ms)]
            cells = [
                statistics.median(one.cpu_s[role] for one in some) - startup_s(runs, delivery, role) for role in ROLES
            ]
            told = "".join(f"{cell:>9.2f}" for cell in (*cells, sum(cells)))
            lines.append(f"{commit_ms:>6}ms {delivery:<14}{told}{statistics.median(o.commits for o in some):>9.0f}")
        lines.append(f"{commit_ms:>6}ms exactly once costs {100 * (ratio(runs, commit_ms) - 1):+.1f} % CPU")
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Prints the table; 1 where exactly-once costs more than 10 % at 500 ms."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--records", type=int, default=RECORDS)
    words.add_argument("--repeats", type=int, default=REPEATS)
    words.add_argument("--commits-ms", type=int, nargs="*", default=COMMITS_MS)
    said = words.parse_args(arguments)
    with EmbeddedKafka() as broker, tempfile.TemporaryDirectory() as folder:
        fill(broker.bootstrap, said.records)
        runs = []
        for one in measured(broker.bootstrap, Path(folder), said.commits_ms, said.repeats):
            runs.append(one)
            print(f"{one.commit_ms} ms {one.delivery}: {one.all_s:.2f} CPU s", file=sys.stderr, flush=True)
    print(f"{said.records:,} inputs and as many pairs, {said.repeats} runs of each, CPU seconds beyond start-up")
    print("\n".join(table(runs)), flush=True)
    return int(LIMIT_AT_MS in said.commits_ms and ratio(runs, LIMIT_AT_MS) > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
