"""Values in the formats of their topics, from the record to outcome, correction and dead letter."""

import json
from typing import Any

from shadowstream.codecs.framing import SchemaId, framed
from shadowstream.codecs.schemas import NoSchemas, parse
from shadowstream.compare.comparer import comparer_of
from shadowstream.compare.hooks import load
from shadowstream.records import Side
from tests.joiner.joiner_world import Record, config
from tests.joiner.outcome_cases import restart
from tests.joiner.test_redaction import WorldWithSinks

HEADER = "__value_schema_id"
ID = framed(1).decode("latin-1")


class Texts(NoSchemas):
    """Schema 1 is a text; there is no other."""

    def by_id(self, schema_id: SchemaId) -> Any:
        return parse('"string"') if schema_id == 1 else super().by_id(schema_id)


def world(formats: dict[str, Any], **more: Any) -> WorldWithSinks:
    candidate = {"topic": "next", "group": "next", "version": "1", "commits": "after_output"}
    schemas = {"dir": "given", "formats": formats}
    found = WorldWithSinks(config(schemas=schemas, candidate=candidate, compare={"match_sample": 1}, **more))
    found.compare = comparer_of(Texts(), found.config, load)
    found.start()
    found.start_joiner()
    return found


def body(text: str) -> str:
    return chr(2 * len(text)) + text


def test_headers_name_schemas_on_either_side_where_the_config_says_so() -> None:
    one = world({"out": {"header": True}, "next": {"header": True}})
    one.production("a", body("x"), **{HEADER: ID})
    one.shadow("a", ID + body("x"))  # by prefix: the same schema, the same value
    one.production("b", ID + body("x"))
    one.shadow("b", body("y"), **{HEADER: ID})
    one.production("c", '"x"')
    one.shadow("c", body("x"), **{HEADER: ID})
    one.production("d", None, **{HEADER: ID})
    one.shadow("d", None)
    one.turn()
    assert one.outcomes() == {"match": 3, "mismatch": 1}


def test_without_a_word_in_the_config_a_header_is_not_looked_at() -> None:
    one = world({})
    one.production("a", body("x"), **{HEADER: ID})
    one.shadow("a", body("y"), **{HEADER: ID})
    one.turn()
    assert one.outcomes() == {"undecodable_production": 1}


def test_a_dead_letter_has_the_value_and_the_header_as_they_were() -> None:
    one = world({"out": {"header": True}, "next": {"header": True}})
    broken = body("x") + "left"
    for key, content in (("a", ID), ("b", "seven")):
        one.production(key, body("x"), **{HEADER: ID})
        one.shadow(key, broken, **{HEADER: content})
    one.turn()
    assert one.outcomes() == {"undecodable_shadow": 2}
    dead_letters = [(dict(write.headers or []), write.value) for write in one.letters]
    assert [value for _, value in dead_letters] == [broken.encode()] * 2
    assert [headers[HEADER].decode("latin-1") for headers, _ in dead_letters] == [ID, "seven"]
    reasons = [headers["__connect.errors.exception.message"].partition(b":")[0] for headers, _ in dead_letters]
    assert reasons == [b"decode", b"framing"]


def test_a_late_partner_is_compared_by_the_corrected_records_header() -> None:
    one = world({"out": {"header": True}, "next": {"header": True}}, grace_ms=0, idle_ms=1)
    one.production("a", body("x"), 5, **{HEADER: ID})
    one.logs[one.inputs[0]].append(Record(b"a", b"", 5))
    one.production_committed[one.inputs[0]] = 1
    one.done(1)
    one.turn(2)
    assert one.outcomes() == {"missing": 1}
    restart(one)
    one.shadow("a", body("y"), time_ms=5, **{HEADER: ID})
    one.turn(3)
    assert one.outcomes() == {"mismatch": 1}


def test_bare_avro_on_one_side_and_json_on_the_other() -> None:
    one = world({"out": {"format": "avro", "schema_ids": [1]}, "next": {"format": "json"}})
    for key, text, other in (("a", "x", "x"), ("b", "x", "y")):
        one.production(key, body(text))
        one.shadow(key, json.dumps(other))
    one.turn()
    assert one.outcomes() == {"match": 1, "mismatch": 1}
    assert {row["differences"][0]["production"] for row in one.diff if row["differences"]} == {'"x"'}


def test_the_twin_is_read_as_its_own_topic_says() -> None:
    twin = {"topic": "twin", "group": "twin", "commits": "after_output"}
    formats = {"out": {"format": "text"}, "next": {"format": "json"}, "twin": {"format": "avro", "schema_ids": [1]}}
    one = world(formats, twin=twin)
    one.production("a", "x")
    one.shadow("a", '"x"')
    one.twin("a", body("x"))
    one.turn()
    assert one.outcomes() == {"match": 1, "twin_match": 1, "joint_neither": 1}
    assert one.joiner.sides()[Side.TWIN][0] == 0
