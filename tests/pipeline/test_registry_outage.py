"""On the broker: a schema registry that goes away and comes back, with schemas by prefix on one side and by header on
the other. What is known goes on; what is not waits, is said, and is counted in the end."""

import io
import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import fastavro

from shadowstream.testing.ports import free_port
from shadowstream.testing.topics import Write, produce_all, read_all
from tests.codecs.registry_server import Registry
from tests.metrics.scraping import Probed
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.test_external_candidate import adopted, running
from tests.pipeline.trial_fixture import PARTITIONS, UNBOUNDED, Trial, order, time_ms
from tests.pipeline.written_records import await_that, remainders

FIRST = {"type": "record", "name": "S", "fields": [{"name": "n", "type": "int"}, {"name": "score", "type": "double"}]}
NUMBER = {"name": "number", "type": "long", "aliases": ["n"]}
SECOND = {"type": "record", "name": "S", "fields": [NUMBER, {"name": "score", "type": "double"}]}
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


def pending(trial: Trial) -> int:
    last = {record["task"]: record["pending"] for record in trial.records("stats")}
    return sum(last.values())


def outcomes(pairs: int) -> Counter[str]:
    return Counter(match=pairs - pairs // 10, mismatch=pairs // 10)


def test_during_a_registry_outage_only_unknown_schemas_wait(make_trial: MakeTrial) -> None:
    registry = Registry()
    registry.answers = {f"/schemas/ids/{n}": {"schema": json.dumps(one)} for n, one in ((1, FIRST), (2, SECOND))}
    schemas = {"registry": registry.url(), "formats": {"registry-away-next": {"header": True}}}
    trial = adopted(make_trial, "registry-away", schemas=schemas, compare={"match_sample": 0})
    # Nobody is in the candidate's group: it is behind with all of these, so nothing is missing while it is written.
    trial.write_orders(range(3 * EACH))
    probed = Probed(free_port())
    with running(trial, "run"), running(trial, "join", "--listen", probed.listen):
        produce(trial, range(EACH), 1)
        trial.await_outcomes(outcomes(EACH))
        assert (probed.status("/healthz"), probed.status("/readyz")) == (200, 200)

        where = registry.server_address[1]
        registry.close()
        produce(trial, range(EACH, 2 * EACH), 2)
        produce(trial, range(2 * EACH, 3 * EACH), 1)
        trial.await_outcomes(outcomes(2 * EACH))
        await_that("the others are pending", lambda: pending(trial) == 2 * EACH)
        assert (probed.status("/healthz"), probed.status("/readyz")) == (200, 503)
        assert "registry_unreachable" in trial.log_text("join")
        assert "schemas_awaited" in trial.log_text("join")

        again = Registry(where)
        again.answers = registry.answers
        trial.await_outcomes(outcomes(3 * EACH))
        await_that("and it is ready", lambda: probed.status("/readyz") == 200)
        assert again.asked == ["/schemas/ids/2"]
        again.close()
    assert "schemas_came" in trial.log_text("join")
    assert "schemas_differ" in trial.log_text("join")
    assert remainders(trial.records("stats")) == {}
    assert read_all(trial.bootstrap, trial.topic("dlq.joiner")) == []
    paths = {d["path"] for row in trial.records("diff") for d in row["differences"]}
    assert paths == {"n", "score"}


KINDS = {"n": "long", "amount": "double", "customer": "string"}
ORDER = {"type": "record", "name": "Order", "fields": [{"name": name, "type": kind} for name, kind in KINDS.items()]}


def order_of(n: int, schema_id: int) -> bytes:
    out = io.BytesIO()
    out.write(b"\0" + schema_id.to_bytes(4, "big"))
    fastavro.schemaless_writer(out, ORDER, order(n))
    return out.getvalue()


def test_a_runner_waits_with_the_partition_whose_inputs_it_cannot_read_yet(make_trial: MakeTrial) -> None:
    registry = Registry()
    registry.answers = {f"/schemas/ids/{n}": {"schema": json.dumps(ORDER)} for n in (1, 2)}
    schemas = {"registry": registry.url()}
    trial = make_trial("registry-runner", partitioner="input", schemas=schemas, **UNBOUNDED)
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
