"""`suggest` on a trial of the real roles on the broker in memory: planted noise is found, and a planted bug is not."""

import json
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
import yaml

from shadowstream.cli import run
from shadowstream.configfile import load
from shadowstream.health import RoleHealth
from shadowstream.kafka.client.consumers import Stoppable
from shadowstream.kafka.roles import joiner, runner
from shadowstream.records import Partition
from shadowstream.testing.memory.broker import MemoryBroker
from shadowstream.testing.memory.clock import ManualClock
from shadowstream.testing.memory.inside import inside
from shadowstream.testing.memory.log import Entry
from shadowstream.testing.memory.processes import Process
from tests.memory.runner_world import REVISION

BEGIN_MS = 1_790_000_000_000
ORDERS = 600
BUG_EVERY = 6
OUT, IN = Partition("out", 0), Partition("in", 0)
CONFIG = """\
name: suggested
inputs: [in]  # what production reads
production: {outputs: [out]}
start: earliest
candidate: {call: "tests.memory.test_suggest:candidate", isolation: in-process, trusted: true, partitioner: murmur2}
limits: {commit_ms: 20}
judge: {window_ms: 10000}
# rules come below
"""
_dice = Random(7)


def production(n: int) -> dict[str, Any]:
    dice = Random(n)
    at = datetime.fromtimestamp((BEGIN_MS + n + dice.randrange(500)) / 1000, UTC)
    return {
        "id": n,
        "country": dice.choice(["NL", "DE", "FR"]),
        "score": dice.random(),
        "state": dice.choice(["new", "open", "done"]),
        "handled_at": at.isoformat(),
        "trace": str(UUID(int=dice.getrandbits(128))),
    }


def candidate(value: Any) -> Any:
    """Production's answer with noise in three fields, and wrong in every sixth Dutch order."""
    n = value["n"]
    answer = production(n)
    answer["handled_at"] = datetime.fromtimestamp(answered_ms() / 1000, UTC).isoformat()
    answer["trace"] = str(UUID(int=_dice.getrandbits(128)))
    answer["score"] += _dice.uniform(-1, 1) * 1e-7
    if is_wrong(n):
        answer["state"] = _dice.choice(["lost", "void", "gone", "odd"])
    return answer


def is_wrong(n: int) -> bool:
    return bool(production(n)["country"] == "NL")


class World:
    """A trial whose runner and joiner have ended everything."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "trial.yaml"
        self.path.write_text(CONFIG)
        self.broker = MemoryBroker(ManualClock(wall_ms=BEGIN_MS + 1_000))
        for topic in ("in", "out"):
            self.broker.create(topic, 1)
        for n in range(ORDERS):
            self.broker.logs[IN].append(Entry(b"k%d" % n, json.dumps({"n": n}).encode(), BEGIN_MS + n))
            self.broker.logs[OUT].append(Entry(b"k%d" % n, json.dumps(production(n)).encode(), BEGIN_MS + n))
        self.running: Process | None = None
        self.played()

    def host(self) -> Process:
        assert self.running is not None
        return self.running

    def process(self, role: str, call: Any, turns: int = 60_000) -> Any:
        self.running = Process(role, self.broker.clock, call)
        with inside(self.broker, self.host):
            self.running.run(turns, lambda: self.running is not None and self.running.ended)
        assert self.running.error is None, self.running.error
        return self.running

    def played(self) -> None:
        global _clock
        _clock = self.broker.clock
        config = load(self.path)
        for role in (runner, joiner):
            name = role.__name__.rpartition(".")[2]
            watch = RoleHealth(config.name, name)

            def live(role: Any = role, watch: RoleHealth = watch) -> Any:
                return role.run(config, REVISION, Stoppable(), watch, "0")

            self.process(name, live, turns=6_000).kill()

    def suggest(self, *options: str) -> int:
        process = self.process("suggest", lambda: run(["suggest", str(self.path), *options]))
        return int(process.result)


_clock: ManualClock | None = None


def answered_ms() -> int:
    assert _clock is not None
    return _clock.now_ms


def test_it_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    world = World(tmp_path)
    assert world.suggest() == 0
    out, err = capsys.readouterr()
    print(out, err)
    assert 0
