"""Generated schemas, values and rules: every kind of rule, on values as they are in life and on odd ones."""

import datetime as dt
import math
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from shadowstream.compare import RuleSet
from shadowstream.config import Rule

NUMBERS = [0, 1, 2, -1, 2**53, 2**53 + 1, 2**63, -(2**63), 10**400, True, False]
FLOATS = [0.0, -0.0, 1.0, 1.0 + 2**-52, 1.5, 2.0, -1.0, 1e308, -1e308, 5e-324, 2.0**53, math.nan, math.inf, -math.inf]
scalars = st.one_of(
    st.none(),
    st.sampled_from(NUMBERS),
    st.sampled_from(FLOATS),
    st.floats(),
    st.sampled_from(["", "a", "A", " a", "b", "2020-01-01T00:00:00Z", b"a", dt.date(2020, 1, 1)]),
    st.sampled_from([Decimal("1"), Decimal("1.5"), Decimal("NaN")]),
)
names = st.sampled_from(["a", "b", "c", "x.y", "*"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=5
)
tolerances = st.sampled_from([0.0, 1e-9, 0.5, 1.0, 1e300, 1e308])
paths = st.sampled_from(["a", "b", "c", "*", "a.b", "a.*", "*.b", "a.0", "*.*.a", r"x\.y", r"\*"])
HERE = "tests.compare.cases"


def near(one: Any, other: Any) -> bool:
    """A rule's function: texts of one length agree, and odd types are too much for it."""
    return len(one) == len(other)


def longer(one: Any, other: Any) -> bool:
    """The predicate of a declared change."""
    return len(other) > len(one)


def near_columns(ones: list[Any], others: list[Any]) -> list[bool]:
    """The same on columns."""
    return [len(one) == len(other) for one, other in zip(ones, others, strict=True)]


def shortened(value: Any) -> Any:
    """A normaliser that fails on most types."""
    return value[:1]


@st.composite
def rule(draw: st.DrawFn) -> Rule:
    """Any rule."""
    says: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"ignore": True},
                {"exact": True},
                {"ulp": 1},
                {"ulp": 2**60, "ignore_case": True},
                {"ignore_space": True},
                {"ignore_case": True, "ignore_space": True, "round_ms": 1_000},
                {"round_ms": 10},
                {"absent_is_null": True},
                {"values": {"a": "b", "1": 2, "null": 0, "true": "a"}},
                {"lists": "unordered"},
                {"lists": "set", "atol": 1.0},
                {"key": "a"},
                {"call": f"{HERE}:near"},
                {"call": f"{HERE}:near_columns", "on": "column"},
                {"normalise": ["trim", "lower"], "atol": 0.5},
                {"normalise": ["number", "utc", "nfc"]},
                {"normalise": ["json"], "lists": "unordered"},
                {"normalise": [f"{HERE}:shortened"]},
                None,
            ]
        )
    )
    if says is None:
        atol = draw(tolerances)
        rtol = draw(tolerances.filter(lambda x: x > 0) if not atol else tolerances)
        says = {"atol": atol, "rtol": rtol}
    return Rule(path=draw(paths), **says)


rule_sets = st.builds(
    RuleSet, st.lists(rule(), max_size=4, unique_by=lambda r: r.path), st.sampled_from(["mismatch", "ignore"])
)
symmetric_rules = st.lists(rule(), max_size=4, unique_by=lambda r: r.path).filter(
    lambda rules: not any(one.rtol or one.values or one.key for one in rules)
)
# Kinds of a field as a schema has them: most columns are of one type, as they are in life.
kinds = st.sampled_from(
    [
        st.sampled_from(FLOATS),
        st.floats(),
        st.none() | st.sampled_from(FLOATS),
        st.sampled_from([0, 1, 2, 2**53, 2**53 + 1, 2**63, 10**400]),
        st.integers() | st.none(),
        st.booleans(),
        st.sampled_from(["", "a", "b"]) | st.none(),
        st.sampled_from(["a", "b"]),
        st.sampled_from([b"a", b"b"]),
        st.none(),
        st.sampled_from([dt.date(2020, 1, 1), dt.date(2020, 1, 2)]),
        st.sampled_from(NUMBERS),
        values,
    ]
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Any], list[Any]]:
    """Two columns of objects of one schema; some without a field, some that are no objects."""
    fields = draw(st.dictionaries(names, kinds, max_size=4))
    count = draw(st.integers(0, 6))
    odd = draw(st.booleans())

    def side() -> list[Any]:
        rows: list[Any] = [{name: draw(kind) for name, kind in fields.items()} for _ in range(count)]
        for index in range(count if odd else 0):
            change = draw(st.integers(0, 9))
            if change == 0:
                rows[index] = draw(values)
            elif change == 1 and rows[index]:
                del rows[index][draw(st.sampled_from(sorted(rows[index])))]
            elif change == 2:
                rows[index][draw(names)] = draw(values)
        return rows

    production, shadow = side(), side()
    for index in range(count):
        if draw(st.booleans()):
            shadow[index] = production[index]
    return production, shadow
