"""On the broker, with each identity: what the candidate does to a record is the outcome of that record, exactly."""

import json
from collections import Counter

import pytest

from shadowstream.testing.topics import read_all
from tests.pipeline.candidates import FAULTY, OUT_OF, answer
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.test_external_candidate import running
from tests.pipeline.trial_fixture import COORDINATE_HEADER, PARTITIONS, Production
from tests.pipeline.written_records import outcomes_of_rows, remainders, totals

ORDERS = 2_000
EACH = ORDERS // OUT_OF
IDENTITIES = {"key": {"kind": "key"}, "coordinate": {"kind": "coordinate", "header": COORDINATE_HEADER}}


@pytest.mark.parametrize("identity", ["key", pytest.param("coordinate", marks=pytest.mark.long)])
def test_each_fault_of_the_candidate_is_its_outcome_and_nothing_else_is(identity: str, make_trial: MakeTrial) -> None:
    trial = make_trial(f"outcomes-{identity}", FAULTY, "faulty", identity=IDENTITIES[identity])
    trial.write_orders(range(ORDERS))
    production = Production(trial, names_inputs=identity == "coordinate")
    answered = production.work(ORDERS // 2)
    up = trial.start("up")
    answered += production.work(ORDERS)
    assert answered == ORDERS
    trial.finish(up, "up")

    expected = Counter(missing=EACH, extra=EACH, candidate_error=EACH, tolerated=EACH, ignored=EACH)
    expected["match"] = ORDERS - 4 * EACH
    stats = trial.records("stats")
    assert totals(stats) == expected + Counter(input=ORDERS, input_failed=EACH)
    assert outcomes_of_rows(trial.bootstrap, trial.topic("diff")) == expected
    assert remainders(stats) == {}
    print(f"{identity}: {dict(expected)}")


SKIPPED, ANSWERED, GARBLED = 30, 61, 92
"""An order that nobody can read and production skips, one that production answers, one that it answers illegibly."""


def raw_order(n: int) -> bytes:
    readable = json.dumps({"n": n, "amount": n, "customer": "c"}).encode()
    return {SKIPPED: b"\xffskip", ANSWERED: b"\xffanswer"}.get(n, readable)


def lenient(value: bytes) -> bytes | None:
    """A production that reads what the decoder cannot."""
    if value.startswith(b"\xff"):
        return b'{"id": "unknown"}' if value.endswith(b"answer") else None
    text = json.dumps(answer(json.loads(value))).encode()
    return b"\xfe" + text if json.loads(value)["n"] == GARBLED else text


def test_what_cannot_be_decoded_is_one_outcome_and_the_stream_goes_on(make_trial: MakeTrial) -> None:
    trial = make_trial("undecodable")
    trial.write_orders(range(300), raw_order)
    assert Production(trial, lenient).work(300) == 299
    trial.play("run", "join")

    stats = trial.records("stats")
    assert totals(stats) == Counter(
        input=298, input_undecodable=2, undecodable_input=1, undecodable_production=1, match=300 - 3
    )
    assert remainders(stats) == {}
    rows = {row["outcome"]: row for row in trial.records("diff") if row["outcome"] != "match"}
    assert {outcome: (row["key"], row["reason"].partition(":")[0]) for outcome, row in rows.items()} == {
        "undecodable_input": (f"order-{ANSWERED}".encode(), "framing"),
        "undecodable_production": (f"order-{GARBLED}".encode(), "framing"),
    }
    dead = read_all(trial.bootstrap, trial.topic("dlq.runner"))
    assert {(dict(read.headers)["__connect.errors.offset"], read.value) for read in dead} == {
        (str(SKIPPED // PARTITIONS).encode(), b"\xffskip"),
        (str(ANSWERED // PARTITIONS).encode(), b"\xffanswer"),
    }


def test_what_production_did_before_the_trial_is_warm_up(make_trial: MakeTrial) -> None:
    trial = make_trial("warm-up", FAULTY, "faulty", start="production-group", bounded=False)
    trial.write_orders(range(600))
    production = Production(trial)
    production.work(300)
    production.work(360, commit=False)  # its next life answers orders 300 to 359 again
    with running(trial, "up"):
        trial.await_mark("start")
        production.work(600)
        trial.await_mark("warm")
        trial.write_orders(range(600, 900))
        production.work(900)
        # Of 300 orders each fault has 3: 600 to 899 count, of 300 to 599 every pair and every record alone is warm-up.
        expected = Counter(missing=3, extra=3, candidate_error=3, tolerated=3, ignored=3, match=288, warm_up=300 + 3)
        trial.await_outcomes(expected)
    stats = trial.records("stats")
    assert totals(stats) == expected + Counter(input=600, input_failed=6)
    assert remainders(stats) == {}
