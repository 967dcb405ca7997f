"""Several outputs of one input: one group, decided as a whole, compared as a multiset."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.joiner.matching.by_input import COMPARED_MAX, InputGroupStore, assign
from shadowstream.joiner.matching.matches import OutputGroup, Unmatched
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.records import Side
from tests.joiner.completeness.completeness_world import IN, CompletenessWorld
from tests.joiner.outcome_cases import Case, P, S, begun, committed, done, play

MANY = {"kind": "key", "outputs": "many"}
BOTH_DONE = (done(10), committed(10))


def several(production: list[str], shadow: list[str], outcomes: dict[str, int]) -> None:
    """Outputs of one input with these values, and what becomes of them once both sides are done with it."""
    rules = [{"path": "n", "atol": 0.5}]
    world = begun(identity=MANY, compare={"match_sample": 1, "rules": rules})
    outputs = [*(P("a", value) for value in production), *(S("a", value, k=k) for k, value in enumerate(shadow))]
    play(world, [*outputs, {}, *BOTH_DONE, outcomes])


def test_the_order_of_the_outputs_of_one_input_does_not_matter() -> None:
    for shadow in permutations(["1", "2", "2"]):
        several(["1", "2", "2"], list(shadow), {"match": 3})


def test_one_value_more_often_on_one_side_is_a_mismatch() -> None:
    several(["1", "2", "2"], ["1", "1", "2"], {"match": 2, "mismatch": 1})


def test_n_outputs_against_m_are_one_cardinality_that_ends_them_all() -> None:
    several(["1", "2", "3"], ["1"], {"cardinality": 1})
    several(["1"], ["1", "2"], {"cardinality": 1})


def test_no_outputs_against_some_are_missing_or_extra_each() -> None:
    play(begun(identity=MANY), [P("a", "1"), P("a", "2"), {}, done(10), {"missing": 2}])
    play(begun(identity=MANY), [S("a", "1", k=0), S("a", "2", k=1), {}, committed(10), {"extra": 2}])


def test_within_a_multiset_tolerances_make_as_many_records_as_possible_agree() -> None:
    # 1.0 lies near both of the candidate's; taken by the wrong one, 1.9 would be left with 0.6.
    several(['{"n": 1.0}', '{"n": 1.9}'], ['{"n": 1.4}', '{"n": 0.6}'], {"tolerated": 2})


@pytest.mark.parametrize("n", [COMPARED_MAX, COMPARED_MAX + 1, 3 * COMPARED_MAX])
def test_a_large_multiset_pairs_equal_values_in_any_order(n: int) -> None:
    values = [f"{number}" for number in range(n)]
    several(values, values[::-1], {"match": n})
    several(values, [*values[:0:-1], "-7"], {"match": n - 1, "mismatch": 1})


def test_records_of_a_large_multiset_without_byte_equals_are_compared_pairwise() -> None:
    left = [f"[{number}]" for number in range(COMPARED_MAX)]
    others = [f"{number}" for number in range(COMPARED_MAX)]
    spaced = [text.replace("[", "[ ") for text in left]
    several([*others, *left], [*spaced[::-1], *others], {"match": 2 * COMPARED_MAX})


@pytest.mark.parametrize(("n", "mismatches", "ambiguous"), [(COMPARED_MAX, 1, False), (COMPARED_MAX + 1, 65, True)])
def test_pairs_that_meet_in_order_because_they_are_too_many_are_ambiguous(
    n: int, mismatches: int, ambiguous: bool
) -> None:
    world = begun(identity=MANY)
    for number in range(n):
        P("a", f"[{number}]")(world)
        S("a", f"[ {n - number}]", k=number)(world)
    play(world, [*BOTH_DONE])
    world.turn()
    rows = [row for row in world.diff if row["outcome"] == "mismatch"]
    assert len(rows) == mismatches
    assert {row["ambiguous"] for row in rows} == {ambiguous}


def test_an_input_output_repeats_even_with_another_value() -> None:
    again = [S("a", "1", of=3), S("a", "2", of=3), {"repeated_shadow": 1}, S("a", "1", of=3), {"duplicate_shadow": 1}]
    play(begun(identity=MANY), again)
    coordinate = {"kind": "coordinate", "header": "origin", "outputs": "many"}
    named = [P("a", "1", of="in/0/3/0"), P("a", "2", of="in/0/3/0"), {"repeated_production": 1}]
    play(begun(identity=coordinate), [*named, *again])
    play(begun(identity=coordinate), [P("a", "1", of="in/0/3"), P("a", "2", of="in/0/3"), {}])


def test_a_group_waits_until_both_sides_are_done_with_its_input() -> None:
    case: Case = [P("a"), S("a"), {}, done(10), {}, P("a"), S("a", k=1), {}, *BOTH_DONE, {"match": 2}]
    play(begun(identity=MANY), case)


def test_each_group_is_given_whole_and_once() -> None:
    world, groups = CompletenessWorld(), InputGroupStore(1_000)
    groups.match_rows(Side.PRODUCTION, [b"a", b"a", b"b"], [PendingRecord(n, 0, b"v", None) for n in range(3)])
    groups.match_rows(Side.SHADOW, [b"a"], [PendingRecord(0, 0, b"v", None)])
    assert groups.take_decidable(world.completeness).matches == []
    world.completeness.observe_born(3, {IN: 10})
    world.done(IN, 10, end=0)
    world.read(production=3, shadow=1)
    (single,) = groups.take_decidable(world.completeness).matches
    assert isinstance(single, Unmatched), "of b the candidate has nothing; production may still add to a"
    assert list(groups.offsets(Side.PRODUCTION)) == [0, 1]
    world.completeness.observe_born(1, {IN: 10}, Side.SHADOW)
    world.completeness.observe_production(3, {IN: 10})
    world.read()
    (group,) = groups.take_decidable(world.completeness).matches
    assert isinstance(group, OutputGroup)
    assert (len(group.production), len(group.shadow)) == (2, 1)
    assert groups.take_decidable(world.completeness).matches == []
    assert groups.held.records == groups.held.bytes == [0, 0, 0]


@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=n,
                                                    max_size=n)))  # fmt: skip
def test_assign_is_a_permutation_with_as_many_fits_as_any(fits: list[list[bool]]) -> None:
    n = len(fits)
    found = assign(fits)
    assert sorted(found) == list(range(n))
    best = max(sum(fits[row][column] for row, column in enumerate(order)) for order in permutations(range(n)))
    assert sum(fits[row][column] for row, column in enumerate(found)) == best
