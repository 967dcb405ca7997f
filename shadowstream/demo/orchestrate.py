"""The demo from nothing to a verdict: a real Kafka, a year of flights, production and the four roles as processes."""

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from shadowstream.child_processes import module_command
from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.configfile import load
from shadowstream.demo import flights
from shadowstream.demo.candidates import MODEL_VARIABLE
from shadowstream.demo.model import train
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.kafka.reading.topic_reader import read_topic
from shadowstream.kafka.supervisor import Supervisor
from shadowstream.logs import get_logger
from shadowstream.protocol.outcomes import Outcome
from shadowstream.testing.choice import Broker, broker

log = get_logger("demo")
CANDIDATES = {"same": "same", "worse": "worse", "late-bug": "late_bug"}
PARTITIONS = 4
EXAMPLES = 3
FAILURES_MAX = 4
"""A role that fails more often has a fault that no restart solves, so the demo ends."""
Say = Callable[[str], None]


@dataclass(slots=True)
class Stage:
    """A demo that is ready to run: broker, loaded input, config file, folder for outputs."""

    config: Config
    config_path: Path
    folder: Path
    environment: dict[str, str]
    loaded: int
    page: str | None = None
    """Address of the live page; None: there is none."""

    def commands(self) -> dict[str, list[str]]:
        """The command line of each role's process; production is a separate program without shadowstream's roles."""
        module = module_command("shadowstream")
        places = ["--bootstrap", self.config.kafka.bootstrap, "--input", self.config.inputs[0]]
        places += ["--output", self.config.production.outputs[0], "--group", str(self.config.production.group)]
        model = ["--model", self.environment[MODEL_VARIABLE]]
        production = module_command("shadowstream.demo.production", *places, *model, "--until-end")
        roles = {name: [*module, name, str(self.config_path), "--json"] for name in ("run", "join", "judge")}
        web = {} if self.page is None else {"web": [*module, "web", str(self.config_path), "--listen", self.page]}
        return {"production": production, **roles, **web}

    def figures(self) -> list[dict[str, Any]]:
        figures = []
        for role in ("run", "join", "judge"):
            path = self.folder / f"{role}.out"
            lines = path.read_text().splitlines() if path.exists() else []
            figures += [json.loads(line) for line in lines[-1:]]
        return figures


@contextlib.contextmanager
def stage(candidate: str, say: Say, limit: int | None = None, given: Broker | None = None) -> Iterator[Stage]:
    """Start a broker (or use the `given` one), train the model, load the flights, write the config. Raises
    `ConfigError` for an unknown candidate."""
    if candidate not in CANDIDATES:
        raise ConfigError(f"--candidate: {candidate!r} is not one of {', '.join(CANDIDATES)}")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shadowstream-demo-")))
        kafka = given or stack.enter_context(broker())
        say(f"Kafka: {kafka.why}")
        began = time.monotonic()
        model = folder / "model.json"
        model.write_text(train().to_json())
        say(f"production's model trained on January and frozen ({time.monotonic() - began:.1f} s)")
        environment = {**os.environ, MODEL_VARIABLE: str(model), "SHADOWSTREAM_BOOTSTRAP": kafka.bootstrap}
        config_path = write_config(folder, candidate)
        config = load(config_path, environment)
        topics = (config.inputs[0], config.production.outputs[0])
        loaded = flights.load(kafka.bootstrap, topics[0], PARTITIONS, limit)
        flights.create_topic(kafka.bootstrap, topics[1], PARTITIONS)
        say(f"{loaded.records:,} flights of 2013 in topic {topics[0]!r} ({loaded.seconds:.1f} s)")
        yield Stage(config, config_path, folder, environment, loaded.records)


def write_config(folder: Path, candidate: str) -> Path:
    """The shipped config with only its candidate line changed, beside the schemas."""
    template = Path(__file__).parent / "flights.yaml"
    text = template.read_text()
    changed = text.replace("shadowstream.demo.candidates:same", f"shadowstream.demo.candidates:{CANDIDATES[candidate]}")
    document = yaml.safe_load(changed)
    document["schemas"]["dir"] = str(Path(__file__).parent / "schemas")
    path = folder / "flights.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def run(staged: Stage, each_turn: Callable[[Supervisor], None] | None = None) -> Supervisor:
    """Run production and the roles to their end; raise `BrokerError` with the last output of a role that failed."""
    supervisor = Supervisor(staged.commands(), staged.environment, staged.folder, beside=["web"])
    turn = (lambda: each_turn(supervisor)) if each_turn else None

    def given_up() -> bool:
        return any(child.failures > FAILURES_MAX and not child.beside for child in supervisor.children.values())

    if not supervisor.run(given_up, turn):
        failed = [child.name for child in supervisor.children.values() if not (child.done or child.beside)]
        last = {name: (staged.folder / f"{name}.err").read_text()[-2000:] for name in failed}
        raise BrokerError(f"the demo's {', '.join(failed)} failed: {json.dumps(last, indent=1)}")
    return supervisor


def verdict_of(config: Config) -> dict[str, Any]:
    rows = read_topic(config.kafka, config.plan.of("verdict"), 15.0)
    if not rows:
        raise BrokerError("no verdict was written")
    return own.decode(rows[-1].value or b"")[1]


def examples_of(config: Config, limit: int = EXAMPLES) -> list[dict[str, Any]]:
    """The first mismatches by event time, for display."""
    rows = read_topic(config.kafka, config.plan.of("diff"), 30.0)
    rows_read = (own.decode(row.value or b"")[1] for row in rows)
    mismatches = [row for row in rows_read if row["outcome"] == Outcome.MISMATCH]
    return sorted(mismatches, key=lambda row: (row["time_ms"], row["pair_id"]))[:limit]
