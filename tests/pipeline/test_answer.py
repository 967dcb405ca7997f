"""Production's answer in the input's own record: one topic, JSON and Avro records in it, on a real broker."""

import io
import json
from typing import Any

import fastavro

from shadowstream.codecs.framing import framed
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.trial_fixture import Trial, order

ANSWER = {
    "type": "record",
    "name": "Answer",
    "fields": [{"name": "score", "type": "double"}, {"name": "why", "type": ["null", "string"]}],
}
INPUT = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "n", "type": "long"},
        {"name": "amount", "type": "double"},
        {"name": "model", "type": {"type": "record", "name": "Model", "fields": [{"name": "out", "type": ANSWER}]}},
    ],
}
CANDIDATE = """
def judge(order):
    if "out" in order.get("model", {}):
        raise ValueError("saw production's answer")
    if order["n"] % 50 == 7:
        return None
    return {"score": order["amount"] / 1000 + (0.25 if order["n"] % 10 == 3 else 0.0), "why": None}
"""
ORDERS = 150


def record(n: int) -> bytes:
    """The n-th order with production's answer to it: by turns Avro and JSON; two have no answer, one is broken."""
    amount = order(n)["amount"]
    value: dict[str, Any] = {"n": n, "amount": amount, "model": {"out": {"score": amount / 1000, "why": None}}}
    if n in (20, 22):
        return json.dumps({"n": n, "amount": amount, "model": {}} if n == 20 else {"n": n, "amount": amount}).encode()
    if n == 24:
        return b"{"
    if n % 2 == 0:
        return json.dumps(value).encode()
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(INPUT), value)
    return framed(1) + body.getvalue()


def with_answers(make_trial: MakeTrial) -> Trial:
    trial = make_trial("answer-", CANDIDATE, schemas={"dir": "schemas"}, identity={}, judge={"min_duration_ms": 0})
    (trial.folder / "schemas").mkdir()
    for file, schema in ((f"1.{trial.input}-value", INPUT), (f"2.{trial.input}-answer", ANSWER)):
        (trial.folder / "schemas" / f"{file}.avsc").write_text(json.dumps(schema), "utf-8")
    trial.write_config(production={"answer": "model.out"}, compare={"match_sample": 1})
    trial.write_orders(range(ORDERS), record)
    return trial


def test_each_input_is_compared_with_the_answer_that_it_holds(make_trial: MakeTrial) -> None:
    trial = with_answers(make_trial)
    checked = trial.ask("validate")
    assert checked.returncode == 0, checked.stdout
    trial.play("run", "join", "judge")
    silent = len([n for n in range(ORDERS) if n % 50 == 7])
    wrong = len([n for n in range(ORDERS) if n % 10 == 3])
    expected = {"missing": silent, "mismatch": wrong, "undecodable_production": 2, "undecodable_input": 1}
    expected["match"] = ORDERS - sum(expected.values())
    assert trial.outcomes() == expected
    (verdict,) = trial.records("verdict")[-1:]
    assert verdict["remainder"] == 0
    rows = trial.records("diff")
    assert {row["reason"] for row in rows if row["outcome"] == "undecodable_production"} == {
        "answer: the record has no field model.out, which holds production's answer"
    }
    differing = [row for row in rows if row["outcome"] == "mismatch"]
    assert {one["path"] for row in differing for one in row["differences"]} == {"score"}
    assert all(f"{row['input']}/".startswith(f"{row['pair_id']}/") for row in differing)  # both are one record
    shown = json.loads(trial.ask("diff", "--show", differing[0]["pair_id"], "--json").stdout)
    assert {one["path"] for one in shown["fields"]} == {"score", "why"}
    for command in ("doctor", "plan", "explain", "status"):
        answer = trial.ask(command)
        assert "Traceback" not in answer.stderr, answer.stderr
