"""The topics that every engine reads: what is in a value, and how the candidate's differs from production's.

Of the pairs 2 % are mismatches (a score beyond the tolerance), 5 % differ within it, and `model` differs in each pair
and is ignored, so that no two values are byte-equal; but in `flat-100-equal` those that agree are.
"""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastavro
from confluent_kafka import Producer

from shadowstream.testing.topics import create_topics

PARTITIONS = 4
ATOL = 0.001
FIRST_MS = 1_767_225_600_000
"""1 January 2026; one pair a millisecond, the candidate's three later."""
SHADOW_LATER_MS = 3
SCHEMA_ID = 1
MISMATCH_EVERY = 50
LABELS = ("approve", "decline", "review", "hold", "retry")
COUNTRIES = ("AT", "BE", "CH", "DE", "DK", "ES", "FR", "IT", "NL", "PL")
NAMES = "flat-100", "flat-1000", "nested-100", "nested-1000", "flat-100-equal"

_FLAT = [
    {"name": "id", "type": "string"},
    {"name": "score", "type": "double"},
    {"name": "label", "type": "string"},
    {"name": "country", "type": "string"},
    {"name": "model", "type": "string"},
    {"name": "ts", "type": "long"},
    {"name": "amount", "type": "double"},
    {"name": "note", "type": ["null", "string"]},
]
_CUSTOMER = {
    "type": "record",
    "name": "Customer",
    "fields": [
        {"name": "tier", "type": "string"},
        {"name": "age", "type": "int"},
        {"name": "active", "type": "boolean"},
    ],
}
_NESTED = [
    *(field for field in _FLAT if field["name"] not in ("amount", "note")),
    {"name": "customer", "type": _CUSTOMER},
    {"name": "features", "type": {"type": "map", "values": "double"}},
    {"name": "tags", "type": {"type": "array", "items": "string"}},
]
_TEXT = "the quick brown fox jumps over the lazy dog and the dog does not mind at all; "


@dataclass(frozen=True)
class Workload:
    """One of `NAMES`; or, for the scaling plots, `flat-<bytes>-<fields>` of so many fields beside the usual ones."""

    name: str

    @property
    def nested(self) -> bool:
        return self.name.startswith("nested")

    @property
    def equal(self) -> bool:
        return self.name.endswith("equal")

    @property
    def bytes(self) -> int:
        """About how many bytes a value has."""
        return int(self.name.split("-")[1])

    @property
    def more(self) -> tuple[int, int]:
        """How many pairs of a double and a string are added, and the length of that string."""
        parts = self.name.split("-")
        if len(parts) == 3 and parts[2].isdecimal():
            fields = int(parts[2])
            return fields, max(1, (int(parts[1]) - 90) // max(1, fields) - 9)
        return (10, 76) if parts[1] == "1000" else (0, 0)

    @property
    def schema(self) -> dict[str, Any]:
        fields = list(_NESTED if self.nested else _FLAT)
        for n in range(self.more[0]):
            fields += [{"name": f"x{n}", "type": "double"}, {"name": f"s{n}", "type": "string"}]
        return {"type": "record", "name": "Score", "fields": fields}

    def value(self, n: int) -> dict[str, Any]:
        """Production's n-th value."""
        value: dict[str, Any] = {
            "id": f"order-{n * 7919 % 1_000_003:010d}",
            "score": n * 37 % 1_000 / 1_000,
            "label": LABELS[n % 5],
            "country": COUNTRIES[n * 3 % 10],
            "model": "fraud-1.14",
            "ts": FIRST_MS + n,
        }
        if self.nested:
            value["customer"] = {"tier": "gold" if n % 7 else "basic", "age": 18 + n % 60, "active": n % 3 > 0}
            value["features"] = {"f1": n % 100 / 8, "f2": n % 17 / 4, "f3": float(n % 5)}
            value["tags"] = ["web", f"t{n % 9}"]
        else:
            value["amount"] = n * 53 % 10_000 / 100
            value["note"] = None if n % 2 else f"seen {n % 13} times before"
        count, length = self.more
        for field in range(count):
            at = (n + 13 * field) % len(_TEXT)
            value[f"x{field}"] = (n + field) % 1_000 / 16
            value[f"s{field}"] = (_TEXT * (length // len(_TEXT) + 2))[at : at + length]
        return value

    def shadow(self, n: int, value: dict[str, Any]) -> dict[str, Any]:
        """The candidate's answer where production says `value`."""
        changed = value if self.equal else {**value, "model": "fraud-2.0"}
        if n % MISMATCH_EVERY == MISMATCH_EVERY - 1:
            return {**changed, "score": value["score"] + 0.25}
        if n % 20 == 7 and not self.equal:
            return {**changed, "score": value["score"] + ATOL / 2}
        return changed

    def pairs(self, count: int) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Key, production's value and the candidate's."""
        schema = fastavro.parse_schema(self.schema)
        head = b"\x00" + SCHEMA_ID.to_bytes(4, "big")

        def written(value: dict[str, Any]) -> bytes:
            out = io.BytesIO()
            out.write(head)
            fastavro.schemaless_writer(out, schema, value)
            return out.getvalue()

        for n in range(count):
            value = self.value(n)
            yield f"k{n:09d}".encode(), written(value), written(self.shadow(n, value))

    def write_schema(self, folder: Path) -> Path:
        """The schema where `schemas.dir` finds it."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{SCHEMA_ID}.score-value.avsc"
        path.write_text(json.dumps(self.schema), "utf-8")
        return path


def mismatches_of(pairs: int) -> int:
    """How many of so many pairs differ."""
    return pairs // MISMATCH_EVERY


@dataclass(frozen=True)
class Topics:
    """A workload of a given size on the broker."""

    workload: Workload
    pairs: int

    @property
    def stem(self) -> str:
        return f"bench.{self.workload.name}.{self.pairs}"

    @property
    def production(self) -> str:
        return f"{self.stem}.production"

    @property
    def shadow(self) -> str:
        return f"{self.stem}.shadow"

    @property
    def found(self) -> str:
        """Where engines write the mismatches that they find."""
        return f"{self.stem}.found"

    @property
    def input(self) -> str:
        """What both sides are said to have read."""
        return f"{self.stem}.input"

    @property
    def names(self) -> tuple[str, ...]:
        """All topics of this workload."""
        return self.production, self.shadow, self.found, self.input


def load(bootstrap: str, topics: Topics) -> None:
    """Make the topics and fill them; lz4, keys unique, n-th pair in partition n % PARTITIONS on both sides."""
    create_topics(bootstrap, dict.fromkeys(topics.names, PARTITIONS))
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            # Else a request sent again on a busy machine changes the order, and a window of event time drops pairs.
            "enable.idempotence": True,
            "linger.ms": 20,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 262_144,
        }
    )
    for partition in range(PARTITIONS):
        producer.produce(topics.input, b"{}", partition=partition, timestamp=FIRST_MS)
    for n, (key, production, shadow) in enumerate(topics.workload.pairs(topics.pairs)):
        at = FIRST_MS + n
        for topic, value, time_ms in (
            (topics.production, production, at),
            (topics.shadow, shadow, at + SHADOW_LATER_MS),
        ):
            while True:
                try:
                    producer.produce(topic, value, key, n % PARTITIONS, timestamp=time_ms)
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.poll(0)
    if producer.flush(120):
        raise RuntimeError(f"{topics.stem} was not written")
