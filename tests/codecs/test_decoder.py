"""Bytes to values: one bad record costs only itself, and no record costs the process."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.encoder import Encoder
from shadowstream.codecs.framing import framed
from shadowstream.codecs.schemas import NoSchemas, parse
from shadowstream.config import Format
from shadowstream.errors import RecordError, RegistryError
from shadowstream.kafka.schemas.registry import FolderSchemas
from tests.compare.written_pairs import body as avro

Folder = Callable[..., FolderSchemas]
NODE = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}


def reason(decoder: Decoder, value: bytes | None, headers: Any = None) -> str:
    with pytest.raises(RecordError) as caught:
        decoder.decode(value, headers)
    return caught.value.reason


def test_framed_avro_is_decoded_with_the_schema_that_it_names(
    folder: Folder, score_schema: Any, score: dict[str, Any]
) -> None:
    older = {**score_schema, "fields": score_schema["fields"][:2]}
    decoder = Decoder(folder({"7.scores-value": score_schema, "3.scores-value": older}))
    assert decoder.decode(framed(7) + avro(score_schema, score)) == score
    assert decoder.decode(framed(3) + avro(older, score)) == {"id": "a", "n": 2**60}


def test_a_tombstone_is_none(scores: FolderSchemas) -> None:
    assert Decoder(scores).decode(None) is None


def test_a_header_names_the_schema_of_a_bare_value(scores: FolderSchemas, score_schema: Any, score: Any) -> None:
    headers = [("__value_schema_id", framed(7))]
    body = avro(score_schema, score)
    decoder = Decoder(scores, format=Format(header=True))
    assert decoder.decode(body, headers) == score
    assert decoder.decode_many([body, None, body], [headers, None, None])[:2] == [score, None]
    assert decoder.decode(framed(7) + body) == score
    assert reason(Decoder(scores), body, headers) == "framing"  # nobody said that headers tell


def test_each_error_has_its_reason(scores: FolderSchemas, score_schema: Any, score: Any) -> None:
    decoder = Decoder(scores)
    good = framed(7) + avro(score_schema, score)
    assert reason(decoder, b"\x01abc") == "framing"
    assert reason(decoder, framed(8) + b"abc") == "schema"
    assert reason(decoder, good[:-1]) == "decode"
    assert reason(decoder, b'{"id": 1') == "decode"
    assert reason(decoder, b"NaN") == "framing"


def test_bytes_left_over_after_an_avro_value_are_an_error(scores: FolderSchemas, score_schema: Any, score: Any) -> None:
    with pytest.raises(RecordError, match="1 bytes left over") as caught:
        Decoder(scores).decode(framed(7) + avro(score_schema, score) + b"\0")
    assert caught.value.reason == "decode"


def test_one_bad_record_costs_only_itself(folder: Folder, score_schema: Any, score: Any) -> None:
    decoder = Decoder(folder({"7.scores-value": score_schema, "8.names-value": "string"}))
    good, name = framed(7) + avro(score_schema, score), framed(8) + avro("string", "Zoë")
    bad = [good[:-1], good + b"x", framed(9), b"\0\0", b"", b"{", b"\x02"]
    values = [good, None, name, b'{"a": 1}', *bad, good, name, b"[]"]
    decoded = decoder.decode_many(values)
    assert decoded[:4] == [score, None, "Zoë", {"a": 1}]
    assert decoded[-3:] == [score, "Zoë", []]
    reasons = [d.reason for d in decoded[4:-3]]
    assert reasons == ["decode", "decode", "schema", "framing", "framing", "decode", "framing"]


def test_errors_handed_back_hold_no_traceback(scores: FolderSchemas) -> None:
    for error in Decoder(scores).decode_many([framed(7), framed(1), b"{", b"\x05"]):
        assert isinstance(error, RecordError)
        assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.none() | st.binary(max_size=40) | st.binary(max_size=40).map(lambda b: framed(7) + b)))
def test_decoding_many_is_decoding_each(scores: FolderSchemas, values: list[bytes | None]) -> None:
    def one(value: bytes | None) -> Any:
        try:
            return Decoder(scores).decode(value)
        except RecordError as error:
            return error.reason, str(error)

    many = [(d.reason, str(d)) if isinstance(d, RecordError) else d for d in Decoder(scores).decode_many(values)]
    assert repr(many) == repr([one(value) for value in values])


class _Down:
    """A source whose registry is down, as `RegistrySchemas` says it."""

    def by_id(self, schema_id: Any) -> Any:
        raise RegistryError("down")

    def latest_id(self, subject: str) -> int | None:
        raise RegistryError("down")


def test_while_a_schema_cannot_be_had_the_batch_waits() -> None:
    with pytest.raises(RegistryError):
        Decoder(_Down()).decode_many([b"{}", framed(1)])


# ---------------------------------------------------------------- bounds

EMPTY = {"type": "record", "name": "Empty", "fields": [{"name": "a", "type": "null"}]}
NOTHING = {"type": "fixed", "name": "Nothing", "size": 0}


@pytest.mark.parametrize("items", ["null", EMPTY, NOTHING], ids=["null", "empty record", "fixed of 0"])
def test_a_list_of_items_without_bytes_is_rejected(folder: Folder, items: Any) -> None:
    inner = {"type": "array", "items": items}
    schemas = {"1.a": inner, "2.b": ["null", {"type": "map", "values": inner}]}
    decoder = Decoder(folder(schemas))
    bomb = framed(1) + avro("long", 20_000_000) + b"\0"
    assert len(bomb) <= 10
    assert reason(decoder, bomb) == "bounds"
    assert reason(decoder, framed(2) + b"\2") == "bounds"


def test_lists_of_items_with_bytes_are_read(folder: Folder) -> None:
    schema = {"type": "array", "items": ["null", {"type": "array", "items": "int"}]}
    assert Decoder(folder({"1.a": schema})).decode(framed(1) + avro(schema, [None, [1]])) == [None, [1]]


def test_a_recursive_schema_is_read_to_a_depth(folder: Folder) -> None:
    decoder = Decoder(folder({"1.a": NODE}))
    assert decoder.decode(framed(1) + b"\2\2\0") == {"next": {"next": {"next": None}}}
    for levels in (101, 5_000, 1_000_000):
        assert reason(decoder, framed(1) + b"\2" * levels + b"\0") == "bounds"


def test_a_recursive_record_is_an_error_and_does_not_end_the_process(folder: Folder) -> None:
    endless = {"type": "record", "name": "Endless", "fields": [{"name": "next", "type": "Endless"}]}
    assert reason(Decoder(folder({"1.a": endless})), framed(1)) == "bounds"


def test_plain_fastavro_would_end_the_process() -> None:
    # Why recursive schemas are not given to the compiled reader. If this ever fails, they can be.
    code = f"""
import io, fastavro
schema = fastavro.parse_schema({NODE!r})
fastavro.schemaless_reader(io.BytesIO(bytes([2]) * 1_000_000), schema, None)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert ended.returncode < 0, ended.stderr[-300:]


def test_deep_json_is_refused_and_wide_json_is_not() -> None:
    decoder = Decoder(NoSchemas())
    assert reason(decoder, b"[" * 102 + b"]" * 102) == "bounds"
    assert reason(decoder, b"[" * 100_000) == "bounds"
    assert decoder.decode(b"[" * 100 + b"]" * 100)
    assert len(decoder.decode(b"[" + b"[]," * 5000 + b"1]")) == 5001


ANYTHING = {
    "type": "record",
    "name": "Anything",
    "fields": [
        {"name": "m", "type": {"type": "map", "values": ["null", "int", {"type": "array", "items": "string"}]}},
        {"name": "d", "type": {"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 2}},
        {"name": "t", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"]}},
        {"name": "u", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "f", "type": {"type": "fixed", "name": "F", "size": 3}},
    ],
}


@settings(max_examples=500, deadline=2000)
@given(body=st.binary(max_size=200))
@pytest.mark.parametrize(
    "schema", [ANYTHING, NODE, {"type": "map", "values": "null"}, {"type": "array", "items": NODE}]
)
def test_no_bytes_raise_anything_but_a_record_error(schema: Any, body: bytes) -> None:
    class One(NoSchemas):
        def by_id(self, schema_id: Any) -> Any:
            return parse(json.dumps(schema))

    (decoded,) = Decoder(One()).decode_many([framed(1) + body])
    if isinstance(decoded, RecordError):
        assert decoded.reason in ("decode", "bounds")


# ---------------------------------------------------------------- JSON


def test_integers_beyond_64_bits_stay_exact() -> None:
    ids = b'{"id": 123456789012345678901234567890}', b'{"id": 123456789012345678901234567891}'
    assert orjson.loads(ids[0]) == orjson.loads(ids[1]), "orjson reads exactly now: the second parser can go"
    first, second = Decoder(NoSchemas()).decode_many(ids)
    assert second["id"] - first["id"] == 1


@pytest.mark.parametrize("text", [b'{"a": NaN}', b"[Infinity]", b'{"a": 12345678901234567890, "b": NaN}', b'"\\ud800"'])
def test_what_is_not_json_is_an_error(text: bytes) -> None:
    assert reason(Decoder(NoSchemas()), text) == "decode"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(value=json_values.filter(lambda v: v is not None))
def test_json_is_read_as_the_standard_library_reads_it(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    try:
        raw = text.encode()
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8
        return
    decoded = Decoder(NoSchemas()).decode(raw)
    assert repr(decoded) == repr(json.loads(text))


def test_json_without_a_source_is_encoded_and_decoded() -> None:
    encoder = Encoder(NoSchemas(), "x-value")
    assert Decoder(NoSchemas()).decode(encoder.encode({"a": [1, 2.5, None]})) == {"a": [1, 2.5, None]}
