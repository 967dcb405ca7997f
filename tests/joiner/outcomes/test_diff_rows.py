"""What a row of the diff topic says, and in which window its outcome counts."""

from typing import Any

import pytest

from shadowstream.compare.redact import MARK
from tests.joiner.joiner_world import WINDOW_MS, World
from tests.joiner.outcome_cases import Case, P, S, Step, absent, begun, committed, done, play


def row(case: Case, **settings: Any) -> dict[str, Any]:
    """The only diff row of a case."""
    world = begun(**settings)
    play(world, case)
    (only,) = world.diff
    return only


def test_a_mismatch_row_names_both_records_the_input_and_the_differences() -> None:
    diff_row = row([P("a", '{"n": 1}', 1_700), S("a", '{"n": 3}', of=7, time_ms=1_600), {"mismatch": 1}])
    assert diff_row["pair_id"] == "out/0/0"
    assert (diff_row["production"]["offset"], diff_row["shadow"]["topic"]) == (0, "shadow.t.out.out")
    assert (diff_row["input"], diff_row["key"], diff_row["time_ms"], diff_row["late"]) == (
        "in/0/7/0",
        b"a",
        1_700,
        False,
    )
    (difference,) = diff_row["differences"]
    assert (difference["path"], difference["production"], difference["shadow"]) == ("n", "1", "3")


def test_the_row_of_an_extra_bears_the_shadow_records_own_coordinate() -> None:
    diff_row = row([S("a", of=3), committed(10), {"extra": 1}])
    assert (diff_row["pair_id"], diff_row["production"]) == ("shadow.t.out.out/0/0", None)


def test_the_row_of_a_candidate_error_says_why() -> None:
    raised = absent(0, "error", "a", text="TypeError: score() missing 1 required positional argument: 'q'")
    diff_row = row([P("a"), raised, done(10), {"candidate_error": 1}])
    why = "TypeError: score() missing 1 required positional argument: 'q'"
    assert (diff_row["outcome"], diff_row["reason"], diff_row["shadow"]) == ("candidate_error", why, None)


def test_an_absence_without_text_shows_its_class_in_the_row() -> None:
    for reason in ("timeout", "crashed"):
        diff_row = row([P("a"), absent(0, reason, "a"), done(10), {reason: 1}])
        assert (diff_row["outcome"], diff_row["reason"], diff_row["shadow"]) == (reason, reason, None)


def test_plain_matches_are_shown_only_as_a_sample() -> None:
    world = begun(compare={"match_sample": 0})
    play(world, [P("a"), S("a"), P("b", "1"), S("b", "2"), {"match": 1, "mismatch": 1}])
    assert [diff_row["outcome"] for diff_row in world.diff] == ["mismatch"]


def test_the_same_matches_are_shown_whatever_came_first_and_was_committed_when() -> None:
    keys = [f"k{n}" for n in range(200)]
    production, shadow = [P(key) for key in keys], [S(key, of=n) for n, key in enumerate(keys)]
    orders: list[list[Any]] = [
        [*production, *shadow],
        [*shadow, *production],
        [step for both in zip(production, shadow, strict=True) for step in (*both, World.turn)],
    ]
    shown = []
    for order in orders:
        world = begun(compare={"match_sample": 0.2})
        play(world, [*order, {"match": 200}])
        shown.append({row["pair_id"] for row in world.diff})
    assert shown[0] == shown[1] == shown[2]
    assert 20 < len(shown[0]) < 60


def test_outcomes_count_in_productions_window_and_extras_in_their_own() -> None:
    world = begun()
    play(world, [P("a", time_ms=1_999), S("a", time_ms=2_000), S("b", of=3, time_ms=5_001), committed(10),
                 {"match": 1, "extra": 1}])  # fmt: skip
    windows = {w["start_ms"]: w["outcomes"] for s in world.stats for w in s["windows"]}
    assert windows == {1 * WINDOW_MS: {"match": 1}, 5 * WINDOW_MS: {"extra": 1}}


DIMENSIONS = [{"name": "carrier", "header": "carrier"}, {"name": "origin", "path": "origin"}]
PRODUCED = P("a", '{"n": 1, "origin": "EWR"}', of="in/0/0")
DIFFERENT = S("a", '{"n": 2, "origin": "JFK"}', 0, carrier="UA")
SLICE = {"carrier": "UA", "origin": "EWR"}
CASES: dict[str, tuple[Case, dict[str, str]]] = {
    "mismatch": ([PRODUCED, DIFFERENT, {"mismatch": 1}], SLICE),
    "match": ([PRODUCED, S("a", '{"n": 1, "origin": "EWR"}', carrier="UA"), {"match": 1}], SLICE),
    "undecodable_shadow": ([PRODUCED, S("a", "{", carrier="UA"), {"undecodable_shadow": 1}], SLICE),
    "missing": ([PRODUCED, done(10), {"missing": 1}], {"origin": "EWR"}),
    "extra": ([DIFFERENT, committed(10), {"extra": 1}], {"carrier": "UA", "origin": "JFK"}),
}


@pytest.mark.parametrize("kind", ["key", "coordinate"])
@pytest.mark.parametrize("outcome", CASES)
def test_a_row_holds_the_values_of_its_dimensions(outcome: str, kind: str) -> None:
    case, expected = CASES[outcome]
    identity = {"kind": kind} | ({"header": "origin"} if kind == "coordinate" else {})
    diff_row = row(case, compare={"match_sample": 1, "dimensions": DIMENSIONS}, identity=identity)
    assert (diff_row["outcome"], diff_row["dimensions"]) == (outcome, expected)


def test_a_row_for_different_numbers_of_outputs_holds_its_slice() -> None:
    identity = {"kind": "coordinate", "header": "origin", "outputs": "many"}
    more = S("b", '{"n": 3}', 0, k=1, carrier="UA")
    case = [PRODUCED, DIFFERENT, more, done(10), committed(10), {"cardinality": 1}]
    diff_row = row(case, compare={"match_sample": 1, "dimensions": DIMENSIONS}, identity=identity)
    assert diff_row["dimensions"] == SLICE


@pytest.mark.parametrize("late", [DIFFERENT, PRODUCED])
def test_the_row_of_a_correction_holds_the_slice_of_its_pair(late: Step) -> None:
    world = begun(compare={"match_sample": 1, "dimensions": DIMENSIONS})
    first, outcome, end = (DIFFERENT, "extra", committed(10)) if late is PRODUCED else (PRODUCED, "missing", done(10))
    rest = done(10) if late is PRODUCED else committed(10)
    play(world, [first, end, {outcome: 1}, late, rest, {}, {outcome: -1, "mismatch": 1}])
    corrected = world.diff[-1]
    assert (corrected["correction_of"], corrected["dimensions"]) == (outcome, SLICE)


def test_a_redacted_dimension_is_redacted_in_rows_as_in_slices() -> None:
    redact = {"paths": ["origin"], "headers": ["carrier"], "secret": "of this trial, long enough"}
    world = begun(compare={"match_sample": 1, "dimensions": DIMENSIONS, "redact": redact})
    play(world, [PRODUCED, DIFFERENT, {"mismatch": 1}])
    (only,) = world.diff
    assert all(value.startswith(MARK) for value in only["dimensions"].values())
    slices = [one for record in world.stats for window in record["windows"] for one in window["slices"]]
    assert {tuple(one["values"]) for one in slices if len(one["values"]) == 2} == {tuple(only["dimensions"].values())}
