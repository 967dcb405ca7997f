"""Laws of comparison in each execution: a value agrees with itself, sides and fields may change places.

Rows on any value, columns of Python's values, columns in Arrow. Short here, 20,000 cases each in `make proof`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.codecs.decoder import Decoder
from shadowstream.compare import RuleSet, compare_columns, compare_pairs, compare_rows
from shadowstream.compare.by_arrow import UNKNOWN, arrow_levels
from shadowstream.compare.result import MATCH
from shadowstream.config import Rule
from tests.compare.avro_cases import Given, named, records
from tests.compare.cases import rule as any_rule
from tests.compare.cases import symmetric_rules, tables, values

SHORT, LONG = 100, 20_000
rules_of_any_kind = st.lists(any_rule(), max_size=4, unique_by=lambda rule: rule.path)


def turned(value: Any) -> Any:
    """The value with the fields of all its objects in reverse."""
    if isinstance(value, dict):
        return {name: turned(inner) for name, inner in reversed(value.items())}
    return [turned(one) for one in value] if isinstance(value, list) else value


def turned_schema(schema: Any) -> Any:
    """The schema with the fields of all its records in reverse."""
    if isinstance(schema, list):
        return [turned_schema(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: turned_schema(part) if key in ("type", "items", "values") else part for key, part in schema.items()}
    if "fields" in schema:
        found["fields"] = [turned_schema(field) for field in reversed(schema["fields"])]
    return found


def is_symmetric(rules: list[Rule]) -> bool:
    return not any(rule.rtol or rule.values or rule.key for rule in rules)


def laws_of_rows(one: Any, other: Any, rules: list[Rule]) -> None:
    both = RuleSet(rules)
    assert compare_rows(one, one, both).outcome == "match"
    assert compare_rows(one, turned(one), both).outcome == "match"
    outcome = compare_rows(one, other, both).outcome
    assert compare_rows(turned(one), other, both).outcome == outcome
    if is_symmetric(rules):
        assert compare_rows(other, one, both).outcome == outcome


def laws_of_columns(table: tuple[list[Any], list[Any]], rules: list[Rule]) -> None:
    both = RuleSet(rules)
    left, right = table
    assert {one.outcome for one in compare_columns(left, left, both)} <= {"match"}
    outcomes = [one.outcome for one in compare_columns(left, right, both)]
    assert [one.outcome for one in compare_columns(left, turned(right), both)] == outcomes
    if is_symmetric(rules):
        assert [one.outcome for one in compare_columns(right, left, both)] == outcomes


def laws_of_arrow(data: st.DataObject, rules: list[Rule]) -> None:
    both, kind = RuleSet(rules), data.draw(records())
    schema = named(kind.schema)
    source = Given(schema, turned_schema(schema))
    pairs = data.draw(st.lists(st.tuples(kind.values, kind.values), min_size=1, max_size=4)) * 17
    left, right, reverse = (
        [source.frame(number, pair[side]) for pair in pairs] for side, number in ((0, 1), (1, 1), (1, 2))
    )
    read = Decoder(source).columns(left)
    if read is not None:
        # Equal columns are told as equal before anything is asked; copies of other places are not.
        levels = arrow_levels(read[0], read[0].take(np.arange(len(left))), both).of_pairs
        assert set(levels.tolist()) <= {MATCH, UNKNOWN}
    decoders = Decoder(source), Decoder(source)
    outcomes = compare_pairs(left, right, *decoders, both).outcomes
    assert compare_pairs(left, reverse, *decoders, both).outcomes == outcomes
    if is_symmetric(rules):
        assert compare_pairs(right, left, *decoders, both).outcomes == outcomes


def held(law: Callable[..., None], examples_max: int, **drawn: Any) -> None:
    settings(max_examples=examples_max, deadline=None)(given(**drawn)(law))()


LAWS: dict[str, tuple[Callable[..., None], dict[str, Any], int, int]] = {
    "rows": (laws_of_rows, {"one": values, "other": values}, SHORT, LONG),
    "columns": (laws_of_columns, {"table": tables()}, SHORT, LONG),
    "columns in Arrow": (laws_of_arrow, {"data": st.data()}, 30, LONG // 2),
}


@pytest.mark.parametrize("rules", [rules_of_any_kind, symmetric_rules], ids=["any rules", "symmetric rules"])
@pytest.mark.parametrize("in_full", [False, pytest.param(True, marks=pytest.mark.long)])
@pytest.mark.parametrize("execution", LAWS)
def test_each_execution_keeps_the_laws(execution: str, in_full: bool, rules: Any) -> None:
    law, drawn, short, long = LAWS[execution]
    held(law, long if in_full else short, **drawn, rules=rules)
