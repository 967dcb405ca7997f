"""On the broker: a schema registry that goes away and comes back, with schemas by prefix on one side and by header on
the other. What is known goes on; what is not waits, is said, and is counted in the end."""

import io
import json
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import fastavro

from shadowstream.testing import Broker
from shadowstream.testing.ports import free_port
from shadowstream.testing.topics import Write, produce_all, read_all
from tests.codecs.registry_server import Registry
from tests.pipeline.test_external_candidate import adopted, running
from tests.pipeline.trial_fixture import PARTITIONS, Trial, order, time_ms
from tests.pipeline.written_records import await_that, ended, records, remainders

FIRST = {"type": "record", "name": "S", "fields": [{"name": "n", "type": "int"}, {"name": "score", "type": "double"}]}
SECOND = {
    "type": "record",
    "name": "S",
    "fields": [{"name": "number", "type": "long", "aliases": ["n"]}, {"name": "score", "type": "double"}],
}
EACH = 300


def body(schema: Any, n: int) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, {schema["fields"][0]["name"]: n, "score": n / 2})
    return out.getvalue()


def produce(trial: Trial, numbers: Iterable[int], schema_id: int) -> None:
    """Production by prefix and schema 1, the candidate by header and the schema of that id; one in ten differs."""
    schema = {1: FIRST, 2: SECOND}[schema_id]
    production, shadow = [], []
    for n in numbers:
        order = {"key": f"k{n}".encode(), "partition": n % PARTITIONS, "timestamp_ms": time_ms(0) + n}
        production.append(Write(b"\0\0\0\0\1" + body(FIRST, n), **order))
        named = [("__value_schema_id", b"\0" + schema_id.to_bytes(4, "big"))]
        shadow.append(Write(body(schema, n + (n % 10 == 0)), headers=named, **order))
    produce_all(trial.bootstrap, trial.output, production)
    produce_all(trial.bootstrap, f"{trial.name}-next", shadow)


def status(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def counted(trial: Trial) -> Counter[str]:
    return ended(records(trial.bootstrap, trial.topic("stats")))


def pending(trial: Trial) -> int:
    last = {record["task"]: record["pending"] for record in records(trial.bootstrap, trial.topic("stats"))}
    return sum(last.values())


def outcomes(pairs: int) -> Counter[str]:
    return Counter(match=pairs - pairs // 10, mismatch=pairs // 10)


def test_during_a_registry_outage_only_unknown_schemas_wait(kafka: Broker, tmp_path: Path) -> None:
    registry = Registry()
    registry.answers = {f"/schemas/ids/{n}": {"schema": json.dumps(one)} for n, one in ((1, FIRST), (2, SECOND))}
    trial = adopted(
        kafka.bootstrap,
        "registry-away",
        tmp_path,
        schemas={"registry": registry.url(), "formats": {"registry-away-next": {"header": True}}},
        compare={"match_sample": 0},
    )
    # Nobody is in the candidate's group: it is behind with all of these, so nothing is missing while it is written.
    trial.write_orders(range(3 * EACH))
    port = free_port()
    with running(trial, "run"):
        joiner = trial.start("join", str(trial.config_path), "--json", "--listen", f"127.0.0.1:{port}")
        try:
            produce(trial, range(EACH), 1)
            await_that("the first are counted", lambda: counted(trial) == outcomes(EACH))
            assert (status(port, "/healthz"), status(port, "/readyz")) == (200, 200)

            where = registry.server_address[1]
            registry.close()
            produce(trial, range(EACH, 2 * EACH), 2)
            produce(trial, range(2 * EACH, 3 * EACH), 1)
            await_that("what is known goes on", lambda: counted(trial) == outcomes(2 * EACH))
            await_that("the others are pending", lambda: pending(trial) == 2 * EACH)
            assert (status(port, "/healthz"), status(port, "/readyz")) == (200, 503)
            assert {"registry_unreachable", "schemas_awaited"} <= {
                word for word in ("registry_unreachable", "schemas_awaited") if word in trial.log_text("join")
            }

            again = Registry(where)
            again.answers = registry.answers
            await_that("all are counted", lambda: counted(trial) == outcomes(3 * EACH))
            await_that("and it is ready", lambda: status(port, "/readyz") == 200)
            assert again.asked == ["/schemas/ids/2"]
            again.close()
        finally:
            joiner.terminate()
            trial.finish(joiner, "join")
    assert "schemas_came" in trial.log_text("join")
    assert "schemas_differ" in trial.log_text("join")
    assert remainders(records(trial.bootstrap, trial.topic("stats"))) == {}
    assert read_all(trial.bootstrap, trial.topic("dlq.joiner")) == []
    paths = {d["path"] for row in records(trial.bootstrap, trial.topic("diff")) for d in row["differences"]}
    assert paths == {"n", "score"}


ORDER = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "n", "type": "long"},
        {"name": "amount", "type": "double"},
        {"name": "customer", "type": "string"},
    ],
}


def order_of(n: int, schema_id: int) -> bytes:
    out = io.BytesIO()
    out.write(b"\0" + schema_id.to_bytes(4, "big"))
    fastavro.schemaless_writer(out, ORDER, order(n))
    return out.getvalue()


def test_a_runner_waits_with_the_partition_whose_inputs_it_cannot_read_yet(kafka: Broker, tmp_path: Path) -> None:
    registry = Registry()
    registry.answers = {f"/schemas/ids/{n}": {"schema": json.dumps(ORDER)} for n in (1, 2)}
    trial = Trial(kafka.bootstrap, "registry-runner", tmp_path, settings={"start": "earliest"})
    candidate = {"call": trial.call, "trusted": True, "partitioner": "input"}
    trial.write_config(schemas={"registry": registry.url()}, candidate=candidate)
    trial.create_topics()
    first, later = range(30), range(30, 120)
    trial.write_orders(first, lambda n: order_of(n, 1))

    def written() -> int:
        return len(read_all(trial.bootstrap, trial.topic(f"out.{trial.output}")))

    with running(trial, "run"):
        await_that("the first are answered", lambda: written() == len(first))
        registry.failing = True
        trial.write_orders(later, lambda n: order_of(n, 2 if n % PARTITIONS == 0 else 1))
        there = sum(n % PARTITIONS != 0 for n in later)
        await_that("the other partitions go on", lambda: written() == len(first) + there)
        await_that("the waiting partition is named", lambda: "partition_paused" in trial.log_text("run"))
        registry.failing = False
        await_that("all are answered", lambda: written() == len(first) + len(later))
    registry.close()
    outputs = read_all(trial.bootstrap, trial.topic(f"out.{trial.output}"))
    keys = sorted(one.key or b"" for one in outputs)
    assert keys == sorted(f"order-{n}".encode() for n in range(120))
