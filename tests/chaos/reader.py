"""What a run has written, read back by a reader of its own: a plain consumer, fastavro and the published schemas.

Imports nothing of shadowstream but the reader of whole topics that its tests share, which knows no record of ours.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastavro
from confluent_kafka import Consumer, TopicPartition

from shadowstream.testing.topics import Read, read_all
from tests.pipeline.trial import Trial

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
HEAD_BYTES = 10
"""Of the single-object encoding: a marker of two bytes and the schema's fingerprint of eight."""


@dataclass
class Seen:
    """What a reader under read_committed finds, by topic in the order of partitions and offsets."""

    inputs: list[Read]
    production: list[Read]
    shadow: list[Read]
    diff: list[dict[str, Any]]
    stats: list[dict[str, Any]]
    verdict: dict[str, Any]


def records(bootstrap: str, topic: str, schema: str) -> list[dict[str, Any]]:
    """Records of one of shadowstream's topics, by its published schema."""
    parsed = fastavro.parse_schema(json.loads((SCHEMAS / f"{schema}.avsc").read_text("utf-8")))
    found = []
    for read in read_all(bootstrap, topic):
        assert read.value is not None
        assert read.value[:2] == b"\xc3\x01", f"{topic}: not in the single-object encoding"
        record = fastavro.schemaless_reader(io.BytesIO(read.value[HEAD_BYTES:]), parsed, None)
        assert isinstance(record, dict)
        found.append(record)
    return found


def ends(bootstrap: str, topic: str) -> int:
    """How many offsets the topic's partitions hold in all, control records and aborted ones included."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "chaos-ends", "log_level": 0})
    try:
        partitions = consumer.list_topics(topic, 30).topics[topic].partitions
        found = [consumer.get_watermark_offsets(TopicPartition(topic, one), 30) for one in partitions]
    finally:
        consumer.close()
    return sum(high - low for low, high in found)


def read(trial: Trial, bootstrap: str) -> Seen:
    """Everything, once all has come to rest."""
    return Seen(
        inputs=read_all(bootstrap, trial.input),
        production=read_all(bootstrap, trial.output),
        shadow=read_all(bootstrap, trial.topic(f"out.{trial.output}")),
        diff=records(bootstrap, trial.topic("diff"), "diff"),
        stats=records(bootstrap, trial.topic("stats"), "stats"),
        verdict=records(bootstrap, trial.topic("verdict"), "verdict")[-1],
    )
