"""A trial that ends by itself, down to an empty cluster; what it leaves on the disk is bounded by its config."""

import base64
import json
from pathlib import Path
from random import Random

import pytest

from shadowstream.disk import topic_bytes
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.trial import topic_admin
from shadowstream.testing import EmbeddedKafka
from shadowstream.testing.topics import create_topics
from tests.conftest import Say
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.trial_fixture import PARTITIONS, Production, Trial
from tests.pipeline.written_records import await_that

INPUTS, LEFT_OUT = 300, 150
UNTIL = {"start": "earliest", "bounded": False}
LARGE = 400_000
"""Bytes of a value that no compression makes smaller."""
RECORDS = 140
KEPT = {
    "retention": {"bytes": 20_000_000},
    "limits": {"commit_ms": 100, "pending_bytes_max": 10_000_000},
    "identity": {"kind": "key", "dedupe_span": 1_000},
}
QUICK = {
    "log.retention.check.interval.ms": "500",
    "log.initial.task.delay.ms": "500",
    "log.segment.delete.delay.ms": "500",
}
CANDIDATE = f"""
import base64, random

def judge(order):
    noise = random.Random(order["n"]).randbytes({LARGE})
    return {{"n": order["n"], "large": base64.b64encode(noise).decode()}}
"""


def large_answer(value: bytes) -> bytes:
    """Answer an input as the candidate does."""
    n = json.loads(value)["n"]
    return json.dumps({"n": n, "large": base64.b64encode(Random(n).randbytes(LARGE)).decode()}).encode()


def own_topics(trial: Trial) -> list[str]:
    return [
        name for name in admin(trial.config.kafka).list_topics(timeout=30).topics if name.startswith(trial.topic(""))
    ]


def removed(trial: Trial) -> bool:
    # The claim of a process that has just ended is a member for a moment.
    await_that("the trial is removed", lambda: trial.ask("down", "--yes").returncode == 0)
    await_that("no topic of the trial is left", lambda: not own_topics(trial))
    client = admin(trial.config.kafka)  # named: an answer does not keep its client
    groups = client.list_consumer_groups().result(30).valid
    return not [one.group_id for one in groups if one.group_id.startswith(trial.topic(""))]


def test_a_trial_ends_by_itself_while_production_goes_on(make_trial: MakeTrial) -> None:
    trial = make_trial("until-", **UNTIL, until=INPUTS).answered(INPUTS + LEFT_OUT)
    trial.play("run", "join", "judge")
    assert trial.outcomes() == {"match": INPUTS, "sampled_out": LEFT_OUT}
    (verdict,) = trial.records("verdict")[-1:]
    assert verdict["final"]
    expected = {"input": INPUTS, "match": INPUTS, "sampled_out": LEFT_OUT}
    assert (verdict["outcomes"], verdict["remainder"], verdict["coverage"]) == (expected, 0, 1.0)
    explained = json.loads(trial.ask("explain", "--json").stdout)
    assert (explained["expiring"], explained["standstill"]) == ([], [])
    assert removed(trial)


def bytes_of(data: Path, topic: str) -> int:
    """What the partitions of a topic take on the broker's disk, without what is deleted already."""
    return sum(one.stat().st_size for place in data.glob(f"{topic}-*") for one in place.glob("*.log"))


@pytest.mark.long
def test_bytes_on_disk_stay_below_the_figure_of_the_config(tmp_path: Path, say: Say) -> None:
    home = tmp_path / "broker"
    # Nothing is deleted while the trial runs: a joiner on a busy machine could be overtaken.
    with EmbeddedKafka(data_dir=home, properties={"log.initial.task.delay.ms": "600000"}) as kafka:
        settings = {**UNTIL, **KEPT, "until": RECORDS}
        trial = Trial(kafka.bootstrap, "disk", tmp_path, CANDIDATE, settings=settings, output_partitions=1)
        create_topics(kafka.bootstrap, {trial.input: PARTITIONS, trial.output: 1})
        trial.write_orders(range(RECORDS + 10))
        Production(trial, large_answer, partitioner=lambda key: 0).work(RECORDS + 10)
        trial.play("run", "join", "judge")
        assert trial.outcomes()["match"] == RECORDS
        specs = {one.name: one for one in topic_admin.planned(trial.config, {trial.output: 1})}
    out = specs[trial.topic(f"out.{trial.output}")]
    figure = topic_bytes(out, float("inf"))
    data = next(home.rglob(f"{out.name}-0")).parent
    written = bytes_of(data, out.name)
    assert written > 1.2 * figure
    with EmbeddedKafka(data_dir=home, properties=QUICK) as kafka:
        trial.bootstrap = kafka.bootstrap
        trial.write_config()
        await_that("retention has deleted", lambda: bytes_of(data, out.name) <= 1.2 * figure)
        kept = bytes_of(data, out.name)
        say(f"{out.name}: {written:,} bytes written, {kept:,} kept, {figure:,} by the config")
        assert kept >= trial.config.kept.bytes
        for topic, spec in specs.items():
            assert bytes_of(data, topic) <= 1.2 * topic_bytes(spec, written if spec is out else 5e6)
        # The coordinator of a broker that has just started may not show all groups yet.
        await_that("topics and groups are removed", lambda: removed(trial))
        await_that("nothing is left on the disk", lambda: not [*data.glob("shadow.*/*.log")])
