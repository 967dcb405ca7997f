"""The counting candidate of docs/stateful.md on a real broker: kill -9 several times, and it has counted once."""

import json
import re
import time
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from shadowstream.codecs import own
from shadowstream.protocol.headers import PACKED_HEADER, unpack
from shadowstream.testing import Broker
from shadowstream.testing.topics import read_all
from tests.conftest import Say
from tests.pipeline.role_processes import Running
from tests.pipeline.trial_fixture import PARTITIONS, ROOT, UNBOUNDED, Trial, order
from tests.pipeline.written_records import await_that

KILLS = 2
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", (ROOT / "docs" / "stateful.md").read_text("utf-8"), re.DOTALL)
VISITS = next(text for kind, text in BLOCKS if kind == "python")
CANDIDATE = next(yaml.safe_load(text) for kind, text in BLOCKS if kind == "yaml")["candidate"]
Counts = dict[tuple[int, int], list[Any]]


def counts_of(trial: Trial) -> Counts:
    """Committed outputs by the input that each comes from."""
    found: Counts = {}
    for read in read_all(trial.bootstrap, trial.topic(f"out.{trial.output}")):
        at = unpack(dict(read.headers)[PACKED_HEADER]).coordinate
        found.setdefault((at.partition, at.offset), []).append(json.loads(read.value or b""))
    return found


def has_counted(trial: Trial, least: int) -> bool:
    return len(counts_of(trial)) >= least


def undisturbed(orders: int) -> Counts:
    """What the document's class says of the orders, one object a partition, in their order."""
    names: dict[str, Any] = {}
    exec(VISITS, names)
    visits = [names["Visits"]() for _ in range(PARTITIONS)]
    found: Counts = {}
    for n in range(orders):
        found[n % PARTITIONS, n // PARTITIONS] = [visits[n % PARTITIONS](order(n))]
    return found


def test_killed_repeatedly_a_counting_candidate_counts_as_without_kills(
    kafka: Broker, tmp_path: Path, say: Say
) -> None:
    settings = {**UNBOUNDED, "candidate": {**CANDIDATE, "partitioner": "input"}}
    trial = Trial(kafka.bootstrap, "stateful", tmp_path, VISITS, CANDIDATE["call"], settings=settings)
    trial.create_topics()
    written = 0
    with Running(trial) as running:
        for kill in range(KILLS + 1):
            running.start("run")
            # While it starts and works, so that kills fall within commits as well as between them.
            for _ in range(20):
                trial.write_orders(range(written, written + 30))
                written += 30
                time.sleep(0.05)
            least = (written - 30 * 10) if kill < KILLS else written
            await_that(f"{least} outputs", partial(has_counted, trial, least))
            if kill < KILLS:
                running.kill("run")
        running.stop("run")
    assert counts_of(trial) == undisturbed(written)
    snapshots = [own.decode(r.value or b"")[1] for r in read_all(trial.bootstrap, trial.topic("runner-state"))]
    assert {one["input"] for one in snapshots} == {f"{trial.input}/{p}" for p in range(PARTITIONS)}
    events = [line["event"] for line in trial.logged("run")]
    assert events.count("assigned") == KILLS + 1
    say(f"{written:,} orders, {KILLS} kills: {len(counts_of(trial)):,} counts, none lost, none double, none other")
