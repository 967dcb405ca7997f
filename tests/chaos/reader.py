"""What a run has written, read back by a reader of its own: a plain consumer, fastavro and the published schemas.

Imports nothing of shadowstream but the reader of whole topics that its tests share, which knows no record of ours.
"""

import functools
import io
import json
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fastavro
from confluent_kafka import Consumer, TopicPartition

from shadowstream.testing.topics import Read, read_all
from tests.pipeline.trial_fixture import Trial

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
PACKED = ">B8sHIQIqq"
"""The header s: version, revision, input topic, partition, offset, k, times of input and output."""
HEAD_BYTES = 10
"""Of the single-object encoding: a marker of two bytes and the schema's fingerprint of eight."""


@dataclass
class CommittedRecords:
    """What a reader under read_committed finds, by topic in the order of partitions and offsets."""

    inputs: list[Read]
    production: list[Read]
    shadow: list[Read]
    diff: list[dict[str, Any]]
    stats: list[dict[str, Any]]
    verdict: dict[str, Any]


def records(bootstrap: str, topic: str, schema: str) -> list[dict[str, Any]]:
    """Records of one of shadowstream's topics, by its published schema."""
    return [_decoded(topic, schema, read) for read in read_all(bootstrap, topic)]


@functools.cache
def _schema(name: str) -> Any:
    return fastavro.parse_schema(json.loads((SCHEMAS / f"{name}.avsc").read_text("utf-8")))


def _decoded(topic: str, schema: str, read: Read) -> dict[str, Any]:
    assert read.value is not None
    assert read.value[:2] == b"\xc3\x01", f"{topic}: not in the single-object encoding"
    record = fastavro.schemaless_reader(io.BytesIO(read.value[HEAD_BYTES:]), _schema(schema), None)
    assert isinstance(record, dict)
    return record


def once(seen: CommittedRecords) -> CommittedRecords:
    """What is left once repeats are removed as docs/exactly-once.md says, for a trial that delivers at least once:
    candidate outputs by the coordinate in their header, rows by pair id, statistics by task and sequence number."""
    shadow: dict[tuple[int, ...], Read] = {}
    for read in seen.shadow:
        header = dict(read.headers or [])["s"]
        shadow.setdefault(struct.unpack(PACKED, header)[2:6], read)
    stats: dict[tuple[str, int], dict[str, Any]] = {}
    for record in seen.stats:
        stats.setdefault((record["task"], record["seq"]), record)
    return replace(seen, shadow=list(shadow.values()), stats=list(stats.values()))


def last_rows(bootstrap: str, topic: str) -> list[dict[str, Any]]:
    """As a compacted topic keeps them: the last of each key, unless it is a tombstone. What they replaced is gone."""
    last = {(read.partition, read.key): read for read in read_all(bootstrap, topic)}
    rows = [_decoded(topic, "diff", read) for read in last.values() if read.value is not None]
    return [row | {"correction_of": None} for row in rows]


def ends(bootstrap: str, topic: str) -> int:
    """How many offsets the topic's partitions hold in all, control records and aborted ones included."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "chaos-ends", "log_level": 0})
    try:
        partitions = consumer.list_topics(topic, 30).topics[topic].partitions
        found = [consumer.get_watermark_offsets(TopicPartition(topic, one), 30) for one in partitions]
    finally:
        consumer.close()
    return sum(high - low for low, high in found)


def read(trial: Trial, bootstrap: str) -> CommittedRecords:
    """Everything, once all has come to rest; without repeats where the trial delivers at least once."""
    again = trial.settings.get("delivery") == "at_least_once"
    diff = last_rows(bootstrap, trial.topic("diff")) if again else records(bootstrap, trial.topic("diff"), "diff")
    seen = CommittedRecords(
        inputs=read_all(bootstrap, trial.input),
        production=read_all(bootstrap, trial.output),
        shadow=read_all(bootstrap, trial.topic(f"out.{trial.output}")),
        diff=diff,
        stats=records(bootstrap, trial.topic("stats"), "stats"),
        verdict=records(bootstrap, trial.topic("verdict"), "verdict")[-1],
    )
    return once(seen) if again else seen
