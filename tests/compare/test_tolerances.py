"""A tolerance acts on numbers in their own arithmetic: every pair of kinds against an oracle of fractions."""

import json
import struct
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shadowstream.config import Compare, Labels, Rule
from shadowstream.labels.correctness import differ, outcome
from tests.compare.written_pairs import DECIMAL, of_avro, of_json

MONEY = DECIMAL | {"precision": 30}
CENTS = [Decimal(c) / 100 for c in (0, 1, 3, 7, 29, 30, 100)]


class Kind(NamedTuple):
    """How a number is written: its Avro type, None for JSON; a value of it that is near a number of cents."""

    name: str
    schema: Any
    least: int = -(10**6)
    greatest: int = 10**6


KINDS = [
    Kind("int", "int"),
    Kind("long", "long", 2**53 - 500, 2**53 + 500),
    Kind("float", "float"),
    Kind("double", "double"),
    Kind("large double", "double", 2**53 - 500, 2**53 + 500),
    Kind("decimal", MONEY),
    Kind("json int", None),
    Kind("json long", None, 2**53 - 500, 2**53 + 500),
    Kind("json fraction", None),
    Kind("json long fraction", None, 2**53 - 500, 2**53 + 500),
]
PAIRS = [(one, other) for one in KINDS for other in KINDS if (one.schema is None) == (other.schema is None)]


def value_of(kind: Kind, cents: int) -> Any:
    """The number as its writer holds it: a text of JSON, or a value of Avro."""
    if "int" in kind.name or kind.name in ("long", "json long"):
        return str(cents // 100) if kind.schema is None else cents // 100
    exact = Decimal(cents) / 100
    if kind.schema is None:
        return f"{exact:.2f}"
    if kind.name == "decimal":
        return exact
    number = float(exact)
    return struct.unpack("<f", struct.pack("<f", number))[0] if kind.name == "float" else number


def oracle(production: tuple[Kind, Any], shadow: tuple[Kind, Any], atol: Decimal, rtol: Decimal) -> str:
    """What must come out, by fractions, and of two doubles by doubles."""
    (kind, one), (_, other) = production, shadow
    types = {type(one), type(other)}
    if kind.schema is None:
        exact, is_int = (Fraction(one), Fraction(other)), ("." not in one, "." not in other)
        if exact[0] == exact[1] and is_int[0] == is_int[1]:
            return "match"
    elif Decimal in types and len(types) == 2:
        return "mismatch"
    else:
        exact = Fraction(one), Fraction(other)
        if exact[0] == exact[1]:
            return "match"
        if float in types and all(Fraction(float(number)) == Fraction(number) for number in (one, other)):
            near = abs(float(other) - float(one)) <= float(atol) + float(rtol) * abs(float(one))
            return "tolerated" if near else "mismatch"
    near = abs(exact[1] - exact[0]) <= Fraction(atol) + Fraction(rtol) * abs(exact[0])
    return "tolerated" if near else "mismatch"


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0].name}, {pair[1].name}")
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_every_pair_of_kinds_is_as_fractions_say(pair: tuple[Kind, Kind], data: st.DataObject) -> None:
    first, second = pair
    base = data.draw(st.integers(first.least, first.greatest)) * 100 + data.draw(st.integers(0, 99))
    atol, rtol = data.draw(st.sampled_from(CENTS)), data.draw(st.sampled_from([Decimal(0), Decimal("0.07")]))
    if not (atol or rtol):
        atol = Decimal("0.03")
    # On the bound, and a little beside it: there a rounding shows.
    bound = int(100 * (atol + rtol * abs(Decimal(base) / 100)))
    apart = data.draw(st.sampled_from([0, 1, bound, -bound, bound + 1, bound - 1, 100, bound + 100]))
    one, other = value_of(first, base), value_of(second, base + apart)
    rule = Rule.model_validate({"path": "v", "atol": str(atol), "rtol": str(rtol)})
    expected = oracle((first, one), (second, other), atol, rtol)
    if first.schema is None:
        assert of_json(one, f" {other}", rule) == expected
    else:
        assert of_avro((first.schema, second.schema), one, other, rule) == expected


@pytest.mark.parametrize("cents", range(1, 100))
def test_decimals_exactly_the_tolerance_apart_are_tolerated(cents: int) -> None:
    near, beyond = Decimal(500 + cents) / 100, Decimal(501 + cents) / 100
    for rule in (Rule(path="v", atol=cents / 100), Rule.model_validate({"path": "v", "atol": f"0.{cents:02d}"})):
        assert of_avro((MONEY, MONEY), Decimal("5.00"), near, rule) == "tolerated"
        assert of_avro((MONEY, MONEY), Decimal("5.00"), beyond, rule) == "mismatch"
        assert of_json("5.00", str(near), rule) == "tolerated"
        assert of_json("5.00", str(beyond), rule) == "mismatch"


@pytest.mark.parametrize(
    ("one", "other", "rule", "expected"),
    [
        ("10.0", "10.03", {"atol": 0.03}, "tolerated"),
        ("10", "10.03", {"atol": 0.03}, "tolerated"),
        ("1", "1.0", {"atol": 0.03}, "tolerated"),
        ("100", "129", {"rtol": 0.29}, "tolerated"),
        ("100", "130", {"rtol": 0.29}, "mismatch"),
        ("1.1", "1.3", {"atol": "0.2"}, "tolerated"),
        ("1.1", "1.30000000000000000001", {"atol": "0.2"}, "mismatch"),
        ("1.1", "1.30000000000000000001", {"atol": "0.20000000000000000001"}, "tolerated"),
        ("9007199254740992", "9007199254740993.5", {"atol": 1}, "mismatch"),
        ("9007199254740993", "9007199254740992.0", {"atol": 0.5}, "mismatch"),
        ("1e400", "1.1e400", {"rtol": 0.1}, "tolerated"),
        ("1e400", "1.2e400", {"rtol": 0.1}, "mismatch"),
        ("1e999999999999", "2e999999999999", {"rtol": 1}, "tolerated"),
        ("1e999999999999", "1e-999999999999", {"atol": 1}, "mismatch"),
        ("0.30000000000000003", "0.30000000000000004", {"ulp": 1}, "tolerated"),
        ('"5.00"', '"5.03"', {"atol": 0.03, "normalise": ["number"]}, "tolerated"),
        ('"[5.00]"', '"[5.03]"', {"atol": 0.03, "normalise": ["json"]}, "tolerated"),
    ],
)
def test_fractions_of_json_are_decimals_under_a_tolerance(one: str, other: str, rule: Any, expected: str) -> None:
    assert of_json(one, other, Rule.model_validate({"path": "v", **rule})) == expected


def test_doubles_are_computed_with_as_doubles() -> None:
    rule = Rule(path="v", atol=0.03)
    assert 5.03 - 5.0 > 0.03
    assert of_avro(("double", "double"), 5.0, 5.03, rule) == "mismatch"
    assert of_avro(("double", "double"), 10.0, 10.03, rule) == "tolerated"
    assert of_avro(("int", "double"), 5, 5.03, rule) == "mismatch"
    texts = Rule(path="v", atol=0.03, normalise=["number"])
    assert of_avro(("string", "string"), "5.00", "5.03", texts) == "tolerated"


def test_a_tolerance_keeps_its_written_number_or_text() -> None:
    written = [Rule.model_validate({"path": "v", "atol": one}) for one in (0.03, "0.03", "3e-2", Decimal("0.03"))]
    assert {rule.atol for rule in written} == {Decimal("0.03")}
    long = Rule.model_validate({"path": "v", "atol": "0.30000000000000000001"})
    assert Rule.model_validate_json(long.model_dump_json(exclude_defaults=True)) == long
    assert json.loads(written[1].model_dump_json())["atol"] == 0.03, "the revision is that of the number"


@pytest.mark.parametrize("wrong", ["a", "", "NaN", "inf", float("inf"), -0.1, "-1", True, None, "1e401", [1]])
def test_a_tolerance_that_is_no_number_is_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError, match="atol"):
        Compare.model_validate({"rules": [{"path": "v", "atol": wrong}]})


def test_labels_are_held_against_answers_exactly() -> None:
    labels = Labels.model_validate({"topic": "t", "path": "v", "atol": "0.03"})
    assert outcome("5.03", "5.04", "5.00", labels.atol) == "label_production_only"
    assert differ("12345678901234567.89", "12345678901234567.90")
    assert differ("[12345678901234567.89]", "[12345678901234567.90]")
    assert not differ("[1.50]", "[1.5]")
    assert differ("1e400", "1e401")
    assert differ("9007199254740993", "9007199254740992.0")
