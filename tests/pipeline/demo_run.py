"""Demos that have been run: what went in, what they said, and their topics, read by hand.

`DemoRuns` is a demo of nineteen days around the switch of `late_bug`, small enough for every run of the tests: one
broker, one production, a trial for each candidate. The whole year is run by `shadowstream demo` itself, on a broker
that outlives it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from zoneinfo import ZoneInfo

import yaml

from shadowstream.config import Config
from shadowstream.configfile import load
from shadowstream.demo import flights, offline, orchestrate
from shadowstream.demo.candidates import JUDGES, MODEL_VARIABLE
from shadowstream.demo.model import PRODUCTION, Frozen
from shadowstream.demo.wire import Wire
from shadowstream.testing import EmbeddedKafka
from shadowstream.testing.topics import Write, create_topics, produce_all, read_all
from tests import forked
from tests.pipeline.trial_fixture import ROOT
from tests.pipeline.written_records import records
from tests.shared_broker import FEW_THREADS

NEW_YORK = ZoneInfo("America/New_York")
SUMMER = (datetime(2013, 6, 24, tzinfo=NEW_YORK), datetime(2013, 7, 13, tzinfo=NEW_YORK))
INPUT, OUTPUT = "flights", "flight-delays"
Flight = dict[str, Any]


def summer_flights() -> list[Flight]:
    """The flights of `SUMMER`, in event-time order."""
    first_ms, end_ms = (int(day.timestamp() * 1000) for day in SUMMER)
    rows = flights.read_year().select(flights.FIELDS).to_pylist()
    return [row for row in rows if first_ms <= row["scheduled_ms"] < end_ms]


def environment(bootstrap: str, model: Path) -> dict[str, str]:
    """What the demo's config asks of the environment, beside that of a user's shell."""
    kept = {name: value for name, value in os.environ.items() if name != "SHADOWSTREAM_TRACEBACK"}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**kept, "PYTHONPATH": path, MODEL_VARIABLE: str(model), "SHADOWSTREAM_BOOTSTRAP": bootstrap}


def expected_mismatches(candidate: str, given: list[Flight], model: Frozen) -> int:
    """How many of the flights the candidate answers otherwise than production, by hand."""
    judge = JUDGES[orchestrate.CANDIDATES[candidate]]
    return sum(offline.differs(model.judge(flight, PRODUCTION), judge(model, flight)) for flight in given)


@dataclass
class Demo:
    """One demo that has ended. `verdict` is the verdict that it gave, `seconds` how long it took."""

    candidate: str
    flights: list[Flight]
    model: Frozen
    config_path: Path
    environment: dict[str, str]
    verdict: dict[str, Any]
    seconds: float

    @property
    def bootstrap(self) -> str:
        return self.environment["SHADOWSTREAM_BOOTSTRAP"]

    @property
    def is_year(self) -> bool:
        """Whether it ran over the whole year, by the command."""
        return self.config.name == "flights"

    @cached_property
    def config(self) -> Config:
        return load(self.config_path, self.environment)

    def records(self, kind: str) -> list[dict[str, Any]]:
        """All records of one of the trial's own topics."""
        return records(self.bootstrap, self.config.plan.of(kind))

    @cached_property
    def stats(self) -> list[dict[str, Any]]:
        return self.records("stats")

    def by_hand(self) -> Counter[str]:
        """Pairs and mismatches of the two output topics, without shadowstream's consumers, codecs and rules."""
        wire = Wire("flight-delays-value")
        sides = []
        for topic in (OUTPUT, self.config.plan.out(OUTPUT)):
            reads = read_all(self.bootstrap, topic)
            assert len({read.key for read in reads}) == len(reads), f"{topic} holds a key twice"
            sides.append({read.key: wire.decode(read.value or b"") for read in reads})
        production, shadow = sides
        differ = sum(offline.differs(value, shadow[key]) for key, value in production.items() if key in shadow)
        pairs = len(production.keys() & shadow.keys())
        unmatched = len(production.keys() ^ shadow.keys())
        return Counter(pairs=pairs, mismatches=differ, unmatched=unmatched)

    def gate(self, *options: str) -> subprocess.CompletedProcess[str]:
        """`shadowstream gate --json` on this demo."""
        command = [sys.executable, "-m", "shadowstream", "gate", str(self.config_path), "--json", *options]
        return forked.run(command, 60, env=self.environment)


class DemoRuns:
    """A broker with the flights of `SUMMER`, on which trials are staged and run."""

    def __init__(self, model: Frozen) -> None:
        self.model = model
        self.flights = summer_flights()
        self._stack = ExitStack()
        self._demos: dict[str, Demo] = {}

    def __enter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="summer-")))
        self.model_path = self.folder / "model.json"
        self.model_path.write_text(self.model.to_json(), "utf-8")
        self.bootstrap = self._stack.enter_context(EmbeddedKafka(properties=FEW_THREADS)).bootstrap
        create_topics(self.bootstrap, dict.fromkeys((INPUT, OUTPUT), orchestrate.PARTITIONS))
        wire = Wire(flights.SUBJECT)
        written = (
            Write(
                wire.encode(flight),
                flight["id"].encode(),
                timestamp_ms=flight["scheduled_ms"],
                headers=tuple(flights.origin_header(flight)),
            )
            for flight in self.flights
        )
        produce_all(self.bootstrap, INPUT, written)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def stage(self, candidate: str, name: str, limits: dict[str, Any] | None = None) -> orchestrate.Stage:
        """A trial of that name, ready to run: the demo's config with another name and other limits."""
        folder = self.folder / name
        folder.mkdir()
        path = orchestrate.write_config(folder, candidate)
        rename(path, name=name, **({"limits": limits} if limits else {}))
        settings = environment(self.bootstrap, self.model_path)
        return orchestrate.Stage(load(path, settings), path, folder, settings, len(self.flights))

    def demo(self, candidate: str) -> Demo:
        """The demo of a candidate; run when it is asked for first."""
        if candidate not in self._demos:
            staged = self.stage(candidate, f"summer-{candidate}")
            began = time.monotonic()
            with forked.forked_children():
                orchestrate.run(staged)
            self._demos[candidate] = self.finished(candidate, staged, time.monotonic() - began)
        return self._demos[candidate]

    def finished(self, candidate: str, staged: orchestrate.Stage, seconds: float) -> Demo:
        """A staged trial that has run, as a demo."""
        verdict = orchestrate.verdict_of(staged.config)
        return Demo(candidate, self.flights, self.model, staged.config_path, staged.environment, verdict, seconds)


def rename(config_path: Path, **changes: Any) -> None:
    """Change keys at the top of a config file."""
    document = yaml.safe_load(config_path.read_text("utf-8"))
    config_path.write_text(yaml.safe_dump(document | changes, sort_keys=False), "utf-8")


def run_year(candidate: str, given: list[Flight], model: Frozen, stack: ExitStack) -> Demo:
    """`shadowstream demo` over the whole year, on a broker that stays until the stack closes.

    The time is that of the broker's start and the command, as without a broker of ours.
    """
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="year-")))
    model_path = folder / "model.json"
    model_path.write_text(model.to_json(), "utf-8")
    began = time.monotonic()
    kafka = stack.enter_context(EmbeddedKafka())
    settings = environment(kafka.bootstrap, model_path)
    done = run_demo(candidate, settings)
    seconds = time.monotonic() - began
    config_path = orchestrate.write_config(folder, candidate)
    return Demo(candidate, given, model, config_path, settings, done, seconds)


def run_demo(candidate: str, settings: dict[str, str], *options: str) -> dict[str, Any]:
    """`shadowstream demo --json` in a process; the last line of its stdout, decoded."""
    command = [sys.executable, "-m", "shadowstream", "demo", "--candidate", candidate, "--json", *options]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr[-4_000:]
    verdict = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(verdict, dict)
    return verdict
