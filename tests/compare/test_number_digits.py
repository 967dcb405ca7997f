"""No digit is lost before two values are compared: what was written differently differs, in rows and in columns."""

from decimal import Decimal
from typing import Any

import pytest

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.schemas import NoSchemas
from shadowstream.compare import RuleSet, compare_pairs
from shadowstream.config import Rule
from shadowstream.protocol.join_id import text_id
from tests.compare.written_pairs import DECIMAL, MICROS, NANOS, Registry, found, of_avro, of_json, record, unscaled

NUMBER = Rule(path="v", normalise=["number"])
UTC = Rule(path="v", normalise=["utc"])


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (123456, 123457, "mismatch"),
        (123456, 123456, "match"),
        (1, 10**30, "mismatch"),
        (10**40 + 1, 10**40, "mismatch"),
        (-(10**20), -(10**20) - 1, "mismatch"),
        (-1, 255, "mismatch"),
    ],
)
@pytest.mark.parametrize("kind", [DECIMAL, ["null", DECIMAL]], ids=["plain", "optional"])
def test_a_decimal_keeps_all_digits_whatever_precision_its_schema_claims(
    kind: Any, one: int, other: int, expected: str
) -> None:
    branch = b"\x02" if isinstance(kind, list) else b""
    # Bytes of two lengths may hold one number: the pair is decoded, and equal bytes would not be.
    longer = len(unscaled(one)) * 2
    padded = bytes([longer << 1]) + one.to_bytes(longer, "big", signed=True)
    assert of_avro((kind, kind), branch + padded, branch + unscaled(other)) == expected


def test_decimals_in_fixed_bytes_and_inside_lists_keep_their_digits() -> None:
    fixed = {"type": "fixed", "name": "F", "size": 12, "logicalType": "decimal", "precision": 3, "scale": 1}
    bodies = [number.to_bytes(12, "big") for number in (10**25, 10**25 + 1)]
    assert of_avro((fixed, fixed), *bodies) == "mismatch"
    several = {"type": "array", "items": DECIMAL}
    bodies = [b"\x02" + unscaled(number) + b"\x00" for number in (123456, 123457)]
    assert of_avro((several, several), *bodies) == "mismatch"


def test_two_scales_of_one_number_are_equal_beyond_the_precision_too() -> None:
    finer = DECIMAL | {"scale": 3}
    assert of_avro((DECIMAL, finer), unscaled(123456), unscaled(1234560)) == "match"
    assert of_avro((DECIMAL, finer), unscaled(123456), unscaled(1234561)) == "mismatch"


def test_a_too_long_decimal_costs_its_record_and_names_the_bound() -> None:
    one, other = (b"\xc0\x3e" + bytes([number]) * 4_000 for number in (1, 2))
    assert of_avro((DECIMAL, DECIMAL), one, other) == "mismatch"
    one, other = (b"\x90\x4e" + bytes([number]) * 5_000 for number in (1, 2))
    assert of_avro((DECIMAL, DECIMAL), one, other) == "undecodable_production"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("12345678901234567.89", "12345678901234567.90", "mismatch"),
        ("12345678901234567.89", "1234567890123456789e-2", "match"),
        ("0.30000000000000003", "0.30000000000000004", "mismatch"),
        ("0.1", "0.1000000000000000055511151231257827", "mismatch"),
        ("0.10", "0.1", "match"),
        ("1.0", "1e0", "match"),
        ("1", "1.0", "mismatch"),
        ("1", "1e0", "mismatch"),
        ("1E400", "1E+400", "match"),
        ("1e400", "10e399", "match"),
        ("1e400", "1e401", "mismatch"),
        ("1e400", "-1e400", "mismatch"),
        ("1e-400", "0.0", "mismatch"),
        ("1e-400", "1e-401", "mismatch"),
        ("0e999", "0.0", "match"),
        ("-0.0", "0.0", "match"),
        ("123456789012345678901234567890", "123456789012345678901234567891", "mismatch"),
        ("123456789012345678901", "123456789012345678901", "match"),
        ("1e999999999999999999999", "1.0", "undecodable_production"),
        ("NaN", "1.0", "undecodable_production"),
        ("1.0", "-Infinity", "undecodable_shadow"),
        ("1e400", "Infinity", "undecodable_shadow"),
        ('"12345678901234567890.12"', '"12345678901234567890.12"', "match"),
    ],
)
def test_numbers_of_json_are_the_decimals_that_their_texts_are(one: str, other: str, expected: str) -> None:
    assert of_json(one, f" {other}") == expected
    assert of_json(f"[{one}]", f"[ {other}]") == expected
    swapped = {"undecodable_production": "undecodable_shadow", "undecodable_shadow": "undecodable_production"}
    assert of_json(f" {other}", one) == swapped.get(expected, expected)


def test_a_difference_shows_the_digits_that_differ() -> None:
    json = Decoder(NoSchemas())
    texts = [b'{"v":12345678901234567.89}'], [b'{"v":12345678901234567.90}']
    (result,) = compare_pairs(*texts, json, json, RuleSet())
    (difference,) = result.differences
    assert (difference.production, difference.shadow) == ("12345678901234567.89", "12345678901234567.90")
    assert difference.delta == 0.01


@pytest.mark.parametrize("lists", ["unordered", "set"])
def test_elements_in_any_order_are_distinguished_by_their_last_digits(lists: Any) -> None:
    rule = Rule(path="v", lists=lists)
    assert of_json("[1.5,0.30000000000000003]", "[0.30000000000000003,1.5]", rule) == "tolerated"
    assert of_json("[1.5,0.30000000000000003]", "[0.30000000000000004,1.5]", rule) == "mismatch"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ('{"a":1,"a":2}', '{"a":2}', "undecodable_production"),
        ('{"a":2}', '{"a":1,"a":2}', "undecodable_shadow"),
        ('{"a":2}', '[{"b":{"a":{},"a":"x:y"}}]', "undecodable_shadow"),
        ('{"a":2}', '{"a":1,"\\u0061":2}', "undecodable_shadow"),
        ('{"a":"\\u003a"}', '{"a":1,"a":2}', "undecodable_shadow"),
        ('{"a":"\\u003a","b":1}', '{"b":1,"a":":"}', "match"),
        ('{"a":":::"}', '{ "a":":::"}', "match"),
        ('{"a":1,"A":1}', '{"A":1,"a":1}', "match"),
        ('{"a":12345678901234567890,"a":0.5}', '{"a":0.5}', "undecodable_production"),
    ],
)
def test_a_duplicate_name_is_undecodable_unless_the_config_takes_the_last(one: str, other: str, expected: str) -> None:
    assert of_json(one, other) == expected
    if expected != "match":
        assert of_json(one, other, names="last") in ("match", "mismatch")
    assert of_json('{"a":1,"a":2}', '{"a":2}', names="last") == "match"


@pytest.mark.parametrize(
    ("kinds", "one", "other", "expected"),
    [
        (("long", "double"), 2**53 + 1, 2.0**53, "mismatch"),
        (("long", "double"), 2**53, 2.0**53, "match"),
        (("long", "double"), 2**60, 2.0**60, "match"),
        (("long", "double"), 1152921504606847000, 2.0**60, "mismatch"),
        (("double", "long"), -(2.0**63), -(2**63), "match"),
        (("double", "long"), 2.0**63, 2**63 - 1, "mismatch"),
        (("int", "float"), 2**24, 2.0**24, "match"),
        (("int", "float"), 2**24 + 1, 2.0**24, "mismatch"),
        (("long", "float"), 2**53 + 1, 2.0**53, "mismatch"),
        ((["null", "long"], ["null", "double"]), 2**53 + 1, 2.0**53, "mismatch"),
    ],
)
def test_an_int_and_the_double_that_it_would_be_rounded_to_differ(
    kinds: tuple[Any, Any], one: Any, other: Any, expected: str
) -> None:
    assert of_avro(kinds, one, other) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("9007199254740993", "9007199254740992", "mismatch"),
        ('"9007199254740993"', "9007199254740992", "mismatch"),
        ('"9007199254740993"', "9007199254740992.0", "mismatch"),
        ('"9007199254740993"', "9007199254740993", "match"),
        ('"9007199254740993.0"', '" 9007199254740993"', "match"),
        ("1152921504606846976", "1.152921504606847e18", "mismatch"),
        ("1", "1.0", "match"),
        ('"1e0"', "1", "match"),
        ('"0.1"', "0.10", "match"),
        ('"12345678901234567.89"', "12345678901234567.9", "mismatch"),
        ('"1e400"', '"1e401"', "mismatch"),
        ('"nan"', '"NaN"', "match"),
        ('"1__0"', "10", "mismatch"),
        ('"x"', "1", "mismatch"),
        ("true", "1", "mismatch"),
    ],
)
def test_number_makes_one_kind_of_number_and_rounds_none(one: str, other: str, expected: str) -> None:
    assert of_json(one, f" {other}", NUMBER) == expected
    assert of_json(f" {other}", one, NUMBER) == expected


def test_number_takes_decimals_and_their_texts_for_one_number() -> None:
    kind = [DECIMAL, "string"]
    assert of_avro((kind, kind), Decimal("1.50"), "1.5", NUMBER) == "match"
    assert of_avro((kind, kind), Decimal("1.50"), "1.51", NUMBER) == "mismatch"


NOON = "2026-03-08T12:00:00"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (f"{NOON}.123456789Z", f"{NOON}.123456123Z", "mismatch"),
        (f"{NOON}.123456789Z", f"{NOON}.123456789+00:00", "match"),
        (f"{NOON}.123456789Z", "2026-03-08T13:00:00.123456789+01:00", "match"),
        (f"{NOON}.123456789Z", "2026-03-08T13:00:00,123456788+01:00", "mismatch"),
        (f"{NOON}.123456000Z", f"{NOON}.123456Z", "match"),
        (f"{NOON}.123456Z", f"{NOON}.1234560000000000Z", "match"),
        (f"{NOON}.1234567890123Z", f"{NOON}.1234567890124Z", "mismatch"),
        (f"{NOON}.123456789", f"{NOON}.123456789Z", "match"),
        ("20260308T120000.123456789Z", f"{NOON}.123456789Z", "match"),
        ("20260308T120000.123456789Z", "20260308T120000.123456788Z", "mismatch"),
        (f"{NOON}.{'1' * 5000}Z", f"{NOON}.{'1' * 4999}2Z", "mismatch"),
        ("1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999998Z", "mismatch"),
        ("1969-12-31T23:59:59.999999999Z", "1970-01-01T00:59:59.999999999+01:00", "match"),
    ],
)
def test_utc_keeps_what_is_finer_than_a_microsecond(one: str, other: str, expected: str) -> None:
    assert of_json(f'"{one}"', f' "{other}"', UTC) == expected
    assert of_json(f' "{other}"', f'"{one}"', UTC) == expected


def test_nanoseconds_of_avro_are_instants_like_all_others() -> None:
    second = 1_600_000_000_123_456_000
    kinds = (NANOS, MICROS)
    assert of_avro((NANOS, NANOS), second, second + 1) == "mismatch"
    assert of_avro(kinds, second, second // 1_000) == "match"
    assert of_avro(kinds, second + 1, second // 1_000) == "mismatch"
    assert of_avro(kinds, second + 1, second // 1_000, Rule(path="v", round_ms=10)) == "tolerated"
    text = ((NANOS, "string"), second + 789, "2020-09-13T12:26:40.123456789Z")
    assert of_avro(*text, UTC) == "match"
    assert of_avro(text[0], second + 788, text[2], UTC) == "mismatch"


def test_ids_that_differ_beyond_a_double_are_two_ids() -> None:
    texts = (b'{"id":12345678901234567.89}', b'{"id":12345678901234567.90}', b'{"id":1234567890123456789e-2}')
    one, other, same = (text_id(Decoder(NoSchemas()).decode(text), ["id"]) for text in texts)
    assert one != other
    assert one == same


def test_json_beside_avro_is_compared_by_what_both_were_written_as() -> None:
    source = Registry(record("double"))
    body = b"\x00\x00\x00\x00\x01" + bytes.fromhex("9a9999999999b93f")
    assert found(source, body, b'{"v":0.1}')[0] == "match"
    assert found(source, body, b'{"v":0.10000000000000000001}')[0] == "mismatch"
