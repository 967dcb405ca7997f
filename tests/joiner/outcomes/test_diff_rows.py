"""What a row of the diff topic says, and in which window its outcome counts."""

from typing import Any

from tests.joiner.joiner_world import WINDOW_MS, World
from tests.joiner.outcome_cases import Case, P, S, absent, begun, committed, done, play


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
