"""The first hour of a user: production runs already, and a candidate of five lines is tried by commands alone."""

import json
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from shadowstream.testing.topics import Write, create_topics, produce_all

PARTITIONS = 2
ORDERS = 1_500
FIRST_MS = 1_750_000_000_000
STEP_MS = 60_000
"""1,500 orders last 25 hours of event time: over a day, which is the least that promotes."""
LIMIT_S = 180.0
CANDIDATE = """\
import uuid

def judge(order):
    score = round(order["amount"] * 0.37, 2)
    return {"order": order["order"], "score": score, "trace": str(uuid.uuid4())}
"""
BUG = CANDIDATE.replace("0.37, 2)", "0.37, 2) + (order['amount'] > 900)")
"""One order in ten is wrong."""

Ask = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


@dataclass
class FirstHour:
    """A cluster with production's topics, and a folder; `ask` runs one command of the program there."""

    bootstrap: str
    name: str
    folder: Path
    ask: Ask
    orders: int = 0
    began_s: float = field(default_factory=time.monotonic)
    steps: list[str] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)
    """The result of `suggest`."""

    def __post_init__(self) -> None:
        create_topics(self.bootstrap, {self.inputs: PARTITIONS, self.outputs: PARTITIONS})

    @property
    def inputs(self) -> str:
        return f"{self.name}-orders"

    @property
    def outputs(self) -> str:
        return f"{self.name}-scores"

    def work(self) -> None:
        """Production answers further orders, and commits."""
        numbers = range(self.orders, self.orders + ORDERS)
        self.orders += ORDERS
        orders = [{"order": f"order-{n}", "amount": float(n * 37 % 1_000)} for n in numbers]
        for topic, made in ((self.inputs, dict), (self.outputs, answered)):
            writes = [self._write(n, made(one)) for n, one in zip(numbers, orders, strict=True)]
            produce_all(self.bootstrap, topic, writes)
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": f"{self.name}-production"})
        places = [TopicPartition(self.inputs, partition) for partition in range(PARTITIONS)]
        ends = [TopicPartition(one.topic, one.partition, consumer.get_watermark_offsets(one, 30)[1]) for one in places]
        consumer.commit(offsets=ends, asynchronous=False)
        consumer.close()

    def _write(self, n: int, value: dict[str, Any]) -> Write:
        return Write(json.dumps(value).encode(), value["order"].encode(), n % PARTITIONS, FIRST_MS + n * STEP_MS)

    def candidate(self, text: str) -> None:
        (self.folder / "scoring.py").write_text(text)

    def run(self, *words: str, code: int = 0) -> str:
        """Run a command and check its exit code; return its output."""
        began = time.monotonic()
        done = self.ask(words)
        took_s = time.monotonic() - began
        self.steps.append(f"{took_s:6.1f} s  shadowstream {' '.join(words)}: exit code {done.returncode}")
        assert done.returncode == code, f"{self.steps[-1]}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def play(self) -> None:
        """From nothing to a promote, with one noisy field found by `suggest`; then a bug, and a reject."""
        self.work()
        self.candidate(CANDIDATE)
        topics = ("--inputs", self.inputs, "--outputs", self.outputs)
        asked = ("--candidate", "scoring:judge", "--name", self.name, "--bounded", "--yes")
        self.run("init", "--bootstrap", self.bootstrap, *topics, *asked)
        for words in ("validate", "doctor", "up"):
            self.run(words, "trial.yaml")
        self.run("gate", "trial.yaml", code=3)  # each trace is new, so each pair differs
        self.found = json.loads(self.run("suggest", "trial.yaml", "--write", "--yes", "--json").splitlines()[0])
        self.work()
        self.run("up", "trial.yaml")
        self.run("gate", "trial.yaml")
        self.candidate(BUG)
        self.work()
        self.run("up", "trial.yaml")
        self.run("gate", "trial.yaml", code=3)

    def table(self) -> str:
        return "\n".join([*self.steps, f"{time.monotonic() - self.began_s:6.1f} s in all"])


def answered(order: dict[str, Any]) -> dict[str, Any]:
    """Production's answer."""
    return {"order": order["order"], "score": round(order["amount"] * 0.37, 2), "trace": str(uuid.uuid4())}
