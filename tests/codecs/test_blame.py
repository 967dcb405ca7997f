"""Nothing but a `RecordError` comes of foreign bytes, whatever a decoder raises on them."""

import json
import random
import struct
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.codecs import columns, framing, own
from shadowstream.codecs.blame import record_error
from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.framing import framed, headed, unheaded
from shadowstream.codecs.readers import Reader, read_each
from shadowstream.codecs.schemas import JsonSchema, NoSchemas, Schema, SchemaId, fingerprint_of, parse
from shadowstream.compare.pairs import compare_pairs
from shadowstream.compare.rules import RuleSet
from shadowstream.config import Format
from shadowstream.errors import ConfigError, RecordError, RegistryError
from shadowstream.kafka.schemas.protoc import compile_proto
from shadowstream.protocol.headers import unpack, unpack_origin
from shadowstream.records import Headers
from tests.codecs.conftest import SCORE

EVERY_KIND = {
    "type": "record",
    "name": "Every",
    "fields": [
        {"name": "decimal", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "time", "type": {"type": "long", "logicalType": "time-micros"}},
        {"name": "uuid", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "fixed", "type": {"type": "fixed", "name": "Two", "size": 2}},
        {"name": "suit", "type": {"type": "enum", "name": "Suit", "symbols": ["A", "B"]}},
        {"name": "map", "type": {"type": "map", "values": ["null", "double", "string"]}},
    ],
}
NODE = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
PROTO = 'syntax = "proto3"; message Order { string id = 1; map<string, Order> parts = 2; repeated double sums = 3; }'
AVRO, EVERY, RECURSIVE, TEXTS, PROTOBUF = 1, 2, 3, 4, 5
FORMATS = [
    Format(),
    Format(header=True),
    Format(format="avro", schema_ids=[AVRO]),
    Format(format="avro", schema_ids=[EVERY], header=True),
    Format(format="json"),
    Format(format="json", schema_ids=[TEXTS], header=True),
    Format(format="protobuf", schema_ids=[PROTOBUF]),
    Format(format="text"),
    Format(format="bytes"),
]


class Source:
    """One schema of each kind."""

    def __init__(self) -> None:
        self._of: dict[int, Schema] = {
            AVRO: parse(json.dumps(SCORE)),
            EVERY: parse(json.dumps(EVERY_KIND)),
            RECURSIVE: parse(json.dumps(NODE)),
            TEXTS: JsonSchema('{"type": "object", "required": ["n"], "properties": {"n": {"maximum": 9}}}'),
            PROTOBUF: compile_proto("order.proto", PROTO, {}),
        }

    def by_id(self, schema_id: SchemaId) -> Schema:
        if schema_id not in self._of:
            raise RecordError(f"schema {schema_id} is unknown", reason="schema")
        return self._of[schema_id]  # type: ignore[index]  # in it, so an int

    def latest_id(self, subject: str) -> int | None:
        return None


SOURCE = Source()
HEADS = [b"", b"\xfe", b"\xfe\xff", b"\xfe\x01", b"\x01", b"\xc3\x01", b"\0", b"{", b"[", b'"', b"-", b"1" * 30]
HEADS += [framed(n) for n in (AVRO, EVERY, RECURSIVE, TEXTS, PROTOBUF, 99)]
HEADS += [b"\xc3\x01" + fingerprint_of(SOURCE.by_id(AVRO))]
values = st.one_of(st.none(), st.builds(bytes.__add__, st.sampled_from(HEADS), st.binary(max_size=60)))
contents = st.one_of(st.none(), st.builds(bytes.__add__, st.sampled_from(HEADS), st.binary(max_size=20)))


def headers_of(content: bytes | None) -> Headers:
    return None if content is None else [("__value_schema_id", content)]


@settings(max_examples=600, deadline=None)
@given(st.lists(st.tuples(values, contents), min_size=1, max_size=6), st.sampled_from(FORMATS))
def test_every_decoder_ends_every_value_with_a_value_or_a_record_error(
    records: list[tuple[bytes | None, bytes | None]], format: Format
) -> None:
    decoder = Decoder(SOURCE, format=format)
    raw, headers = [value for value, _ in records], [headers_of(content) for _, content in records]
    decoded = decoder.decode_many(raw, headers)
    assert len(decoded) == len(raw)
    assert decoder.available([headed(v, h, format)[0] for v, h in zip(raw, headers, strict=True)]) == [True] * len(raw)
    for value, content in zip(raw, headers, strict=True):
        content_with_header, head = headed(value, content, format)
        if content_with_header is not None and head and value is not None:
            assert unheaded(content_with_header, head)[0] == value


@pytest.mark.parametrize("seed", range(8))
def test_one_bad_record_among_many_costs_itself_by_columns_and_by_rows(seed: int) -> None:
    """Whole values of one schema, some of them with bytes changed: more than columns are made from."""
    chance = random.Random(seed)
    schema = SOURCE.by_id(AVRO)
    good = framed(AVRO) + columns._encoded(schema, columns._sample(schema, 3))  # type: ignore[arg-type]  # of Avro
    broken = [_changed(chance, good) for _ in range(20)]
    both = [good if chance.random() < 0.8 else chance.choice(broken) for _ in range(200)]
    decoder = Decoder(SOURCE)
    decoded = decoder.decode_many(both)
    one_by_one = [Decoder(SOURCE).decode_many([value])[0] for value in both]
    kinds = [type(value) for value in decoded]
    assert kinds == [type(value) for value in one_by_one]
    assert all(kind is dict for value, kind in zip(both, kinds, strict=True) if value == good)
    outcomes = compare_pairs(both, [good] * 200, decoder, decoder, RuleSet()).outcomes
    assert set(outcomes) <= {"match", "mismatch", "undecodable_production"}
    assert [o == "match" for value, o in zip(both, outcomes, strict=True) if value == good] == [True] * both.count(good)


def _changed(chance: random.Random, value: bytes) -> bytes:
    at = chance.randrange(len(value))
    kind = chance.randrange(4)
    if kind == 0:
        return value[:at]
    if kind == 1:
        return value + chance.randbytes(3)
    return value[:at] + chance.randbytes(1 if kind == 2 else 4) + value[at + 1 :]


@pytest.mark.parametrize(
    "value", [b"\xfe", b"\xfe\xff", b"\xfe\x02ab", b"\xfe\x00", b"\xfe" * 40, b"\x01", b"\x01" * 17]
)
@pytest.mark.parametrize("format", [Format(header=True), Format(format="json", header=True)])
def test_a_value_that_begins_with_our_own_sentinel_is_one_undecodable_record(value: bytes, format: Format) -> None:
    decoder = Decoder(NoSchemas(), format=format)
    before, broken, after = decoder.decode_many([b'{"n": 1}', value, b'{"n": 2}'], [None, None, None])
    assert (before, after) == ({"n": 1}, {"n": 2})
    assert isinstance(broken, RecordError)
    assert "header __value_schema_id is" not in str(broken), "it had no header"
    content_with_header, head = headed(value, None, format)
    assert unheaded(content_with_header or b"", head) == (value, None if value[0] == 0xFE else b"")


class Odd(BaseException):
    """As a panic of Rust: no `Exception`."""


Odd.__name__ = "PanicException"
RAISED: list[tuple[BaseException, str]] = [
    (IndexError("at 0x7f"), "decode"),
    (OverflowError(), "decode"),
    (ZeroDivisionError(), "decode"),
    (UnicodeDecodeError("utf-8", b"secret", 0, 1, "no"), "decode"),
    (AssertionError(), "decode"),
    (StopIteration(), "decode"),
    (Odd("panicked"), "decode"),
    (RecursionError(), "bounds"),
    (MemoryError(), "bounds"),
    (RecordError("ours", reason="schema"), "schema"),
]


class Raising:
    """A decoder of somebody else's, which raises on the value `x`."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def read(self, value: bytes, start: int) -> Any:
        if value == b"x":
            raise self._error
        return value


@pytest.mark.parametrize(("error", "reason"), RAISED, ids=[type(error).__name__ for error, _ in RAISED])
def test_whatever_a_reader_raises_costs_one_record(error: BaseException, reason: str) -> None:
    reader: Reader = Raising(error)
    before, broken, after = read_each(reader, [b"a", b"x", b"b"], 0, "schema 7")
    assert (before, after) == (b"a", b"b")
    assert isinstance(broken, RecordError)
    assert broken.reason == reason
    assert "secret" not in str(broken)
    assert "0x" not in str(broken), "the same bytes give the same text in every run"
    assert broken.__traceback__ is None


@pytest.mark.parametrize("error", [RegistryError("away"), ConfigError("no extra"), KeyboardInterrupt(), SystemExit(0)])
def test_what_is_not_the_fault_of_the_bytes_is_raised_on(error: BaseException) -> None:
    with pytest.raises(type(error)):
        read_each(Raising(error), [b"x"], 0)


class BrokenSource(Source):
    """A source whose lookup fails as no source should."""

    def by_id(self, schema_id: SchemaId) -> Schema:
        raise RecursionError


def test_an_unavailable_schema_costs_only_its_own_records() -> None:
    good, broken = Decoder(BrokenSource()).decode_many([b"1", framed(7) + b"x"])
    assert good == 1
    assert (broken.reason, str(broken)) == ("bounds", "schema 7 cannot be used: nested too deep")


@pytest.mark.parametrize("error", [TypeError("odd"), MemoryError(), Odd("panicked"), RecursionError()])
def test_columns_that_fail_in_any_way_leave_the_records_to_rows(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise error

    schema = SOURCE.by_id(AVRO)
    value = framed(AVRO) + columns._encoded(schema, columns._sample(schema, 3))  # type: ignore[arg-type]  # of Avro
    decoder = Decoder(SOURCE)
    assert decoder.columns([value] * 80) is not None
    monkeypatch.setattr("pyruhvro.deserialize_array", fail)
    assert decoder.columns([value] * 80) is None
    assert [type(one) for one in decoder.decode_many([value] * 80)] == [dict] * 80


def test_a_deep_schema_that_is_not_recursive_is_bounded_too() -> None:
    inner: Any = "long"
    for n in range(150):
        inner = {"type": "record", "name": f"R{n}", "fields": [{"name": "f", "type": inner}]}

    class Deep(Source):
        def by_id(self, schema_id: SchemaId) -> Schema:
            return parse(json.dumps(inner))

    (broken,) = Decoder(Deep()).decode_many([framed(7) + b"\2"])
    assert isinstance(broken, RecordError)
    assert broken.reason == "bounds"


OTHERS: list[tuple[str, Callable[[bytes], Any]]] = [
    ("own records", own.decode),
    ("packed header", unpack),
    ("origin header", unpack_origin),
    ("frame", framing.frame),
    ("frame with header", lambda raw: framing.frame(raw, True)),
]


@pytest.mark.parametrize(("what", "parse_"), OTHERS, ids=[what for what, _ in OTHERS])
def test_every_other_parser_of_foreign_bytes_too(what: str, parse_: Callable[[bytes], Any]) -> None:
    chance = random.Random(what)
    heads: Sequence[bytes] = [
        *HEADS,
        *map(own.record_head, own.NAMES),
        *own._released(),
        struct.pack(">B", 1),
        b"\0\1",
        b"\1\0",
    ]
    for _ in range(3_000):
        raw = chance.choice(heads) + chance.randbytes(chance.choice([0, 1, 8, 30, 36, 44, 100]))
        try:
            parse_(raw)
        except RecordError:
            continue


def test_the_text_of_an_error_tells_no_value() -> None:
    assert str(record_error(ValueError("secret"), "schema 7")) == "schema 7: ValueError while reading the value"


def test_a_comparison_in_columns_that_fails_is_made_by_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise OverflowError

    schema = SOURCE.by_id(AVRO)
    one, other = (framed(AVRO) + columns._encoded(schema, columns._sample(schema, n)) for n in (3, 4))  # type: ignore[arg-type]  # of Avro
    decoder = Decoder(SOURCE)
    expected = compare_pairs([one] * 40, [other] * 40, decoder, decoder, RuleSet())
    monkeypatch.setattr("shadowstream.compare.pairs.arrow_levels", fail)
    found = compare_pairs([one] * 40, [other] * 40, decoder, decoder, RuleSet())
    assert found.outcomes == expected.outcomes == ["mismatch"] * 40
    assert list(found) == list(expected)
