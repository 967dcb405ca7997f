"""What `make compare-proof` found, each fault as a small pair."""

from random import Random
from typing import Any

import pytest

from shadowstream.codecs.schemas import NoSchemas
from shadowstream.config import Rule
from tests.compare.proof import scalars
from tests.compare.proof.model import Array, Map, Type
from tests.compare.proof.pairs import framed
from tests.compare.proof.table import event, listed
from tests.compare.written_pairs import Found, Registry, found


def outcome_of(of: tuple[Type, Type], values: tuple[Any, Any], *rules: Rule) -> Found:
    """Outcome and differences of two values of two schemas, the same alone and among many."""
    raw = [framed(n, one.raw(value, Random(0))) for n, (one, value) in enumerate(zip(of, values, strict=True), 1)]
    return found(Registry(*(one.schema(set()) for one in of)), *raw, *rules)


@pytest.mark.parametrize("path", ["$", "*"])
@pytest.mark.parametrize("values", [(b"null", b"1"), (b"true", b"null"), (b'"a"', b"null")])
def test_a_rule_reaches_the_null_that_a_whole_json_text_is(path: str, values: tuple[bytes, bytes]) -> None:
    assert found(NoSchemas(), *values, Rule(path=path, ignore=True))[0] == "ignored"
    assert found(NoSchemas(), *values)[0] == "mismatch"


@pytest.mark.parametrize("names", [["trim"], ["nfc", "lower"], ["number"]])
def test_our_own_normalisers_leave_the_types_of_a_lists_elements(names: list[str]) -> None:
    one, other, rule = listed(0), listed(1), Rule(path="$", normalise=names)
    assert outcome_of((one.of, other.of), (one.value, other.value), rule) == ("mismatch", [("0", "type")])
    maps = Map(event("Placed").of), Map(event("Cancelled").of)
    assert outcome_of(maps, ({"a": {"id": 1}}, {"a": {"id": 1}}), rule) == ("mismatch", [("a", "type")])


YEAR_1_NS = -62_135_596_800 * 10**9


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("unit", ["millis", "micros"])
def test_a_far_time_and_a_date_differ_by_value(local: bool, unit: str) -> None:
    of = scalars.timestamp(unit, local)
    values = YEAR_1_NS, YEAR_1_NS - scalars.UNIT_NS[unit]
    assert outcome_of((of, of), values) == ("mismatch", [("", "value")])
    assert outcome_of((of, of), values[::-1]) == ("mismatch", [("", "value")])
    listed_times = Array(of)
    assert outcome_of((listed_times, listed_times), ([values[0]], [values[1]])) == ("mismatch", [("0", "value")])


@pytest.mark.parametrize(("whole", "double"), [(2**53 + 1, 2.0**53), (-(2**53) - 1, -(2.0**53)), (2**62 + 1, 2.0**62)])
def test_an_int_that_no_double_is_differs_by_value_from_the_nearest(whole: int, double: float) -> None:
    sides = (scalars.LONG, scalars.DOUBLE, (whole, double)), (scalars.DOUBLE, scalars.LONG, (double, whole))
    for one, other, values in sides:
        assert outcome_of((one, other), values) == ("mismatch", [("", "value")])
        assert outcome_of((Array(one), Array(other)), ([values[0]], [values[1]])) == ("mismatch", [("0", "value")])
        assert outcome_of((one, other), values, Rule(path="$", atol="1")) == ("tolerated", [("", "value")])
