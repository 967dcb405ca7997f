"""Topics of generated shapes on the broker in memory, and what a first config has to find in them."""

import json
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import fastavro
from hypothesis import strategies as st

from shadowstream.codecs.framing import framed
from shadowstream.records import Headers, Partition
from shadowstream.runner.partitioner import partition_for
from shadowstream.testing.memory.broker import MemoryBroker
from shadowstream.testing.memory.clock import ManualClock
from shadowstream.testing.memory.log import Entry

RECORDS = 120
KEYS = 7
FIRST_MS, STEP_MS, DELAY_MS = 1_767_225_600_000, 1_000, 20
FIELDS = {"amount": "double", "score": "double", "at": "string", "token": "string", "model_version": "string"}


@dataclass(frozen=True)
class Shape:
    """A trial's topics. `ids`: where the outputs name their inputs, beside the key."""

    format: Literal["json", "avro", "text"]
    keys: Literal["unique", "repeated", "none"]
    ids: frozenset[Literal["coordinate", "header", "field", "field of another name"]]
    partitioner: Literal["murmur2", "crc32", "input", "unknown"]
    partitions: int
    groups: int

    @property
    def identity(self) -> dict[str, Any] | None:
        """The best identity by the rule; None where nothing pairs."""
        if "coordinate" in self.ids:
            return {"kind": "coordinate", "header": "x-input"}
        if self.keys == "unique":
            return {"kind": "key"}
        if "header" in self.ids:
            return {"kind": "id", "header": "x-request"}
        if self.format != "text" and self.ids & {"field", "field of another name"}:
            return {"kind": "id", "path": "order_id" if "field of another name" in self.ids else "id"}
        return {"kind": "occurrence"} if self.keys == "repeated" else None


_IDS = st.frozensets(st.sampled_from(["coordinate", "header", "field", "field of another name"]), max_size=2)
SHAPES = st.builds(
    Shape,
    format=st.sampled_from(["json", "avro", "text"]),
    keys=st.sampled_from(["unique", "repeated", "none"]),
    ids=_IDS.filter(lambda ids: len(ids & {"field", "field of another name"}) < 2),
    partitioner=st.sampled_from(["murmur2", "crc32", "input", "unknown"]),
    partitions=st.integers(1, 3),
    groups=st.integers(0, 2),
)


def schema(name: str, id_field: str | None) -> dict[str, Any]:
    fields = [{"name": field, "type": kind} for field, kind in FIELDS.items() if name == "Output" or field == "amount"]
    return {"type": "record", "name": name, "fields": fields + [{"name": id_field, "type": "string"}] * bool(id_field)}


ID_FIELDS = (None, "id", "order_id")


def write_schemas(folder: Path) -> None:
    """Schemas of inputs and outputs, one for each field that may hold the id: ids 10, 11, 12 and 20, 21, 22."""
    for n, name in enumerate(("Input", "Output"), start=1):
        for k, field in enumerate(ID_FIELDS):
            (folder / f"{n}{k}.{name.lower()}{k}-value.avsc").write_text(json.dumps(schema(name, field)))


def encoded(shape: Shape, name: str, id_field: str | None, value: dict[str, Any], n: int) -> bytes:
    if shape.format == "text":
        return b"answer to question %d" % n
    if id_field is not None:
        value[id_field] = f"order-{n * 7919 % 10_000:05}"
    if shape.format == "json":
        return json.dumps(value).encode()
    body = BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema(name, id_field)), value)
    return framed(10 * (1 + (name == "Output")) + ID_FIELDS.index(id_field)) + body.getvalue()


def planted(shape: Shape) -> MemoryBroker:
    """A broker with the topics `orders` and `answers`, whose records were all written by now."""
    broker = MemoryBroker(ManualClock(wall_ms=FIRST_MS + (RECORDS + 60) * STEP_MS))
    for topic in ("orders", "answers", "__internal", "shadow.old.diff"):
        broker.create(topic, shape.partitions)
    for n in range(RECORDS):
        _plant(shape, broker, n)
    for group in range(shape.groups):
        ends = {Partition("orders", p): broker.logs[Partition("orders", p)].end for p in range(shape.partitions)}
        broker.groups.of(f"model-{group}").set_back(ends)
    return broker


def _plant(shape: Shape, broker: MemoryBroker, n: int) -> None:
    key = {"unique": b"key-%d" % n, "repeated": b"key-%d" % (n % KEYS), "none": None}[shape.keys]
    own = n % KEYS if shape.keys == "repeated" else n
    place = Partition("orders", own % shape.partitions)
    request = [("x-request", b"request-%d" % n)] if "header" in shape.ids else []
    has_field = shape.ids & {"field", "field of another name"}
    value = encoded(shape, "Input", "id" if has_field else None, {"amount": n * 37 % 1_000 + 0.5}, n)
    at_ms = FIRST_MS + n * STEP_MS
    offset = broker.logs[place].append(Entry(key, value, at_ms, list(request)))
    headers: Headers = list(request)
    if "coordinate" in shape.ids:
        headers = [*request, ("x-input", f"{place}/{offset}".encode())]
    output = {
        "amount": n * 37 % 1_000 + 0.5,
        "score": (n * 37 % 1_000) / 1_000,
        "at": f"2026-01-01T00:{n // 60:02}:{n % 60:02}.{DELAY_MS + n % 10:03}Z",
        "token": f"{n * 104_729:032x}",
        "model_version": "2.1",
    }
    field = ("order_id" if "field of another name" in shape.ids else "id") if has_field else None
    kind = "input" if key is None and shape.partitioner != "unknown" else shape.partitioner
    partition = (
        n // 3 % shape.partitions if kind == "unknown" else partition_for(kind, key, place.partition, shape.partitions)
    )
    entry = Entry(key, encoded(shape, "Output", field, output, n), at_ms + DELAY_MS, headers)
    broker.logs[Partition("answers", partition)].append(entry)


def uncommented(text: str) -> str:
    """The file with every proposal taken."""
    lines = text.splitlines()
    bare = [line.lstrip()[:1] == "#" and line.lstrip()[1:2] not in (" ", "") for line in lines]
    return "\n".join(line.replace("#", "", 1) if is_bare else line for line, is_bare in zip(lines, bare, strict=True))


def unexplained(text: str) -> list[str]:
    """Settings of the file without a comment above them or above the section that they begin."""
    lines = [line for line in text.splitlines() if line]
    found = []
    for above, line in pairwise(lines):
        is_first_of_section = above.rstrip().endswith(":")
        if not line.lstrip().startswith("#") and not above.lstrip().startswith("#") and not is_first_of_section:
            found.append(line)
    return found
