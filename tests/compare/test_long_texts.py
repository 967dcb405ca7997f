"""Texts of any length: whole where they are compared, known by a hash where they are named."""

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.schemas import NoSchemas
from shadowstream.compare import RuleSet, compare_columns, compare_rows
from shadowstream.compare.differences import difference
from shadowstream.compare.dimension_codes import TEXT_CHARS_MAX, coded, folded, name_of
from shadowstream.compare.expected import ExpectedChanges
from shadowstream.compare.fields import Fields
from shadowstream.config import Check, Expected, Failure, Rule
from shadowstream.joiner.accounting.part_counts import scopes_of
from shadowstream.joiner.accounting.value_checks import _fails as fails
from shadowstream.joiner.intake.header_fields import says_failed
from shadowstream.paths import join_path
from shadowstream.protocol.size_limits import PATH_CHARS_MAX, FieldCounts, cut_path, shortened
from tests.joiner.joiner_world import config
from tests.least_config import redactor

URL = "https://example.org/" + "a" * 60
OTHER = URL[:-1] + "b"
LONG = "é" * 100_000


@pytest.mark.parametrize("text", [URL, OTHER, "x" * 63, "x" * 64, "x" * 65, LONG])
def test_values_maps_a_text_of_any_length(text: str) -> None:
    rules = RuleSet([Rule(path="u", values={text: "x"})])
    for production, expected in ((text, "tolerated"), (text + "y", "mismatch"), (text[:-1] + "y", "mismatch")):
        found = compare_rows({"u": production}, {"u": "x"}, rules)
        assert found.outcome == expected
        assert compare_columns([{"u": production}] * 3, [{"u": "x"}] * 3, rules) == [found] * 3


def test_a_text_that_is_cut_in_its_name_maps_nothing() -> None:
    assert compare_rows(URL, "x", RuleSet([Rule(path="$", values={name_of(URL): "x"})])).outcome == "mismatch"


@given(texts=st.lists(st.text(alphabet="ab", min_size=60, max_size=70), unique=True), length_max=st.integers(20, 64))
def test_two_texts_have_two_names_of_a_bounded_length(texts: list[str], length_max: int) -> None:
    names = [shortened(text, length_max) for text in texts]
    assert len(set(names)) == len(texts)
    assert all(len(name) <= length_max for name in names)
    assert [shortened(name, length_max) for name in names] == names  # a name names itself, so it may stand in `where`


def test_a_short_text_is_its_own_name() -> None:
    assert [name_of(one) for one in ("UA", URL[:TEXT_CHARS_MAX], 7, None)] == ["UA", URL[:64], "7", "null"]
    assert name_of(URL).startswith(f"{URL[:46]}…#")


def slices(*values: Any, times: int = 1) -> list[str]:
    raw = [json.dumps({"u": value}).encode() for value in values * times]
    column = Fields(Decoder(NoSchemas()), raw).coded(["u"])
    return [column.values[code] for code in column.codes.tolist()]


@pytest.mark.parametrize("times", [1, 40])
def test_two_long_values_are_two_slices(times: int) -> None:
    found = slices(URL, OTHER, {"a": URL}, {"a": OTHER}, times=times)
    assert len(set(found)) == 4
    assert folded(coded(found), np.ones(len(found), np.bool_), 4).values == list(dict.fromkeys(found))


def test_a_criterion_of_a_slice_finds_its_long_value() -> None:
    for where in (URL, name_of(URL)):
        settings = config(
            compare={"dimensions": [{"name": "u", "path": "u"}]},
            judge={"criteria": [{"rate": "mismatch", "limit": 0.1, "where": {"u": where}}]},
        )
        (scope,) = scopes_of(settings)
        assert scope.values == ((0, slices(URL)[0]),)


def test_two_long_values_that_must_not_be_read_stay_two() -> None:
    covering = redactor(redact={"paths": ["u"], "headers": ["h"], "secret": "of the trial"})
    assert covering.name("u", name_of(URL)) != covering.name("u", name_of(OTHER))


def test_two_long_headers_are_distinguished() -> None:
    error = Failure(header="error", equals=URL)
    assert says_failed(error, [("error", URL.encode())])
    assert not says_failed(error, [("error", OTHER.encode())])


def test_an_expected_change_of_a_long_text() -> None:
    declared = {"name": "moved", "paths": ["u"], "production": URL, "rate_max": 0.1, "until": "2999-01-01T00:00:00Z"}
    changes = ExpectedChanges([Expected.model_validate(declared)])
    assert changes.names([(("u",), "value", URL, "x")], 0) == ["moved"]
    assert changes.names([(("u",), "value", OTHER, "x")], 0) == []


def test_elements_are_called_by_long_keys_and_rules_reach_them() -> None:
    rules = RuleSet([Rule(path="items", key="id"), Rule(path=join_path(["items", OTHER]), ignore=True)])
    production = {"items": [{"id": URL, "n": 1}, {"id": OTHER, "n": 1}]}
    shadow = {"items": [{"id": OTHER, "n": 2}, {"id": URL, "n": 1}]}
    assert compare_rows(production, shadow, rules).outcome == "tolerated"  # the order; the other element is ignored
    shadow["items"][1]["n"] = 2
    (found,) = compare_rows(production, shadow, rules).differences
    assert found.path.endswith("aa.n")


def test_two_long_paths_are_counted_as_two() -> None:
    one, other = ("m." + "k" * PATH_CHARS_MAX + end for end in "ab")
    assert cut_path(one) != cut_path(other)
    assert len(cut_path(one)) == PATH_CHARS_MAX
    counts, fields = FieldCounts([one]), Counter[str]()
    counts.add({one, other}, fields)
    assert sorted(fields.values()) == [1, 1]


def test_paths_of_pairs_in_columns_are_counted_as_of_each_pair() -> None:
    paths = [f"m.{n:0>200}" for n in range(1_200)]  # more than are counted by name
    pairs = [{paths[n], paths[max(n - 1, 0)]} for n in range(len(paths))]
    places = [[n for n in (at, at + 1) if n < len(pairs)] for at in range(len(paths))]
    by_pair, together = (Counter[str]({paths[0]: 7}) for _ in range(2))
    counts = FieldCounts([])
    for pair in pairs:
        counts.add(pair, by_pair)
    FieldCounts([]).add_columns(zip(paths, places, strict=True), together)
    assert together == by_pair
    assert together["(other)"] > 100


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x" * 300 + "a", "x" * 300 + "b"),
        (b"x" * 300 + b"a", b"x" * 300 + b"b"),
        (["x"] * 300 + ["a"], ["x"] * 300 + ["b"]),
        ({"k": "x" * 300, "n": 1}, {"k": "x" * 300, "n": 2}),
        ({"k": "x" * 300, "n": {1: 2}}, {"k": "x" * 300, "n": {(1,): 2}}),
    ],
)
def test_a_row_shows_two_long_values_of_one_beginning_as_two(one: Any, other: Any) -> None:
    found = difference(("u",), "value", one, other)
    assert found.production != found.shadow
    assert [len(text or "") for text in (found.production, found.shadow)] == [256, 256]
    assert "…#" in (found.production or "")
    covering = redactor(redact={"paths": ["u"], "secret": "of the trial"})
    shown = covering.difference(found)
    assert shown.production != shown.shadow


def test_a_check_takes_long_categories_whole() -> None:
    check = Check(path="u", categories=[URL])
    assert [fails(check, "category", value) for value in (URL, OTHER, URL[:64])] == [False, True, True]
