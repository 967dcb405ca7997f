"""On the broker: keys and headers that differ are found at their paths, also where production hashes the key."""

import json
from collections import Counter

from confluent_kafka import Message, Producer

from tests.pipeline.candidates import SAME
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.trial_fixture import COORDINATE_HEADER, Production
from tests.pipeline.written_records import remainders

ORDERS, EVERY = 150, 50
EACH = ORDERS // EVERY
TRACING = (
    SAME
    + f"""

from shadowstream.runner.outputs import Output


def traced(order):
    n = order["n"]
    trace = [("trace", b"other" if n % {EVERY} == 11 else b"order-%d" % n)]
    return Output(judge(order), key=b"other" if n % {EVERY} == 7 else None, headers=[] if n % {EVERY} == 9 else trace)
"""
)


class TracingProduction(Production):
    """A production whose outputs have the key of their input in a header."""

    def _answer(self, producer: Producer, message: Message) -> bool:
        coordinate = f"{message.topic()}/{message.partition()}/{message.offset()}".encode()
        headers = [(COORDINATE_HEADER, coordinate), ("trace", message.key())]
        value, (_, at) = self.say(message.value()), message.timestamp()
        producer.produce(self.trial.output, value, message.key(), timestamp=at, headers=headers)
        producer.poll(0)
        return True


def test_keys_and_headers_that_differ_are_found_in_any_partition(make_trial: MakeTrial) -> None:
    trial = make_trial("parts", TRACING, "traced", partitions=5)
    trial.identity = {"kind": "coordinate", "header": COORDINATE_HEADER}
    rules = [{"path": "score", "atol": 1e-6}]
    compare = {"key": True, "headers": ["trace"], "order": True, "rules": rules, "match_sample": 1}
    trial.write_config(compare=compare)
    trial.write_orders(range(ORDERS))
    TracingProduction(trial, partitioner="murmur2_random").work(ORDERS)
    trial.finish(trial.start("up"), "up")
    expected = Counter(match=ORDERS - 3 * EACH, mismatch=3 * EACH)
    assert trial.outcomes() == expected
    rows = {row["pair_id"]: row for row in trial.records("diff")}
    paths = Counter((one["path"], one["kind"]) for row in rows.values() for one in row["differences"])
    assert paths == {("$key", "value"): EACH, ("$headers.trace", "missing"): EACH, ("$headers.trace", "value"): EACH}
    assert {one["kind"] for mark in trial.records("progress") for one in mark.get("partitioners") or ()} == {
        "repartition"
    }
    assert remainders(trial.records("stats")) == {}
    fields = json.loads(trial.ask("diff", "--summary", "--json").stdout)["fields"]
    assert fields == {"$key": EACH, "$headers.trace": 2 * EACH}
    pair_id = next(id_ for id_, row in rows.items() if row["differences"] and row["differences"][0]["path"] == "$key")
    shown = trial.ask("diff", "--show", pair_id).stdout
    assert "$key" in shown
    assert "other" in shown
