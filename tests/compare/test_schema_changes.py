"""Writer schemas that change, on either side and in mid-stream: added, removed, promoted, renamed; columns as rows."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.evolution import evolution
from shadowstream.codecs.schemas import parse
from shadowstream.compare import RuleSet, compare_pairs
from shadowstream.compare.expected import ExpectedChanges
from shadowstream.compare.pairs import Declared
from shadowstream.compare.schema_changes import Evolutions
from shadowstream.config import Expected, Rule
from tests.compare.avro_cases import Given

LONG = "long"


def record(*fields: Any, name: str = "R") -> Any:
    """A record of fields (name, type) or (name, type, alias)."""
    made = [{"name": one[0], "type": one[1], **({"aliases": [one[2]]} if len(one) > 2 else {})} for one in fields]
    return {"type": "record", "name": name, "fields": made}


def compared(
    schemas: tuple[Any, Any], pairs: list[tuple[Any, Any]], rules: RuleSet | None = None, **more: Any
) -> list[tuple[str, list[tuple[str, str]]]]:
    """Outcomes and differences of pairs; the same in a batch large enough for columns, one by one, and explained."""
    source, found = Given(*schemas), []
    decoders = Decoder(source), Decoder(source)
    rule_set = rules or RuleSet()
    for times in (1, 20):
        production = [source.frame(1, one) for one, _ in pairs] * times
        shadow = [source.frame(2, other) for _, other in pairs] * times
        declared = Declared(more.get("changes", ExpectedChanges()), [0] * len(production) if "changes" in more else ())
        results = compare_pairs(production, shadow, *decoders, rule_set, declared, more.get("evolutions"))
        outcomes = [(one.outcome, [(d.path, d.kind) for d in one.differences]) for one in results]
        assert outcomes == outcomes[: len(pairs)] * times
        found.append(outcomes[: len(pairs)])
    assert found[0] == found[1]
    return found[0]


def outcomes(*args: Any, **more: Any) -> list[str]:
    return [outcome for outcome, _ in compared(*args, **more)]


@pytest.mark.parametrize(
    ("kind", "other", "value", "same", "different"),
    [
        ("int", "long", 5, 5, 6),
        ("int", "double", 5, 5.0, 5.5),
        ("long", "float", 5, 5.0, 6.0),
        ("double", "long", 5.0, 5, 6),
        ("float", "double", 0.5, 0.5, 0.25),
        (["null", "int"], ["null", "double"], 5, 5.0, None),
        ("int", ["null", "long"], 5, 5, None),
    ],
)
def test_a_promoted_number_is_compared_as_a_number(
    kind: Any, other: Any, value: Any, same: Any, different: Any
) -> None:
    schemas = record(("n", kind), ("s", "string")), record(("n", other), ("s", "string"))
    pairs = [({"n": value, "s": "a"}, {"n": one, "s": "a"}) for one in (same, different)]
    assert outcomes(schemas, pairs) == ["match", "mismatch"]


def test_a_promoted_number_has_its_rules() -> None:
    schemas = record(("n", "long")), record(("n", "double"))
    rules = RuleSet([Rule(path="n", atol=0.5)])
    assert outcomes(schemas, [({"n": 5}, {"n": 5.25}), ({"n": 5}, {"n": 6.0})], rules) == ["tolerated", "mismatch"]


def test_numbers_of_logical_types_are_not_promoted() -> None:
    schemas = record(("n", {"type": "long", "logicalType": "timestamp-millis"})), record(("n", "double"))
    assert outcomes(schemas, [({"n": datetime(1970, 1, 1, tzinfo=UTC)}, {"n": 0.0})]) == ["mismatch"]


@pytest.mark.parametrize("turned", [False, True], ids=["the candidate's schema says it", "production's does"])
def test_a_field_renamed_by_alias_is_compared_under_productions_name(turned: bool) -> None:
    old, new = ("count", LONG), ("number", LONG, "count")
    schemas = record(old, ("s", "string")), record(("s", "string"), new)
    if turned:
        schemas = record(new, ("s", "string")), record(("s", "string"), old)
    production, shadow = ("number", "count") if turned else ("count", "number")
    pairs = [({production: 5, "s": "a"}, {shadow: n, "s": "a"}) for n in (5, 6)]
    assert compared(schemas, pairs) == [("match", []), ("mismatch", [(production, "value")])]
    assert outcomes(schemas, pairs, RuleSet([Rule(path=production, ignore=True)])) == ["match", "ignored"]


def test_without_an_alias_another_name_is_another_field() -> None:
    schemas = record(("count", LONG)), record(("number", LONG))
    assert compared(schemas, [({"count": 5}, {"number": 5})]) == [
        ("mismatch", [("count", "missing"), ("number", "extra")])
    ]


def test_renamed_and_promoted_deep_inside() -> None:
    item, new_item = record(("n", "int"), name="I"), record(("m", "double", "n"), name="I")
    one, other = (
        record(("items", {"type": "array", "items": kind}), ("by", {"type": "map", "values": by}), ("one", "I"))
        for kind, by in ((item, "int"), (new_item, "float"))
    )
    assert evolution(parse_named(one), parse_named(other)).changes == {
        "promoted": ["items.*.n", "by.*", "one.n"],
        "renamed": ["items.*.n", "one.n"],
    }


def parse_named(schema: Any) -> Any:
    return parse(json.dumps(schema))


def test_nested_changes_are_decided_by_rows() -> None:
    items = record(("n", "int"), name="I"), record(("m", "double", "n"), name="I")
    one, two = (record(("items", {"type": "array", "items": kind})) for kind in items)
    pairs = [({"items": [{"n": 1}, {"n": 2}]}, {"items": [{"m": 1.0}, {"m": other}]}) for other in (2.0, 2.5)]
    assert compared((one, two), pairs) == [("match", []), ("mismatch", [("items.1.n", "value")])]


def test_a_record_inside_itself_has_an_end() -> None:
    node = record(("n", "int"), ("next", ["null", "R"]))
    other = record(("n", "long"), ("next", ["null", "R"]))
    found = evolution(parse_named(node), parse_named(other))
    assert found.changes == {"promoted": ["n"]}


@pytest.mark.parametrize(
    ("policy", "added"), [("mismatch", "mismatch"), ("ignore", "ignored"), ("expected", "expected")]
)
def test_added_fields_have_a_policy_and_removed_ones_are_mismatches(policy: Any, added: str) -> None:
    small, large = record(("n", LONG)), record(("n", LONG), ("more", "string"))
    rules, changes = RuleSet((), policy), ExpectedChanges()
    pairs = [({"n": 1}, {"n": n, "more": "x"}) for n in (1, 2)]
    assert outcomes((small, large), pairs, rules, changes=changes) == [added, "mismatch"]
    assert outcomes((large, small), [({"n": 1, "more": "x"}, {"n": 1})], rules, changes=changes) == ["mismatch"]


def test_added_fields_and_a_declared_change_explain_a_pair_together() -> None:
    until = datetime(2100, 1, 1, tzinfo=UTC)
    changes = ExpectedChanges([Expected(name="rounds", paths=["n"], rate_max=0.5, until=until)])
    source = Given(record(("n", LONG)), record(("n", LONG), ("more", "string")))
    pair = [source.frame(1, {"n": 1})], [source.frame(2, {"n": 2, "more": "x"})], Decoder(source), Decoder(source)
    (result,) = compare_pairs(*pair, RuleSet((), "expected"), Declared(changes, [0]))
    assert (result.outcome, result.reason) == ("expected", "rounds, added_fields")


def test_an_element_too_many_is_no_added_field() -> None:
    rules = RuleSet([Rule(path="x", lists="unordered")], "expected")
    kind = {"type": "array", "items": LONG}
    schemas = record(("x", kind)), record(("x", kind), ("y", LONG))
    assert outcomes(schemas, [({"x": [1]}, {"x": [1, 2], "y": 1})], rules, changes=ExpectedChanges()) == ["mismatch"]


def test_both_sides_change_in_mid_stream_and_pairs_are_counted_by_change() -> None:
    second = record(("n", "double"), ("number", LONG, "count"), ("x", "int"))
    source, evolutions = Given(record(("n", "int"), ("count", LONG)), second), Evolutions()
    decoders = Decoder(source), Decoder(source)
    n = 200

    def side(change: int) -> list[bytes]:
        before = [source.frame(1, {"n": i, "count": i}) for i in range(change)]
        return before + [source.frame(2, {"n": float(i), "number": i, "x": 1}) for i in range(change, n)]

    results = compare_pairs(side(50), side(120), *decoders, RuleSet(), evolutions=evolutions)
    # Between the changes production has a field more than the candidate, and that is all.
    assert results.outcomes == ["match"] * 50 + ["mismatch"] * 70 + ["match"] * 80
    assert {d.path for one in results for d in one.differences} == {"x"}
    assert results.changed() == {"removed": 70, "promoted": 70, "renamed": 70}
    assert results.changes.keys() == set(range(50, 120))
    assert [(pair.production, pair.shadow, pair.changes) for pair in evolutions.new_pairs] == [
        (2, 1, {"removed": ["x"], "promoted": ["n"], "renamed": ["number"]})
    ]
