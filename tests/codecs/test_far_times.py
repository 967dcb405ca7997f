"""A date beyond the year 9999 is a value: compared as the exact number that was written, in rows and in columns."""

import json
import pickle
from typing import Any

import pytest

from shadowstream.codecs.avro import AvroReader, AvroWriter
from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.far_times import FarTime
from shadowstream.codecs.framing import framed
from shadowstream.codecs.schemas import parse
from shadowstream.compare import RuleSet, compare_pairs
from shadowstream.config import Rule
from tests.compare.proof.model import zigzag
from tests.compare.written_pairs import Registry

YEAR_10000_MS = 253_402_300_800_000
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
LOCAL = {"type": "long", "logicalType": "local-timestamp-micros"}
DATE = {"type": "int", "logicalType": "date"}
NODE = {
    "type": "record",
    "name": "Node",
    "fields": [{"name": "t", "type": MILLIS}, {"name": "next", "type": ["null", "Node"]}],
}


def record(kind: Any, name: str = "R") -> dict[str, Any]:
    fields = [{"name": "t", "type": kind}, {"name": "n", "type": "int"}]
    return {"type": "record", "name": name, "fields": fields}


def compared(kinds: tuple[Any, Any], bodies: list[tuple[bytes, bytes]], *rules: Rule) -> list[str]:
    schemas = Registry(record(kinds[0]), record(kinds[1]))
    left, right = Decoder(schemas), Decoder(schemas)
    columns = [framed(1) + one for one, _ in bodies], [framed(2) + other for _, other in bodies]
    return compare_pairs(*columns, left, right, RuleSet(list(rules))).outcomes


CASES: dict[str, tuple[tuple[Any, Any], tuple[int, int], str]] = {
    "milliseconds, the last digit": ((MILLIS, MILLIS), (YEAR_10000_MS, YEAR_10000_MS + 1), "mismatch"),
    "the greatest long": ((MICROS, MICROS), (2**63 - 1, 2**63 - 2), "mismatch"),
    "long before year 1": ((MILLIS, MILLIS), (-(2**62), -(2**62) - 1), "mismatch"),
    "days": ((DATE, DATE), (2**31 - 1, 2**31 - 2), "mismatch"),
    "local time": ((LOCAL, LOCAL), (2**62, 2**62 + 1), "mismatch"),
    "one instant in two units": ((MILLIS, MICROS), (YEAR_10000_MS, YEAR_10000_MS * 1_000), "match"),
    "two units, another instant": ((MILLIS, MICROS), (YEAR_10000_MS, YEAR_10000_MS * 1_000 + 1), "mismatch"),
    "the last millisecond of 9999 and the next": ((MILLIS, MILLIS), (YEAR_10000_MS - 1, YEAR_10000_MS), "mismatch"),
}


@pytest.mark.parametrize("times", [1, 200], ids=["rows", "columns"])
@pytest.mark.parametrize(("kinds", "numbers", "outcome"), CASES.values(), ids=CASES)
def test_far_times_are_compared_as_exact_numbers(
    kinds: tuple[Any, Any], numbers: tuple[int, int], outcome: str, times: int
) -> None:
    one, other = (zigzag(number) + zigzag(1) for number in numbers)
    assert compared(kinds, [(one, other)] * times) == [outcome] * times


@pytest.mark.parametrize("far", [1, 20, 150])
def test_the_rest_of_the_record_is_compared_whatever_share_has_far_times(far: int) -> None:
    times = [YEAR_10000_MS if i < far else 1_000 * i for i in range(200)]
    same = [(zigzag(at) + zigzag(1), zigzag(at) + zigzag(2 if i % 2 else 1)) for i, at in enumerate(times)]
    assert compared((MILLIS, MILLIS), same) == ["match", "mismatch"] * 100


def test_a_rule_in_milliseconds_holds_between_far_times() -> None:
    bodies = [(zigzag(YEAR_10000_MS + 1) + zigzag(1), zigzag(YEAR_10000_MS + 2) + zigzag(1))]
    assert compared((MILLIS, MILLIS), bodies, Rule(path="t", round_ms=1_000)) == ["tolerated"]


def test_in_a_recursive_record_too() -> None:
    schema = parse(json.dumps(NODE))
    body = zigzag(5) + zigzag(1) + zigzag(YEAR_10000_MS) + zigzag(0)
    decoded = AvroReader(schema, "schema 1").read(body, 0)
    assert decoded["next"]["t"] == FarTime(YEAR_10000_MS, 1_000_000)


def test_what_the_candidate_hands_on_is_written_as_it_was_read() -> None:
    schema, body = parse(json.dumps(record(MILLIS))), zigzag(YEAR_10000_MS) + zigzag(1)
    decoded = AvroReader(schema, "schema 1").read(body, 0)
    assert AvroWriter(schema, "schema 1", b"").write(decoded) == body


def test_a_far_time_is_no_plain_number_and_survives_a_process() -> None:
    one = FarTime(YEAR_10000_MS, 1_000_000)
    assert one != YEAR_10000_MS
    again = pickle.loads(pickle.dumps(one))
    assert (again, again.unit_ns, hash(again)) == (one, 1_000_000, hash(one))
