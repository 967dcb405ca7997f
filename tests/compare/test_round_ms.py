"""One instant in two forms under `round_ms`: the unit of a number is declared, and never guessed."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shadowstream.codecs.far_times import FarTime
from shadowstream.compare import RuleSet, compare_columns, compare_rows
from shadowstream.config import Rule

ISO = "2026-03-08T07:30:00.123Z"
MS = 1772955000123
AT = dt.datetime(2026, 3, 8, 7, 30, 0, 123_000, tzinfo=dt.UTC)


def found(production: Any, shadow: Any, **rule: Any) -> tuple[str, list[str]]:
    rules = RuleSet([Rule(path="t", round_ms=1, **rule)])
    result = compare_rows({"t": production}, {"t": shadow}, rules)
    assert compare_columns([{"t": production}] * 2, [{"t": shadow}] * 2, rules) == [result] * 2
    return result.outcome, [one.kind for one in result.differences]


@pytest.mark.parametrize(
    ("production", "shadow", "rule", "expected"),
    [
        (MS, ISO, {}, ("tolerated", ["type"])),
        (ISO, MS, {}, ("tolerated", ["type"])),
        (MS, AT, {}, ("tolerated", ["type"])),
        (AT, "2026-03-08T08:30:00.123+01:00", {}, ("tolerated", ["type"])),
        (MS * 1000, ISO, {"epoch": "us"}, ("tolerated", ["type"])),
        (MS * 1_000_000 + 999_999, ISO, {"epoch": "ns"}, ("tolerated", ["type"])),
        (MS // 1000, "2026-03-08T07:30:00Z", {"epoch": "s"}, ("tolerated", ["type"])),
        (1772955000.123, ISO, {"epoch": "s"}, ("tolerated", ["type"])),
        (Decimal("1772955000.123"), ISO, {"epoch": "s"}, ("tolerated", ["type"])),
        (1772955000, MS - 123, {"epoch": "s", "shadow_epoch": "ms"}, ("tolerated", ["value"])),
        (MS, MS * 1000 + 7, {"shadow_epoch": "us"}, ("tolerated", ["value"])),
        (-1, "1969-12-31T23:59:59.999Z", {}, ("tolerated", ["type"])),
        (1772928000000, dt.date(2026, 3, 8), {}, ("tolerated", ["type"])),
        (dt.date(2026, 3, 8), "2026-03-08", {}, ("tolerated", ["type"])),
        # another instant, or another unit than the one that is declared
        (MS + 1, ISO, {}, ("mismatch", ["value"])),
        (MS // 1000, "2026-03-08T07:30:00Z", {}, ("mismatch", ["value"])),
        (MS * 1000, ISO, {}, ("mismatch", ["value"])),
        (MS, ISO, {"epoch": "s"}, ("mismatch", ["value"])),
        (1772955000.1229, ISO, {"epoch": "s"}, ("mismatch", ["value"])),
        (MS, MS * 1000, {}, ("mismatch", ["value"])),
        # what is no time
        (MS, "soon", {}, ("mismatch", ["type"])),
        (str(MS), ISO, {}, ("mismatch", ["value"])),
        (True, "1970-01-01T00:00:00.001Z", {}, ("mismatch", ["type"])),
        (float("inf"), ISO, {"epoch": "s"}, ("mismatch", ["type"])),
        (Decimal("1E+999999"), ISO, {"epoch": "s"}, ("mismatch", ["type"])),
        (MS, None, {}, ("mismatch", ["null"])),
    ],
)
def test_a_number_is_a_time_in_the_unit_of_the_rule(production: Any, shadow: Any, rule: Any, expected: Any) -> None:
    assert found(production, shadow, **rule) == expected


@given(ns=st.integers(-(10**18), 4 * 10**18), unit=st.sampled_from(["s", "ms", "us", "ns"]))
def test_every_unit_means_the_same_instant(ns: int, unit: str) -> None:
    size = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit]
    number = ns // size
    text = (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=number * size // 1000)).isoformat()
    assert found(number, text, epoch=unit)[0] == "tolerated"
    assert found(number, number * size, epoch=unit, shadow_epoch="ns")[0] in ("tolerated", "match")


def test_a_far_time_meets_its_number() -> None:
    far = FarTime(10**15, 1_000_000)
    assert found(far, 10**12, shadow_epoch="s") == ("tolerated", ["type"])
    assert found(far, 10**12 + 1, shadow_epoch="s") == ("mismatch", ["value"])


@pytest.mark.parametrize("more", [{"epoch": "s"}, {"shadow_epoch": "us"}])
def test_a_unit_without_round_ms_is_refused(more: Any) -> None:
    with pytest.raises(ValidationError, match="give round_ms"):
        Rule(path="t", atol=1.0, **more)
