"""What a record ends in: message in, expected outcome out.

Each case is a history. P is a production output, S a candidate output; a dict is what the joiner has said since the
dict before it, after it has read everything and committed. The world has ten inputs (offsets 0 to 9) and is unbounded
unless a case says otherwise.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.joiner.cases import (
    GRACE_MS,
    Case,
    P,
    S,
    absent,
    begun,
    committed,
    done,
    freeze,
    inputs,
    land,
    play,
    restart,
    warm,
)
from tests.joiner.world import WINDOW_MS

BY_KEY: dict[str, Case] = {
    "both sides agree": [P("a"), S("a"), {"match": 1}],
    "agreement is of values and not of bytes": [P("a", '{"n": 1}'), S("a", '{"n":1}'), {"match": 1}],
    "values differ": [P("a", '{"n": 1}'), S("a", '{"n": 2}'), {"mismatch": 1}],
    "a difference within the tolerance": [P("a", '{"near": 1.0}'), S("a", '{"near": 1.4}'), {"tolerated": 1}],
    "a difference beyond the tolerance": [P("a", '{"near": 1.0}'), S("a", '{"near": 1.6}'), {"mismatch": 1}],
    "only an ignored path differs": [P("a", '{"noise": 1}'), S("a", '{"noise": 2}'), {"ignored": 1}],
    "the candidate comes first": [S("a"), {}, P("a"), {"match": 1}],
    "the candidate comes a day later": [P("a"), {}, S("a", time_ms=86_400_000), {"match": 1}],
    "one key used again after its pair": [P("a"), S("a"), {"match": 1}, P("a"), S("a"), {"match": 1}],
    "production's record twice while it waits": [P("a"), P("a"), {"duplicate_production": 1}, S("a"), {"match": 1}],
    "the candidate's record twice while it waits": [S("a"), S("a"), {"duplicate_shadow": 1}, P("a"), {"match": 1}],
    "a tombstone on both sides is a match": [P("a", None), S("a", None), {"match": 1}],
    "a tombstone on one side is a mismatch": [P("a", None), S("a"), P("b"), S("b", None), {"mismatch": 2}],
    "a null key is unpairable": [P(None), S(None), {"unpairable_production": 1, "unpairable_shadow": 1}],
    "an empty key is a key": [P(""), S(""), {"match": 1}],
    "what the candidate wrote cannot be decoded": [P("a"), S("a", "\xff"), {"undecodable_shadow": 1}],
    "what production wrote cannot be decoded": [P("a", "\xff"), S("a"), {"undecodable_production": 1}],
    "neither can be decoded: production is named": [P("a", "\xff"), S("a", "\xfe"), {"undecodable_production": 1}],
    "undecodable beside a tombstone": [P("a", None), S("a", "\xff"), {"undecodable_shadow": 1}],
    "a shadow record without our header still has its key": [P("a"), S("a", of=None), {"match": 1}],
    # Missing: only marks decide.
    "nothing is missing without a mark": [
        P("a", time_ms=0), P("b", time_ms=10 * GRACE_MS), S("b", time_ms=10 * GRACE_MS), {"match": 1},
    ],
    "missing once the candidate is done with every input": [P("a"), {}, done(9), {}, done(10), {"missing": 1}],
    "missing is said once": [P("a"), done(10), {"missing": 1}, done(10), {}, restart, {}],
    "not missing while the candidate's output is hidden": [P("a"), freeze, S("a"), done(10), {}, land, {"match": 1}],
    "what production writes after the inputs grew waits for them": [
        P("a"), done(10), {"missing": 1}, inputs(5), P("b"), done(10), {}, done(15), {"missing": 1},
    ],
    "an input more, and all wait for it": [inputs(1), P("a"), P("b"), done(10), {}, done(11), {"missing": 2}],
    # Absences.
    "the candidate raised": [P("a"), absent(0, "error", "a"), done(10), {"candidate_error": 1}],
    "the candidate took too long": [P("a"), absent(0, "timeout", "a"), done(10), {"candidate_error": 1}],
    "the candidate could not read its input": [P("a"), absent(0, "undecodable", "a"), done(10), {"candidate_error": 1}],
    "filtered before the candidate": [P("a"), absent(0, "filtered", "a"), done(10), {"filtered": 1}],
    "sampled out before the candidate": [P("a"), absent(0, "sampled_out", "a"), done(10), {"sampled_out": 1}],
    "an absence of another input": [P("a"), absent(0, "error", "b"), done(10), {"missing": 1}],
    "a run of absences": [P("b"), P("a"), absent(4, "error", "a", "b", count=2), done(10), {"candidate_error": 2}],
    "the absence comes long after production is done": [
        P("a"), committed(5), {}, absent(0, "error", "a"), committed(10), {}, done(10), {"candidate_error": 1},
    ],
    "the absence is known after a restart": [
        P("a"), committed(10), absent(0, "error", "a"), {}, restart, done(10), {"candidate_error": 1},
    ],
    # Extra: production's commits decide.
    "extra once production has committed that input": [S("a", of=3), {}, committed(3), {}, committed(4), {"extra": 1}],
    "extra is said once": [S("a", of=3), committed(4), {"extra": 1}, {}, restart, {}],
    "extra without our header waits for the grace": [
        S("a", of=None), committed(10), {}, P("b", time_ms=GRACE_MS), {},
        S("b", time_ms=GRACE_MS), {"extra": 1, "match": 1},
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", BY_KEY.values(), ids=BY_KEY)
def test_by_key(case: Case) -> None:
    rules = [{"path": "near", "atol": 0.5}, {"path": "noise", "ignore": True}]
    play(begun(compare={"match_sample": 1, "rules": rules}), case)


BY_COORDINATE: dict[str, Case] = {
    "one input, whatever the keys": [P("a", of="in/0/3"), S("b", of=3), {"match": 1}],
    "a null key pairs": [P(None, of="in/0/3"), S(None, of=3), {"match": 1}],
    "two inputs": [P("a", of="in/0/3"), S("a", of=4), {}],
    "two outputs of one input": [
        P("a", of="in/0/3/1"), P("b", of="in/0/3"), S("b", of=3), S("a", of=3, k=1), {"match": 2},
    ],
    "production's record without its header": [P("a"), {"unpairable_production": 1}],
    "production's header of another topic": [P("a", of="elsewhere/0/3"), {"unpairable_production": 1}],
    "a candidate record without our header": [S("a", of=None), {"unpairable_shadow": 1}],
    "missing once the candidate is done with that input": [P("a", of="in/0/3"), done(3), {}, done(4), {"missing": 1}],
    "the candidate raised": [P("a", of="in/0/3"), absent(2, "error", count=3), done(5), {"candidate_error": 1}],
    "extra": [S("a", of=3), committed(3), {}, committed(4), {"extra": 1}],
}  # fmt: skip


@pytest.mark.parametrize("case", BY_COORDINATE.values(), ids=BY_COORDINATE)
def test_by_coordinate(case: Case) -> None:
    play(begun(identity={"kind": "coordinate", "header": "origin"}), case)


UNKNOWN_COMMITS: Case = [
    S("a", of=3), committed(10), {},
    # Production's own clock passes the record by the grace: its buffers are held to be flushed.
    P("b", time_ms=GRACE_MS - 1), {}, P("c", time_ms=GRACE_MS), {"extra": 1},
]  # fmt: skip
NO_GROUP: Case = [
    S("a", of=3), P("b", time_ms=2 * GRACE_MS), {},
    S("c", of=4, time_ms=GRACE_MS - 1), {}, S("d", of=5, time_ms=GRACE_MS), {"extra": 1},
]  # fmt: skip


def test_extra_where_production_may_commit_before_it_writes_waits_for_the_grace() -> None:
    play(begun(production={"outputs": ["out"], "group": "prod"}), UNKNOWN_COMMITS)


def test_extra_without_a_group_waits_until_both_sides_have_passed_the_grace() -> None:
    play(begun(production={"outputs": ["out"]}, start="latest"), NO_GROUP)


WARM_BY_GROUP: Case = [
    P("a"), S("a", of=3), {"warm_up": 1},
    P("b"), S("b", of=5), {"match": 1},
    P("c"), done(10), {},  # nobody can tell while E1 is not known
    warm, {"warm_up": 1},
    P("d"), {"missing": 1},
    S("e", of=4), S("f", of=5), committed(10), {"warm_up": 1, "extra": 1},
]  # fmt: skip
WARM_BY_TIME: Case = [
    P("a"), S("a", of=3), {"warm_up": 1},
    P("b", time_ms=500 + GRACE_MS), P("c", time_ms=501 + GRACE_MS), done(10), {"warm_up": 1, "missing": 1},
]  # fmt: skip


def test_warm_up_from_productions_group_ends_at_the_pinned_ends() -> None:
    play(begun({"warm_below": 5}, start="production-group"), WARM_BY_GROUP)


def test_warm_up_without_a_group_ends_by_event_time_and_grace() -> None:
    play(begun({"warm_below": 5, "floor_ms": 500}, production={"outputs": ["out"]}, start="latest"), WARM_BY_TIME)


def test_an_output_that_names_a_warm_up_input_is_warm_up_however_late_production_writes_it() -> None:
    identity = {"kind": "coordinate", "header": "origin"}
    world = begun({"warm_below": 5}, start="production-group", identity=identity)
    play(world, [warm, P("a", of="in/0/4"), P("b", of="in/0/5"), done(10), {"warm_up": 1, "missing": 1}])


def test_without_warm_up_every_pair_counts_from_the_first_input_on() -> None:
    play(begun(), [P("a"), S("a", of=0), P("b"), done(10), {"match": 1, "missing": 1}])


# ---------------------------------------------------------------- what a diff row says


def row(case: Case, **settings: Any) -> dict[str, Any]:
    """The only diff row of a case."""
    world = begun(**settings)
    play(world, case)
    (only,) = world.diff
    return only


def test_the_row_of_a_mismatch_names_both_records_the_input_and_what_differs() -> None:
    said = row([P("a", '{"n": 1}', 1_700), S("a", '{"n": 3}', of=7, time_ms=1_600), {"mismatch": 1}])
    assert said["pair_id"] == "out/0/0"
    assert (said["production"]["offset"], said["shadow"]["topic"]) == (0, "shadow.t.out.out")
    assert (said["input"], said["key"], said["time_ms"], said["late"]) == ("in/0/7/0", b"a", 1_700, False)
    (difference,) = said["differences"]
    assert (difference["path"], difference["production"], difference["shadow"]) == ("n", "1", "3")


def test_the_row_of_an_extra_bears_the_shadow_records_own_coordinate() -> None:
    said = row([S("a", of=3), committed(10), {"extra": 1}])
    assert (said["pair_id"], said["production"]) == ("shadow.t.out.out/0/0", None)


def test_the_row_of_a_candidate_error_says_why() -> None:
    said = row([P("a"), absent(0, "timeout", "a"), done(10), {"candidate_error": 1}])
    assert (said["outcome"], said["reason"], said["shadow"]) == ("candidate_error", "timeout", None)


def test_plain_matches_are_shown_only_as_a_sample() -> None:
    world = begun(compare={"match_sample": 0})
    play(world, [P("a"), S("a"), P("b", "1"), S("b", "2"), {"match": 1, "mismatch": 1}])
    assert [said["outcome"] for said in world.diff] == ["mismatch"]


def test_outcomes_count_in_the_window_of_productions_record_an_extra_in_that_of_its_own() -> None:
    world = begun()
    play(world, [P("a", time_ms=1_999), S("a", time_ms=2_000), S("b", of=3, time_ms=5_001), committed(10),
                 {"match": 1, "extra": 1}])  # fmt: skip
    windows = {w["start_ms"]: w["outcomes"] for s in world.stats for w in s["windows"]}
    assert windows == {1 * WINDOW_MS: {"match": 1}, 5 * WINDOW_MS: {"extra": 1}}
