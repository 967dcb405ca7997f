"""What the candidate returned to bytes, strictly: a wrong shape is its error, never another value."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.codecs.avro import AvroWriter
from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.encoder import Encoder
from shadowstream.codecs.framing import framed
from shadowstream.codecs.schemas import NoSchemas, parse
from shadowstream.errors import CandidateError, ConfigError
from shadowstream.kafka.schemas.registry import FolderSchemas
from tests.compare.avro_cases import Given, Type, records

Folder = Callable[..., FolderSchemas]


def test_avro_is_written_with_the_latest_schema_of_the_subject(folder: Folder) -> None:
    source = folder({"3.scores-value": "int", "12.scores-value": "string", "40.other-value": "int"})
    encoder = Encoder(source, "scores-value")
    assert encoder.format == "avro"
    assert encoder.encode("x") == framed(12) + b"\2x"


def test_what_is_written_is_what_is_read(scores: FolderSchemas, score: Any) -> None:
    encoder = Encoder(scores, "scores-value")
    assert Decoder(scores).decode(encoder.encode(score)) == score


def test_bytes_pass_through_and_none_is_a_tombstone(scores: FolderSchemas) -> None:
    for encoder in (Encoder(scores, "scores-value"), Encoder(NoSchemas(), "x-value")):
        assert encoder.encode(b"\0raw") == b"\0raw"
        assert encoder.encode(None) is None


def test_the_default_format_is_avro_with_a_schema_and_json_without(scores: FolderSchemas) -> None:
    assert Encoder(scores, "scores-value").format == "avro"
    assert Encoder(scores, "others-value").format == "json"
    assert Encoder(scores, "scores-value", "json").format == "json"


def test_avro_without_a_schema_is_a_config_error(scores: FolderSchemas) -> None:
    with pytest.raises(ConfigError, match="others-value"):
        Encoder(scores, "others-value", "avro")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"n": 1.5}, "n"),
        ({"n": True}, "n"),
        ({"n": 2**70}, "n"),
        ({"late": "no"}, "late"),
        ({"late": 1}, "late"),
        ({"score": "0.5"}, "score"),
        ({"score": None}, "score"),
        ({"note": 3}, "note"),
        ({"place": {"row": "x"}}, "row"),
        ({"place": None}, "place"),
        ({"tags": ["a", 1]}, "tags"),
        ({"tgas": []}, "tgas"),
    ],
)
def test_a_wrong_shape_is_the_candidates_error_and_names_the_field(
    scores: FolderSchemas, score: Any, change: dict[str, Any], named: str
) -> None:
    with pytest.raises(CandidateError, match=rf"schema 7 of scores-value.*\b{named}\b"):
        Encoder(scores, "scores-value").encode({**score, **change})


def test_a_missing_field_is_an_error_unless_it_has_a_default(scores: FolderSchemas, score: Any) -> None:
    encoder = Encoder(scores, "scores-value")
    without_note = {name: value for name, value in score.items() if name != "note"}
    assert Decoder(scores).decode(encoder.encode(without_note)) == score
    without_id = {name: value for name, value in score.items() if name != "id"}
    with pytest.raises(CandidateError, match=r"\bid\b"):
        encoder.encode(without_id)


@pytest.mark.parametrize("value", [1, "x", [1], {}, object()])
def test_another_type_altogether_is_the_candidates_error(scores: FolderSchemas, value: Any) -> None:
    with pytest.raises(CandidateError):
        Encoder(scores, "scores-value").encode(value)


def test_an_int_beyond_32_bits_does_not_fit_an_int(folder: Folder) -> None:
    encoder = Encoder(folder({"1.a-value": "int"}), "a-value")
    assert encoder.encode(2**31 - 1)
    with pytest.raises(CandidateError):
        encoder.encode(2**31)


def test_scalars_of_numpy_count_as_pythons(scores: FolderSchemas, score: Any) -> None:
    given = {**score, "n": np.int64(5), "score": np.float32(0.25), "late": np.bool_(False)}
    given["tags"] = np.array(["p", "q"])
    plain = {**score, "n": 5, "score": 0.25, "late": False, "tags": ["p", "q"]}
    assert Decoder(scores).decode(Encoder(scores, "scores-value").encode(given)) == plain
    written = Encoder(NoSchemas(), "x").encode({"n": np.int64(5), "xs": np.array([0.5, 1.0])})
    assert written == b'{"n":5,"xs":[0.5,1.0]}'


NAN_INSIDE = {"z": None, "a": {"b": [1.0, float("nan")]}}


@pytest.mark.parametrize("value", [NAN_INSIDE, [float("inf")], {"a": np.array([np.nan])}], ids=["nan", "inf", "array"])
def test_json_has_no_nan_and_says_so_and_where(value: Any) -> None:
    with pytest.raises(CandidateError, match=r"^a\.b\.1: nan has no" if value is NAN_INSIDE else "has no JSON form"):
        Encoder(NoSchemas(), "x").encode(value)


def test_null_is_written_where_it_was_given() -> None:
    assert json.loads(Encoder(NoSchemas(), "x").encode({"a": None}) or b"") == {"a": None}


@pytest.mark.parametrize("value", [{1: 2}, object(), {"a": {1, 2}}])
def test_what_json_cannot_say_is_the_candidates_error(value: Any) -> None:
    with pytest.raises(CandidateError):
        Encoder(NoSchemas(), "x").encode(value)


def test_a_recursive_value_is_an_error_and_does_not_end_the_process(folder: Folder) -> None:
    node: dict[str, Any] = {}
    node["next"] = node
    schema = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
    for encoder in (Encoder(folder({"1.a-value": schema}), "a-value"), Encoder(NoSchemas(), "x")):
        with pytest.raises(CandidateError):
            encoder.encode(node)


def test_one_list_held_on_every_level_is_measured_once() -> None:
    value: Any = []
    for _ in range(80):
        value = [value, value]
    from shadowstream.codecs.bounds import check_depth

    check_depth(value)


def test_a_latest_schema_that_cannot_be_used_is_a_config_error(folder: Folder) -> None:
    with pytest.raises(ConfigError, match="a-value"):
        Encoder(folder({"1.a-value": {"type": "array", "items": "null"}}), "a-value")


@settings(max_examples=200)
@given(data=st.data(), source=records(depth=2))
def test_many_values_are_written_one_by_one_or_not_at_all(data: st.DataObject, source: Type) -> None:
    schema = Given(source.schema).by_id(1)
    writer = AvroWriter(schema, "s", b"head")
    values = data.draw(st.lists(source.values, min_size=1, max_size=5))
    odd: Any = data.draw(st.sampled_from([None, 1, 1.5, True, "x", "\ud800", 2**70, b"", {}, [], {"more": 1}]))
    for name in data.draw(st.sets(st.sampled_from([*values[0], "more"]), max_size=1)):
        values[-1] = {**values[-1], name: odd}
    many = writer.write_many(values)
    if many is not None:
        assert many == [writer.write(value) for value in values]


def test_values_of_plain_types_are_written_all_at_once(scores: FolderSchemas) -> None:
    schema = parse('{"type": "record", "name": "R", "fields": [{"name": "n", "type": ["null", "int"]}]}')
    assert AvroWriter(schema, "s", b"").write_many([{"n": 1}, {"n": None}]) == [b"\2\2", b"\0"]
    assert AvroWriter(schema, "s", b"").write_many([{"n": 1}, {"n": 2**31}]) is None
