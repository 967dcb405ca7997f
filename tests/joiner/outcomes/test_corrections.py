"""What was said missing or extra and turns out otherwise: one word more, under the id of the first."""

from typing import Any

import pytest

from shadowstream.records import Partition, Side
from tests.joiner.joiner_world import REVISION, WINDOW_MS, World
from tests.joiner.outcome_cases import Case, P, S, T, absent, begun, committed, deleted, done, play, restart

LATE_SHADOW: Case = [P("a", "1", 1_500), done(10), {"missing": 1}, S("a", "2", of=3, time_ms=1_500), committed(10)]
LATE_PRODUCTION: Case = [S("a", "2", of=3, time_ms=1_500), committed(10), {"extra": 1}, P("a", "1", 1_500), done(10)]
CORRECTED = {"missing": -1, "mismatch": 1}


def words(world: World) -> list[dict[str, Any]]:
    return [row for row in world.diff if row["outcome"] != "match"]


@pytest.mark.parametrize(("late", "first"), [(LATE_SHADOW, "missing"), (LATE_PRODUCTION, "extra")])
def test_the_correction_has_the_pair_id_first_reported_and_names_both_records(late: Case, first: str) -> None:
    world = begun()
    play(world, [*late, {}, {first: -1, "mismatch": 1}])
    first_row, corrected = words(world)
    assert (first_row["outcome"], first_row["late"], first_row["correction_of"]) == (first, False, None)
    assert (corrected["outcome"], corrected["late"], corrected["correction_of"]) == ("mismatch", True, first)
    assert corrected["pair_id"] == first_row["pair_id"]
    assert (corrected["production"]["offset"], corrected["shadow"]["offset"]) == (0, 0)
    (difference,) = corrected["differences"]
    assert (difference["production"], difference["shadow"]) == ("1", "2"), "the value of the first was read again"


def test_a_correction_withdraws_in_its_window_and_counts_in_productions() -> None:
    world = begun()
    play(world, [P("a", "1", 1_500), done(10), {"missing": 1}, S("a", "2", of=3, time_ms=7_500), committed(10), {},
                 CORRECTED])  # fmt: skip
    play(world, [S("b", of=4, time_ms=9_500), {"extra": 1}, P("b", time_ms=5_500), done(10), {},
                 {"extra": -1, "match": 1}])  # fmt: skip
    windows: dict[int, dict[str, int]] = {}
    for record in world.stats:
        for window in record["windows"]:
            assert window["revision"] == REVISION
            cell = windows.setdefault(window["start_ms"], {})
            for name, n in window["outcomes"].items():
                cell[name] = cell.get(name, 0) + n
    assert windows == {
        1 * WINDOW_MS: {"missing": 0, "mismatch": 1},
        9 * WINDOW_MS: {"extra": 0},
        5 * WINDOW_MS: {"match": 1},
    }


@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize(("late", "first"), [(LATE_SHADOW, "missing"), (LATE_PRODUCTION, "extra")])
def test_a_restart_anywhere_changes_no_word(late: Case, first: str, at: int) -> None:
    case: Case = [*late, {}, {first: -1, "mismatch": 1}]
    straight, restarted = begun(), begun()
    play(straight, case)
    for step in [*case[:at], restart, *case[at:], {}, {}]:
        if callable(step):
            step(restarted)
        else:
            restarted.turn()
    assert restarted.last_words() == straight.last_words()
    assert restarted.outcomes() == straight.outcomes() == {"mismatch": 1}


def test_a_restart_while_the_value_is_wanted_wants_it_again() -> None:
    world = begun()
    play(world, [*LATE_SHADOW, {}])
    assert world.joiner.wanted() == {Partition("out", 0): [0]}
    restart(world)
    assert world.joiner.wanted() == {}
    play(world, [{}, CORRECTED])


def test_a_record_that_retention_has_taken_is_evicted_and_not_waited_for() -> None:
    world = begun()
    play(world, [*LATE_SHADOW, deleted(Side.PRODUCTION, 0), {}, {"missing": -1, "evicted": 1}])
    assert (words(world)[-1]["correction_of"], world.joiner.wanted()) == ("missing", {})
    assert world.stats[-1]["pending"] == 0


def test_a_twins_record_ends_with_a_correction_of_a_deleted_record() -> None:
    world = begun(twin={"topic": "twin", "group": "prod-twin"})
    play(world, [S("a", "2", of=3, time_ms=1_500), committed(10), {"extra": 1}, T("a", "1", 1_500), P("a", "1", 1_500),
                 done(10), deleted(Side.SHADOW, 0), {}, {"extra": -1, "evicted": 2}])  # fmt: skip
    assert world.stats[-1]["pending"] == 0
    assert world.joiner.tasks[Partition("out", 0)].counts.ended == [1, 1, 1], "each side's record has ended, and once"


def test_beyond_the_cap_the_oldest_row_is_final_and_counted() -> None:
    world = begun(limits={"corrections_max": 2})
    play(world, [P("a"), P("b"), P("c"), done(10), {"missing": 3}, S("a"), S("b"), S("c"), committed(10),
                 {"extra": 1}, {"missing": -2, "match": 2}])  # fmt: skip
    assert world.joiner.tasks[Partition("out", 0)].late.dropped == 1


@pytest.mark.parametrize(("horizon_ms", "corrected"), [(4_999, False), (5_000, True)])
def test_beyond_the_horizon_what_was_reported_stays(horizon_ms: int, corrected: bool) -> None:
    world = begun(correctable_ms=horizon_ms)
    play(world, [P("a"), done(10), {"missing": 1}, P("b", time_ms=5_000), S("b", time_ms=5_000), {"match": 1},
                 S("a"), committed(10), {} if corrected else {"extra": 1},
                 {"missing": -1, "match": 1} if corrected else {}])  # fmt: skip


def test_an_absence_is_not_corrected() -> None:
    world = begun()
    play(world, [P("a"), absent(0, "error", "a"), done(10), {"candidate_error": 1}, S("a"), committed(10),
                 {"extra": 1}, {}])  # fmt: skip


def test_a_record_waiting_for_its_value_is_committed_as_pending() -> None:
    world = begun()
    play(world, [*LATE_SHADOW, {}])
    assert world.stats[-1]["pending"] == 1
    play(world, [CORRECTED])
    assert world.stats[-1]["pending"] == 0
    assert world.remainders() == []


def test_an_inputs_absence_reason_is_kept_while_production_waits() -> None:
    world = begun(correctable_ms=1_000)
    case: Case = [
        P("a"), absent(0, "error", "a"), P("z", time_ms=99_000), S("z", of=9, time_ms=99_000), {"match": 1},
        P("y", time_ms=99_500), S("y", of=8, time_ms=99_500), {"match": 1}, done(10), {"candidate_error": 1},
    ]  # fmt: skip
    play(world, case)
