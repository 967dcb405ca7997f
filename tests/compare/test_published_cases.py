"""Cases that people have brought to the trackers of other tools; each names its thread. Values are ours."""

from decimal import Decimal
from typing import Any

import pytest

from shadowstream.compare import PairResult, RuleSet, compare_columns, compare_rows
from shadowstream.config import Rule


def compared(production: Any, shadow: Any, *rules: dict[str, Any]) -> PairResult:
    """By rows and, the same, by columns."""
    both = RuleSet([Rule(**rule) for rule in rules])
    found = compare_rows(production, shadow, both)
    assert compare_columns([production] * 2, [shadow] * 2, both) == [found] * 2
    return found


def path_kinds(result: PairResult) -> list[tuple[str, str]]:
    return [(one.path, one.kind) for one in result.differences]


def test_order_noise_is_declared_once_for_all_lists() -> None:
    """opendiffy/diffy 40: ordering differences can only be excluded by hand, one by one."""
    production, shadow = {"a": [1, 2], "b": ["x", "y"]}, {"a": [2, 1], "b": ["y", "x"]}
    assert compared(production, shadow).outcome == "mismatch"
    assert compared(production, shadow, {"path": "*", "lists": "unordered"}).outcome == "tolerated"


def test_a_random_id_is_ignored_and_counted_apart() -> None:
    """twitter-archive/diffy 59: a random UUID in each response makes all of them differ."""
    production, shadow = {"trace": "3f2a", "score": 1}, {"trace": "9b1c", "score": 1}
    assert compared(production, shadow, {"path": "trace", "ignore": True}).outcome == "ignored"


def test_in_any_order_an_element_too_many_is_still_found() -> None:
    """qlustered/deepdiff 7: [1, 2, 3, 4] and [3, 4, 2, 1] agree; an extra 1 must be told."""
    rule = {"path": "x", "lists": "unordered"}
    assert compared({"x": [1, 2, 3, 4]}, {"x": [3, 4, 2, 1]}, rule).outcome == "tolerated"
    result = compared({"x": [1, 2, 3, 4]}, {"x": [3, 2, 1, 4, 1]}, rule)
    assert (result.outcome, [kind for _, kind in path_kinds(result)]) == ("mismatch", ["extra"])


def test_nested_lists_of_different_lengths_do_not_shift_each_other() -> None:
    """spotify/ratatool 219: sorted and zipped, elements behind a missing one are compared with the wrong ones."""
    production = {"albums": [{"id": 1, "tracks": [{"id": i, "n": i} for i in (1, 2, 3)]}, {"id": 2, "tracks": []}]}
    shadow = {"albums": [{"id": 2, "tracks": []}, {"id": 1, "tracks": [{"id": i, "n": i} for i in (3, 2)]}]}
    result = compared(production, shadow, {"path": "albums", "key": "id"}, {"path": "albums.*.tracks", "key": "id"})
    assert path_kinds(result) == [("albums.1.tracks.1", "missing")]


def test_nested_lists_in_any_order_say_which_element_is_missing() -> None:
    """spotify/ratatool 217, 219: nested records without order are not sorted as such, and a missing one is not told."""
    rules = {"path": "albums", "lists": "unordered"}, {"path": "albums.*.tracks", "lists": "unordered"}
    production = {"albums": [{"id": 1, "tracks": [{"n": 1}, {"n": 2}, {"n": 3}]}, {"id": 2, "tracks": []}]}
    shadow = {"albums": [{"id": 2, "tracks": []}, {"id": 1, "tracks": [{"n": 3}, {"n": 1}]}]}
    assert path_kinds(compared(production, shadow, *rules)) == [("albums.0.tracks.1", "missing")]


def test_a_difference_inside_nested_lists_names_the_key_of_every_level() -> None:
    """spotify/ratatool 329: of a track that differs only the artist's key is told, not the album's and the track's."""
    production = {"albums": [{"gid": "A", "tracks": [{"gid": "T1", "name": "x"}, {"gid": "T2", "name": "y"}]}]}
    shadow = {"albums": [{"gid": "A", "tracks": [{"gid": "T2", "name": "z"}, {"gid": "T1", "name": "x"}]}]}
    result = compared(production, shadow, {"path": "albums", "key": "gid"}, {"path": "albums.*.tracks", "key": "gid"})
    assert path_kinds(result) == [("albums.A.tracks.T2.name", "value")]


def test_an_unordered_list_below_another_is_compared_without_order_too() -> None:
    """netilon/differify 25: order is ignored in the outer list only."""
    rules = {"path": "members", "lists": "unordered"}, {"path": "members.*.ids", "lists": "unordered"}
    production = {"members": [{"ids": ["a", "b"], "kind": "club"}]}
    assert compared(production, {"members": [{"ids": ["b", "a"], "kind": "club"}]}, *rules).outcome == "tolerated"
    result = compared(production, {"members": [{"ids": ["b", "z", "a"], "kind": "club"}]}, *rules)
    assert path_kinds(result) == [("members.0.ids.1", "extra")]


def test_in_any_order_a_small_change_is_reported_at_its_own_path() -> None:
    """szhekpisov/diffyml 85: without ids one changed field was told as an element removed and another added."""
    production = {"x": [{"a": 1, "b": {"c": 1}}, {"a": 2, "b": {"c": 2}}]}
    shadow = {"x": [{"a": 2, "b": {"c": 9}}, {"a": 1, "b": {"c": 1}}]}
    assert path_kinds(compared(production, shadow, {"path": "x", "lists": "unordered"})) == [("x.1.b.c", "value")]


def test_by_key_a_new_first_element_is_one_addition_and_no_shift() -> None:
    """benjamine/jsondiffpatch 79: with moves off the delta tells of more than the one that was added."""
    result = compared({"x": [{"id": "abc"}]}, {"x": [{"id": "bcd"}, {"id": "abc"}]}, {"path": "x", "key": "id"})
    assert path_kinds(result) == [("x.bcd", "extra")]


def test_audit_columns_are_ignored_at_every_level() -> None:
    """G-Research/spark-extension 62, michaelsogos/pg-diff 62: created and updated make each row a change."""
    rules = [{"path": path, "ignore": True} for path in ("updated_at", "*.updated_at", "*.*.updated_at")]
    production = {"id": 1, "updated_at": 1, "line": {"updated_at": 1}, "items": [{"n": 1, "updated_at": 1}]}
    shadow = {"id": 1, "updated_at": 2, "line": {"updated_at": 2}, "items": [{"n": 1, "updated_at": 2}]}
    assert compared(production, shadow, *rules).outcome == "ignored"
    assert path_kinds(compared(production, {**shadow, "id": 2}, *rules)) == [("id", "value")]


@pytest.mark.parametrize("rule", [[], [{"path": "x", "atol": 0.0, "rtol": 1e-9}], [{"path": "x", "ulp": 1}]])
def test_negative_zero_is_zero(rule: list[dict[str, Any]]) -> None:
    """nao1215/filesql 494: −0.0 and 0.0 are told apart and a join on them loses rows."""
    assert compared({"x": 0.0}, {"x": -0.0}, *rule).outcome == "match"
    assert compared({"x": [0.0, {"y": -0.0}]}, {"x": [-0.0, {"y": 0.0}]}, *rule).outcome == "match"


def test_a_percentage_of_zero_tolerates_nothing() -> None:
    """mayoverse/arsenal 206: a percent tolerance breaks where both are 0."""
    rule = {"path": "x", "rtol": 0.01}
    assert compared({"x": 0.0}, {"x": 0.0}, rule).outcome == "match"
    assert compared({"x": 0.0}, {"x": 1e-300}, rule).outcome == "mismatch"


def test_a_percent_difference_and_its_sign() -> None:
    """qlustered/deepdiff 68 (1 % of 1000), alexsanjoseph/compareDF 6 (a ratio loses the sign)."""
    rule = {"path": "x", "rtol": 0.01}
    assert compared({"x": 1000.0}, {"x": 1001.0}, rule).outcome == "tolerated"
    assert compared({"x": 1000.0}, {"x": 1011.0}, rule).outcome == "mismatch"
    assert compared({"x": -1_000_000.0}, {"x": 1_000_000.0}, rule).outcome == "mismatch"


def test_a_tolerance_holds_for_the_fields_that_it_names() -> None:
    """capitalone/datacompy 159: one tolerance for the whole frame."""
    production, shadow = {"price": 1.0, "count": 1.0}, {"price": 1.01, "count": 1.01}
    assert path_kinds(compared(production, shadow, {"path": "price", "atol": 0.1})) == [("count", "value")]


def test_a_tolerance_holds_inside_lists_in_any_order() -> None:
    """qlustered/deepdiff 431: a warning says that the tolerance is ignored there, and it is not."""
    rule = {"path": "x", "lists": "unordered", "atol": 0.01}
    assert compared({"x": [0.001, 5.0]}, {"x": [5.001, 0.0011]}, rule).outcome == "tolerated"
    assert compared({"x": [0.001, 5.0]}, {"x": [5.5, 0.0011]}, rule).outcome == "mismatch"


def test_in_any_order_an_int_is_still_no_float() -> None:
    """qlustered/deepdiff 485: ignoring the order stops telling 1 from 1.0."""
    result = compared({"x": [{"a": 1}]}, {"x": [{"a": 1.0}]}, {"path": "x", "lists": "unordered"})
    assert path_kinds(result) == [("x.0.a", "type")]


def test_decimals_in_lists_in_any_order() -> None:
    """qlustered/deepdiff 330: an error about decimal and float."""
    rule = {"path": "x", "lists": "unordered"}
    assert compared({"x": [Decimal("1.52")]}, {"x": [Decimal("1.57")]}, rule).outcome == "mismatch"
    assert compared({"x": [Decimal("1.5"), Decimal(2)]}, {"x": [Decimal("2.0"), Decimal("1.50")]}, rule).outcome == (
        "tolerated"
    )


def test_precision_is_absolute_or_relative_and_not_a_number_of_digits() -> None:
    """qlustered/deepdiff 468: digits 0 still compares behind the point of 6714795744484.493."""
    production, shadow = {"x": 6714795744484.493}, {"x": 6714795744484.502}
    assert compared(production, shadow, {"path": "x", "atol": 0.5}).outcome == "tolerated"
    assert compared(production, shadow, {"path": "x", "atol": 0.001}).outcome == "mismatch"


def test_numbers_in_texts_are_compared_as_numbers_where_configured() -> None:
    """qlustered/deepdiff 448: "0.102" and "0.101" with two digits."""
    production, shadow = {"aa": "0.102"}, {"aa": "0.101"}
    assert compared(production, shadow, {"path": "aa", "atol": 0.01}).outcome == "mismatch"
    assert compared(production, shadow, {"path": "aa", "normalise": ["number"], "atol": 0.01}).outcome == "tolerated"


def test_one_difference_deep_inside_is_not_lost_in_a_likeness() -> None:
    """xlwings/jsondiff 56: a score of likeness rounds to 1 where the difference is nested deep enough."""
    production: Any = 1
    shadow: Any = 2
    for _ in range(60):
        production, shadow = {"a": production, "same": [0] * 50}, {"a": shadow, "same": [0] * 50}
    assert path_kinds(compared(production, shadow)) == [(".".join(["a"] * 60), "value")]
