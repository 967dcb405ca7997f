"""An answer inside a record is compared as the same answer on its own would be: Avro and JSON, rows and columns."""

import io
import json
from typing import Any

import fastavro
import pytest

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.framing import SchemaId, framed
from shadowstream.codecs.schemas import NoSchemas, parse
from shadowstream.compare.comparer import Comparing, comparer_of
from shadowstream.compare.hooks import load
from shadowstream.errors import RecordError
from shadowstream.records import Side
from tests.least_config import least_config

POINT = {"type": "record", "name": "Point", "namespace": "geo", "fields": [{"name": "x", "type": "double"}]}
ANSWER = {
    "type": "record",
    "name": "Answer",
    "namespace": "fraud",
    "fields": [
        {"name": "score", "type": "float"},
        {"name": "why", "type": ["null", "string"]},
        {"name": "any", "type": ["null", "long", "string"]},
        {"name": "at", "type": "geo.Point"},
        {"name": "when", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}
OUTER = {  # Point is defined outside the answer, which refers to it
    "type": "record",
    "name": "Decision",
    "namespace": "fraud",
    "fields": [
        {"name": "from", "type": POINT},
        {"name": "deep", "type": {"type": "record", "name": "Deep", "fields": [{"name": "out", "type": ANSWER}]}},
        {"name": "score", "type": "double"},
        {"name": "left", "type": ["null", "Answer"]},
    ],
}
INNER = {**ANSWER, "fields": [f | {"type": POINT} if f["name"] == "at" else f for f in ANSWER["fields"]]}
WIDER = {**INNER, "fields": [*INNER["fields"], {"name": "more", "type": "int"}]}
FLAT = {**ANSWER, "fields": [ANSWER["fields"][0], {"name": "why", "type": ["null", "string"]}]}
AROUND = {"type": "record", "name": "A", "fields": [{"name": "n", "type": "long"}, {"name": "out", "type": FLAT}]}
SCHEMAS: dict[Any, Any] = {1: OUTER, 2: INNER, 3: WIDER, 4: "double", 5: AROUND, 6: FLAT}


class Schemas(NoSchemas):
    """The schemas above, by their ids."""

    def by_id(self, schema_id: SchemaId) -> Any:
        return parse(json.dumps(SCHEMAS[schema_id])) if schema_id in SCHEMAS else super().by_id(schema_id)


def avro(schema_id: int, value: Any) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, parse(json.dumps(SCHEMAS[schema_id])), value)
    return framed(schema_id) + body.getvalue()


def answer(n: int, **changes: Any) -> dict[str, Any]:
    other = "text" if n % 3 == 0 else n
    return {"score": n / 7, "why": None, "any": other, "at": {"x": 1.5 * n}, "when": n} | changes


def whole(n: int, **changes: Any) -> dict[str, Any]:
    inner = answer(n, **changes)
    return {"from": {"x": -1.0}, "deep": {"out": inner}, "score": n / 7, "left": inner if n % 2 else None}


def comparing(path: str | None) -> Comparing:
    production = {"outputs": ["out"]} if path is None else {"answer": path}
    config = least_config(production=production, compare={"rules": [{"path": "score", "atol": 0.001}]})
    return comparer_of(Schemas(), config, load).of(config.production.outputs[0])


CHANGES: list[dict[str, Any]] = [
    {}, {"score": 99.0}, {"why": "late"}, {"any": "5"}, {"at": {"x": 0.25}}, {"when": 7}, {"score": 3.0001},
]  # fmt: skip


@pytest.mark.parametrize("count", [7, 140])
@pytest.mark.parametrize("shadow_id", [2, 3])
def test_an_avro_answer_compares_as_on_its_own(count: int, shadow_id: int) -> None:
    more = {"more": 1} if shadow_id == 3 else {}
    shadow = [avro(shadow_id, answer(n, **CHANGES[n % len(CHANGES)], **more)) for n in range(count)]
    inside = comparing("deep.out")([avro(1, whole(n)) for n in range(count)], shadow)
    separate = comparing(None)([avro(2, answer(n)) for n in range(count)], shadow)
    assert list(inside.outcomes) == list(separate.outcomes)
    assert [one.differences for one in inside] == [one.differences for one in separate]
    assert {"match", "mismatch"} <= set(inside.outcomes) or shadow_id == 3
    assert inside.changes.keys() == separate.changes.keys()


def test_columns_hold_the_answer_that_rows_hold() -> None:
    answers = [{"score": n / 7, "why": None if n % 2 else f"w{n}"} for n in range(140)]
    production = [avro(5, {"n": n, "out": one}) for n, one in enumerate(answers)]
    decoder = Decoder(Schemas(), answer=("out",))
    read = decoder.columns(production)
    assert read is not None
    assert read[0].to_pylist() == [decoder.decode(value) for value in production]
    shadow = [avro(6, one | ({"score": -1.0} if n % 5 == 0 else {})) for n, one in enumerate(answers)]
    assert list(comparing("out")(production, shadow).outcomes) == [
        "mismatch" if n % 5 == 0 else "match" for n in range(140)
    ]
    assert Decoder(Schemas(), answer=("out", "score")).columns(production) is None  # a number has no columns
    assert Decoder(Schemas(), answer=("gone",)).columns(production) is None


@pytest.mark.parametrize("count", [7, 140])
def test_a_json_answer_compares_as_on_its_own(count: int) -> None:
    shadow = [json.dumps(answer(n, **CHANGES[n % len(CHANGES)])).encode() for n in range(count)]
    inside = comparing("deep.out")([json.dumps(whole(n)).encode() for n in range(count)], shadow)
    separate = comparing(None)([json.dumps(answer(n)).encode() for n in range(count)], shadow)
    assert list(inside.outcomes) == list(separate.outcomes)
    assert [one.differences for one in inside] == [one.differences for one in separate]


def test_an_answer_may_be_a_number_and_null() -> None:
    production = [avro(1, whole(n)) for n in range(40)]
    assert set(comparing("score")(production, [avro(4, n / 7) for n in range(40)]).outcomes) == {"match"}
    assert set(comparing("score")(production, [avro(4, -1.0)] * 40).outcomes) == {"mismatch"}
    left = comparing("left")(production, [avro(2, answer(n)) for n in range(40)]).outcomes
    assert list(left) == ["match" if n % 2 else "mismatch" for n in range(40)]


def test_equal_bytes_of_a_whole_record_are_no_equal_answers() -> None:
    record = json.dumps({"out": {"out": 1}}).encode()
    assert list(comparing("out")([record], [record]).outcomes) == ["mismatch"]


def test_a_record_without_an_answer_is_undecodable_whatever_its_form() -> None:
    decoded = comparing("deep.none").decode(
        Side.PRODUCTION, [avro(1, whole(1)), b'{"deep": {}}', b'{"deep": 5}', b"[1]", None]
    )
    assert [getattr(one, "reason", one) for one in decoded] == ["answer"] * 4 + [None]
    assert all(isinstance(one, RecordError) for one in decoded[:4])
