"""How the values of a topic are written, by its config: read, compared by the same rules, and broken."""

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from pydantic import ValidationError

from shadowstream.codecs.bounds import VALUES_MAX, DecodedBounds
from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.encoder import Encoder
from shadowstream.codecs.framing import framed
from shadowstream.codecs.schemas import JsonSchema, NoSchemas, ProtobufSchema, fingerprint_of, parse
from shadowstream.compare import RuleSet, compare_pairs
from shadowstream.config import Format, Rule, Schemas
from shadowstream.errors import CandidateError, ConfigError, RecordError
from shadowstream.kafka.schemas.protoc import compile_proto
from shadowstream.kafka.schemas.registry import FolderSchemas
from tests.compare.proof.model import varint
from tests.compare.written_pairs import body

SCORE = {
    "type": "record",
    "name": "Score",
    "fields": [{"name": "n", "type": "long"}, {"name": "score", "type": "double"}, {"name": "label", "type": "string"}],
}
JSON_SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "score": {"$ref": "#/$defs/share"}, "label": {"type": "string"}},
    "required": ["n"],
    "$defs": {"share": {"type": "number", "minimum": 0, "maximum": 1}},
}
PROTO = """
syntax = "proto3";
package tests;
import "shared.proto";
import "google/protobuf/timestamp.proto";
message Score {
  int64 n = 1; double score = 2; string label = 3;
  optional int32 maybe = 4;
  repeated Kind kinds = 5;
  map<string, Item> items = 6;
  google.protobuf.Timestamp at = 7;
  Kind kind = 8;
  bytes raw = 9;
  uint64 big = 10;
  oneof either { string one = 11; Item other = 12; }
  message Inner { bool yes = 1; map<bool, int32> counts = 2; repeated Inner more = 3; }
  Inner inner = 13;
}
message Second { string only = 1; }
"""
SHARED = 'syntax = "proto3"; package tests; enum Kind { NONE = 0; GOOD = 1; } message Item { int32 count = 1; }'
VALUE = {"n": 7, "score": 0.5, "label": "é"}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> FolderSchemas:
    folder = tmp_path_factory.mktemp("schemas")
    (folder / "1.scores-value.avsc").write_text(json.dumps(SCORE))
    (folder / "2.scores-value.json").write_text(json.dumps(JSON_SCHEMA))
    (folder / "3.scores-value.proto").write_text(PROTO)
    (folder / "shared.proto").write_text(SHARED)
    return FolderSchemas(folder)


def avro(value: Any) -> bytes:
    return body(SCORE, value)


def message(source: FolderSchemas, name: str = "tests.Score", **fields: Any) -> Any:
    """A message of schema 3, made by protobuf's own classes."""
    schema = source.by_id(3)
    assert isinstance(schema, ProtobufSchema)
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(schema.descriptors).file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))(**fields)


def decoder(source: Any, **format: Any) -> Decoder:
    return Decoder(source, format=Format(**format))


def why(reader: Decoder, value: bytes, headers: Any = None) -> str:
    """The word of what is wrong; the value beside it is read all the same."""
    found = reader.decode_many([value, value], [headers, headers] if headers else ())
    assert all(isinstance(one, RecordError) for one in found), found
    return str(found[0].reason)


# ---------------------------------------------------------------- Avro


def test_single_object_encoding_names_its_schema_by_fingerprint(source: FolderSchemas) -> None:
    head = b"\xc3\x01" + fingerprint_of(parse(json.dumps(SCORE)))
    reader = Decoder(source)
    other = {**VALUE, "n": 8}
    assert reader.decode_many([head + avro(VALUE), b"{}", head + avro(other)]) == [VALUE, {}, other]
    assert reader.columns([head + avro(VALUE)] * 20) is not None
    assert why(reader, head + avro(VALUE)[:-1]) == "decode"
    assert why(reader, head[:-1] + b"\xff" + avro(VALUE)) == "schema"
    assert why(reader, b"\xc3\x01abc") == "framing"
    assert why(decoder(source, format="json"), head + avro(VALUE)) == "framing"


def test_beside_a_registry_fingerprints_are_those_of_the_ids_named(source: FolderSchemas) -> None:
    class ById(NoSchemas):
        def by_id(self, schema_id: Any) -> Any:
            return source.by_id(schema_id) if isinstance(schema_id, int) else super().by_id(schema_id)

    value = b"\xc3\x01" + fingerprint_of(parse(json.dumps(SCORE))) + avro(VALUE)
    assert decoder(ById(), schema_ids=[2, 1]).decode(value) == VALUE
    assert why(decoder(ById(), schema_ids=[2]), value) == "schema"
    assert why(Decoder(ById()), value) == "schema"


def test_batches_of_two_fingerprints_are_not_taken_for_one(source: FolderSchemas) -> None:
    head = b"\xc3\x01" + fingerprint_of(parse(json.dumps(SCORE)))
    other = head[:5] + bytes(5)
    assert Decoder(source).columns([head + avro(VALUE), other + avro(VALUE)]) is None
    (good, bad) = Decoder(source).decode_many([head + avro(VALUE), other + avro(VALUE)])
    assert good == VALUE
    assert isinstance(bad, RecordError)


def test_bare_avro_is_read_with_the_schema_of_the_config(source: FolderSchemas) -> None:
    reader = decoder(source, format="avro", schema_ids=[1])
    assert reader.decode(avro(VALUE)) == VALUE
    assert why(reader, avro(VALUE)[:-1]) == "decode"
    assert why(reader, b"") == "decode"
    assert why(decoder(source, format="avro", schema_ids=[9]), avro(VALUE)) == "schema"


# ---------------------------------------------------------------- JSON, text, bytes


def test_json_is_held_against_its_schema_bare_and_framed(source: FolderSchemas) -> None:
    text = json.dumps(VALUE).encode()
    for reader, value in (
        (decoder(source, format="json", schema_ids=[2]), text),
        (decoder(source, format="json", schema_ids=[2]), framed(2) + text),
        (Decoder(source), framed(2) + text),
    ):
        assert reader.decode(value) == VALUE
        assert why(reader, value.replace(b"0.5", b"1.5")) == "decode"
        assert why(reader, value.replace(b'"n"', b'"m"')) == "decode"
        assert why(reader, value[:-1]) == "decode"
    assert decoder(source, format="json").decode(b'{"score": 9}') == {"score": 9}


def test_a_json_schema_fetches_nothing_and_finds_what_the_registry_gave(tmp_path: Path) -> None:
    class Given(NoSchemas):
        def __init__(self, *references: tuple[str, str]) -> None:
            self._schema = JsonSchema('{"$ref": "http://example.invalid/share.json"}', references)

        def by_id(self, schema_id: Any) -> Any:
            return self._schema

    known = Given(("share.json", '{"type": "number"}'))
    assert Decoder(known).decode(framed(1) + b"0.5") == 0.5
    assert why(Decoder(known), framed(1) + b'"a"') == "decode"
    assert why(Decoder(Given()), framed(1) + b"0.5") == "schema"


def test_integers_beyond_64_bits_pass_a_json_schema(source: FolderSchemas) -> None:
    reader = decoder(source, format="json", schema_ids=[2])
    assert reader.decode(b'{"n": 123456789012345678901234567890}') == {"n": 123456789012345678901234567890}


def test_text_and_bytes_are_the_whole_value(source: FolderSchemas) -> None:
    assert decoder(source, format="text").decode("\0é".encode()) == "\0é"
    assert decoder(source, format="text").decode(b"") == ""
    assert why(decoder(source, format="text"), b"\xff") == "decode"
    assert decoder(source, format="bytes").decode(b"\0\xff") == b"\0\xff"


# ---------------------------------------------------------------- Protobuf


def test_a_message_is_read_by_the_indexes_in_its_frame(source: FolderSchemas) -> None:
    first = message(source, n=7, score=0.5, label="é").SerializeToString()
    second = message(source, "tests.Second", only="x").SerializeToString()
    inner = message(source, "tests.Score.Inner", yes=True).SerializeToString()
    reader = Decoder(source)
    assert {name: reader.decode(framed(3) + b"\0" + first)[name] for name in VALUE} == VALUE
    assert reader.decode(framed(3) + b"\2\2" + second) == {"only": "x"}
    assert reader.decode(framed(3) + b"\4\0\0" + inner) == {"yes": True, "counts": {}, "more": []}


def test_by_header_the_indexes_stand_there(source: FolderSchemas) -> None:
    second = message(source, "tests.Second", only="x").SerializeToString()
    headers = [("__value_schema_id", framed(3) + b"\2\2")]
    assert decoder(source, header=True).decode(second, headers) == {"only": "x"}


def test_a_bare_message_is_the_one_that_the_config_names(source: FolderSchemas) -> None:
    second = message(source, "tests.Second", only="x").SerializeToString()
    assert decoder(source, format="protobuf", schema_ids=[3], message="tests.Second").decode(second) == {"only": "x"}
    assert decoder(source, format="protobuf", schema_ids=[3]).decode(b"\x08\x07")["n"] == 7
    assert why(decoder(source, format="protobuf", schema_ids=[3], message="tests.None"), second) == "schema"


def test_what_the_fields_of_a_message_become(source: FolderSchemas) -> None:
    item = {"count": 2}
    fields = {"kinds": [0, 1, 7], "items": {"a": item}, "kind": 1, "raw": b"\xff", "other": item}
    written_values = message(source, n=-1, big=2**64 - 1, **fields)
    written_values.at.FromNanoseconds(1_600_000_000_000_000_001)
    written_values.inner.counts[True] = 5
    written_values.inner.more.add().yes = True
    assert Decoder(source).decode(framed(3) + b"\0" + written_values.SerializeToString()) == {
        "n": -1,
        "score": 0.0,
        "label": "",
        "maybe": None,
        "kinds": ["NONE", "GOOD", 7],
        "items": {"a": item},
        "at": "2020-09-13T12:26:40.000000001Z",
        "kind": "GOOD",
        "raw": b"\xff",
        "big": 2**64 - 1,
        "one": None,
        "other": item,
        "inner": {"yes": False, "counts": {"true": 5}, "more": [{"yes": True, "counts": {}, "more": []}]},
    }


def test_a_broken_message_is_an_error_of_its_own(source: FolderSchemas) -> None:
    reader, raw = Decoder(source), message(source, label="abc").SerializeToString()
    assert why(reader, framed(3) + b"\0" + raw[:-1]) == "decode"
    assert why(reader, framed(3) + b"\0\x1a\x01\xff") == "decode"  # no UTF-8
    assert why(reader, framed(3) + b"\0\xf8\x7f\x01") == "decode"  # a field that the schema does not have
    assert why(reader, framed(3)) == "framing"
    assert why(reader, framed(3) + b"\xff" * 8) == "framing"
    assert why(reader, framed(3) + b"\2\x10" + raw) == "schema"
    assert why(reader, framed(3) + b"\2\1" + raw) == "schema"  # index -1


def test_a_message_may_neither_nest_nor_spread_without_end(source: FolderSchemas) -> None:
    deep = b""
    for _ in range(101):
        deep = b"\x1a" + varint(len(deep)) + deep
    assert why(Decoder(source), framed(3) + b"\4\0\0" + deep) in ("bounds", "decode")
    wide = b"\x1a\0" * (VALUES_MAX // 3 + 1)  # an empty message of three fields takes two bytes
    assert why(Decoder(source), framed(3) + b"\4\0\0" + wide) == "bounds"


@pytest.mark.parametrize("name", ["../up.proto", "/etc/up.proto", "-I.proto"])
def test_an_import_stays_below_its_schema(name: str) -> None:
    with pytest.raises(ValueError, match="no path below"):
        compile_proto("a.proto", 'syntax = "proto3";', {name: 'syntax = "proto3";'})


# ---------------------------------------------------------------- one set of rules


def test_every_format_reaches_the_same_rules(source: FolderSchemas) -> None:
    near = {**VALUE, "score": 0.5 + 1e-9}
    rules = RuleSet([Rule(path="score", atol=1e-6)], "ignore")
    written_values = {
        "avro": (decoder(source, format="avro", schema_ids=[1]), avro),
        "json": (decoder(source, format="json", schema_ids=[2]), lambda value: json.dumps(value).encode()),
        "protobuf": (Decoder(source), lambda value: framed(3) + b"\0" + message(source, **value).SerializeToString()),
    }
    for read, write in written_values.values():
        for name, (shadow, write_too) in written_values.items():
            for other, outcome in ((near, "tolerated"), ({**near, "n": 8}, "mismatch")):
                found = compare_pairs([write(VALUE)] * 20, [write_too(other)] * 20, read, shadow, rules)
                # Protobuf's other fields are there by default: extra where the candidate has them, missing where not.
                lacks = read is written_values["protobuf"][0] and name != "protobuf"
                assert set(found.outcomes) == {"mismatch" if lacks else outcome}


def test_a_value_beyond_the_bound_is_not_decoded(source: FolderSchemas) -> None:
    reader = Decoder(source, bounds=DecodedBounds(bytes_max=100))
    large, small = framed(1) + avro({**VALUE, "label": "x" * 100}), framed(1) + avro(VALUE)
    found = reader.decode_many([small, large, b"[" + b"1," * 60 + b"1]", small])
    assert [one.reason if isinstance(one, RecordError) else one for one in found] == [VALUE, "bounds", "bounds", VALUE]
    read = reader.columns([small] * 20 + [large])
    assert read is not None
    assert read[1].tolist() == list(range(20))


# ---------------------------------------------------------------- config


@pytest.mark.parametrize(
    ("format", "says"),
    [
        ({"format": "avro"}, "exactly one id"),
        ({"format": "protobuf", "schema_ids": [1, 2]}, "exactly one id"),
        ({"format": "json", "schema_ids": [1, 2]}, "at most one id"),
        ({"format": "text", "schema_ids": [1]}, "takes none"),
        ({"format": "bytes", "header": True}, "header does not go with"),
        ({"format": "json", "message": "a.B"}, "goes with format: protobuf"),
    ],
)
def test_a_format_that_says_nothing_sensible_is_refused(format: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Format(**format)


def test_schema_ids_need_a_source() -> None:
    with pytest.raises(ValidationError, match="give one of them"):
        Schemas(formats={"a": Format(format="avro", schema_ids=[1])})


def test_a_candidate_that_says_bytes_must_return_them(source: FolderSchemas) -> None:
    encoder = Encoder(source, "scores-value", "bytes")
    assert (encoder.encode(b"\0x"), encoder.encode(None), encoder.format) == (b"\0x", None, "bytes")
    with pytest.raises(CandidateError, match="it must be bytes"):
        encoder.encode({"n": 1})


def test_a_subject_whose_latest_schema_is_not_avro_is_written_as_json(source: FolderSchemas) -> None:
    assert Encoder(source, "scores-value").format == "json"
    with pytest.raises(ConfigError, match="Avro schema"):
        Encoder(source, "scores-value", "avro")
