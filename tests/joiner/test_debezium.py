"""The presets for Debezium, on envelopes as its PostgreSQL connector documents them, deletes and tombstones too."""

import io
import json
from pathlib import Path
from typing import Any

import fastavro
import pytest

from shadowstream.codecs.framing import SchemaId, framed
from shadowstream.codecs.schemas import NoSchemas, parse
from shadowstream.compare.comparer import comparer_of
from shadowstream.compare.hooks import load as load_hook
from shadowstream.configfile import load
from tests.joiner.joiner_world import Record, World

TRIAL = """\
preset: PRESET
name: t
inputs: [in]
production: {outputs: [out], group: prod, commits: after_output}
candidate: {call: "tests.joiner.whole_trial:candidate", trusted: true, partitioner: input}
start: earliest
compare: {examples: {values: shown}}
"""
ROW = {
    "type": "record",
    "name": "Value",
    "fields": [{"name": "id", "type": "int"}, {"name": "email", "type": "string"}],
}
SOURCE = {
    "type": "record",
    "name": "Source",
    "fields": [
        *({"name": name, "type": "string"} for name in ("version", "connector", "name", "db", "schema", "table")),
        {"name": "ts_ms", "type": "long"},
        {"name": "snapshot", "type": ["null", "string"], "default": None},
        {"name": "txId", "type": ["null", "long"], "default": None},
        {"name": "lsn", "type": ["null", "long"], "default": None},
    ],
}
ENVELOPE = {
    "type": "record",
    "name": "Envelope",
    "namespace": "server.public.customers",
    "fields": [
        {"name": "before", "type": ["null", ROW], "default": None},
        {"name": "after", "type": ["null", "Value"], "default": None},
        {"name": "source", "type": SOURCE},
        {"name": "op", "type": "string"},
        {"name": "ts_ms", "type": ["null", "long"], "default": None},
        {"name": "ts_us", "type": ["null", "long"], "default": None},
        {"name": "ts_ns", "type": ["null", "long"], "default": None},
    ],
}
Event = dict[str, Any]


def event(op: str, before: str | None, after: str | None, connector: int) -> Event:
    """A change of row 1, as the connector number `connector` reads it: its own times, version and place in the log."""
    at = 1_559_033_904_863 + connector
    row = {None: None} | {email: {"id": 1, "email": email} for email in (before, after) if email is not None}
    source = {
        "version": f"3.{connector}.0.Final", "connector": "postgresql", "name": "server", "db": "shop",
        "schema": "public", "table": "customers", "ts_ms": at, "snapshot": "false", "txId": 555 + connector,
        "lsn": 24_023_128 + connector,
    }  # fmt: skip
    times = {"ts_ms": at, "ts_us": at * 1_000, "ts_ns": at * 1_000_000}
    return {"before": row[before], "after": row[after], "source": source, "op": op, **times}


class Schemas(NoSchemas):
    """Schema 1 is the envelope."""

    def by_id(self, schema_id: SchemaId) -> Any:
        return parse(json.dumps(ENVELOPE)) if schema_id == 1 else super().by_id(schema_id)


def written(value: Event | None, form: str) -> str | None:
    """An event as its converter writes it, a byte a character."""
    if value is None:
        return None
    if form == "avro":
        body = io.BytesIO()
        fastavro.schemaless_writer(body, fastavro.parse_schema(ENVELOPE), value)
        return (framed(1) + body.getvalue()).decode("latin-1")
    value = {**value, "transaction": None}
    whole = {"schema": {"type": "struct", "version": value["ts_ms"]}, "payload": value} if form == "payload" else value
    return json.dumps(whole)


@pytest.mark.parametrize("form", ["json", "avro", "payload"])
def test_the_life_of_a_row_is_compared_by_its_images_after(form: str, tmp_path: Path) -> None:
    path = tmp_path / "trial.yaml"
    path.write_text(TRIAL.replace("PRESET", "debezium-payload" if form == "payload" else "debezium"), "utf-8")
    world = World(load(path, {}))
    world.compare = comparer_of(Schemas(), world.config, load_hook)
    world.begin()
    changes = [("c", None, "a@x"), ("u", "a@x", "b@x"), ("d", "b@x", None), None, ("c", None, "c@x")]
    pairs = [tuple(event(*change, n) if change else None for n in (1, 2)) for change in changes]
    pairs.append((event("u", "c@x", "d@x", 1), event("u", "c@x", "WRONG", 2)))
    pairs.append((event("d", "d@x", None, 1), None))  # a tombstone in place of the delete
    pairs.append((event("c", None, "e@x", 1), event("c", None, "e@x", 2)))
    for n, (production, shadow) in enumerate(pairs):
        at = 60_000 * n  # further apart than the tolerance
        world.logs[world.inputs[0]].append(Record(b"1", b"1", at))
        world.production("1", written(production, form), at)
        world.shadow("1", written(shadow, form), n, at)
    world.production("2", None, 900_000)  # time passes; these two stay pending
    world.shadow("2", None, len(pairs), 900_000)
    world.production_committed[world.inputs[0]] = len(pairs)
    world.done(len(pairs), "end")
    world.turn(3)
    counted = world.outcomes()
    # The tombstones are equal; of the other pairs connector, place and times differ, which the preset ignores.
    assert counted == {"match": 1, "ignored": 5, "mismatch": 2}
    differing = {
        row["pair_id"]: [one["path"] for one in row["differences"]]
        for row in world.diff
        if row["outcome"] == "mismatch"
    }
    assert sorted(differing.values()) == [[""], ["payload.after.email" if form == "payload" else "after.email"]]
