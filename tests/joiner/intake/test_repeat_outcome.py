"""Repeats and tombstones as rows of the outcome table (test_outcome_table.py), and what a row of diff says of them."""

from typing import Any

import pytest

from shadowstream.judge.coverage.coverage import coverage
from tests.joiner.outcome_cases import GRACE_MS, Case, P, Parts, S, T, begun, committed, done, each, play, restart

BY_KEY: dict[str, Case] = {
    "a key that is not unique: what comes after the first is never compared": [
        P("a", "1"), P("a", "2"), S("a", "1", of=0), S("a", "9", of=1),
        {"match": 1, "repeated_production": 1, "repeated_shadow": 1},
    ],
    "the same value for another input is no re-delivery": [
        S("a", of=3), S("a", of=4), {"repeated_shadow": 1}, P("a"), {"match": 1},
    ],
    "the same value as another output of one input is none either": [
        S("a", of=3), S("a", of=3, k=1), {"repeated_shadow": 1}, P("a"), {"match": 1},
    ],
    "a re-delivery that bears another time of writing": [
        P("a", '{"at": 1}'), P("a", '{"at": 2}'), {"repeated_production": 1}, S("a", '{"at": 1}'), {"match": 1},
    ],
    "production was set back over two values of one key": [
        P("a", "1"), P("a", "2"), P("a", "1"), P("a", "2"), {"repeated_production": 1, "duplicate_production": 2},
    ],
    "a repeat after a restart, with another value and with the same": [
        P("a", "1"), S("a", "1", of=0), {"match": 1}, restart, P("a", "2"), P("a", "1"), S("a", "2", of=1),
        {"repeated_production": 1, "duplicate_production": 1, "repeated_shadow": 1},
    ],
    # Tombstones after values.
    "a tombstone after a value is an output of its own": [
        P("a"), P("a", None), S("a"), S("a", None, of=1), {"match": 2},
    ],
    "it meets the candidate's, whoever is first": [
        S("a"), S("a", None, of=1), P("a"), {"match": 1}, restart, P("a", None), {"match": 1},
    ],
    "the candidate does not delete": [P("a"), P("a", None), S("a"), {"match": 1}, done(10), {"missing": 1}],
    "the candidate deletes too much": [S("a"), S("a", None), P("a"), {"match": 1}, committed(10), {"extra": 1}],
    "the candidate writes a value instead": [
        P("a"), P("a", None), S("a"), S("a", "2", of=1), {"match": 1, "repeated_shadow": 1}, done(10), {"missing": 1},
    ],
    "it waits, and waits again after a restart": [
        P("a"), P("a", None), S("a"), {"match": 1}, restart, {}, restart, S("a", None, of=1), {"match": 1},
    ],
    "a tombstone twice is a re-delivery": [
        P("a"), P("a", None), P("a", None), {"duplicate_production": 1}, S("a"), S("a", None, of=1), {"match": 2},
    ],
    "so it is of another input, on both sides": [
        *(P("a", value) for value in ("1", None, "2", None)),
        *(S("a", value, of=n) for n, value in enumerate(("1", None, "2", None))),
        {"match": 2, "repeated_production": 1, "repeated_shadow": 1, "duplicate_production": 1, "duplicate_shadow": 1},
    ],
    "after the tombstone the key with another value": [
        P("a", "1"), P("a", None), P("a", "2"), S("a", "1"), S("a", None, of=1), S("a", "2", of=2),
        {"match": 2, "repeated_production": 1, "repeated_shadow": 1},
    ],
}  # fmt: skip
BY_COORDINATE: dict[str, Case] = {
    "one input twice with another value": [
        P("a", "1", of="in/0/3"), P("a", "2", of="in/0/3"), P("a", "1", of="in/0/3"), S("a", "1", of=3),
        {"match": 1, "repeated_production": 1, "duplicate_production": 1},
    ],
    "a tombstone of the same input and output is a repeat": [
        P("a", of="in/0/3"), P("a", None, of="in/0/3"), S("a", of=3), {"match": 1, "repeated_production": 1},
    ],
    "another output of the input is none": [
        P("a", "1", of="in/0/3/0"), P("a", None, of="in/0/3/1"), S("a", "1", of=3), S("a", None, of=3, k=1),
        {"match": 2},
    ],
}  # fmt: skip
BY_HEADER: dict[str, Case] = {
    "the same id with another value": [P("a", "1", order="17"), P("b", "2", order="17"), {"repeated_production": 1}],
    "a tombstone of the same id": [
        P("a", order="17"), P("a", None, order="17"), S("a", order="17"), S("a", None, of=1, order="17"), {"match": 2},
    ],
}  # fmt: skip
BY_PATH: dict[str, Case] = {
    "the same id with another value": [
        P("a", '{"id": 17, "n": 1}'), P("a", '{"id": 17, "n": 2}'), {"repeated_production": 1},
    ],
}  # fmt: skip
BY_OCCURRENCE: dict[str, Case] = {
    "only the candidate can repeat itself": [
        done(10), committed(10), S("a", "1", of=3), S("a", "2", of=3), {"repeated_shadow": 1}, P("a", "1"),
        P("b", time_ms=9 * GRACE_MS), S("b", of=9, time_ms=9 * GRACE_MS), {"match": 1},
    ],
}  # fmt: skip
WITH_A_TWIN: dict[str, Case] = {
    "the twin's key again with another value": [T("a", "1"), T("a", "2"), {"repeated_twin": 1}],
    "a repeat of production's says nothing of the twin": [
        P("a", "1"), S("a", "1"), T("a", "1"), {"match": 1, "twin_match": 1, "joint_neither": 1},
        P("a", "2"), S("a", "3", of=1), T("a", "4"),
        {"repeated_production": 1, "repeated_shadow": 1, "repeated_twin": 1},
    ],
    "a tombstone after a value on all three sides": [
        P("a"), S("a"), T("a"), P("a", None), T("a", None), S("a", None, of=1),
        {"match": 2, "twin_match": 2, "joint_neither": 2},
    ],
}  # fmt: skip
PARTS: Parts = {
    "key": ({}, BY_KEY),
    "coordinate": ({"identity": {"kind": "coordinate", "header": "origin"}}, BY_COORDINATE),
    "id in a header": ({"identity": {"kind": "id", "header": "order"}}, BY_HEADER),
    "id at a path": ({"identity": {"kind": "id", "path": "id"}}, BY_PATH),
    "occurrence": ({"identity": {"kind": "occurrence", "tolerance_ms": 100}}, BY_OCCURRENCE),
    "twin": ({"twin": {"topic": "twin", "group": "tg", "commits": "after_output"}}, WITH_A_TWIN),
}


@each(PARTS)
def test_a_repeat_ends_as_the_table_says(settings: dict[str, Any], case: Case) -> None:
    play(begun(**settings), case)


IDENTITIES: list[tuple[dict[str, Any], dict[str, str], str]] = [
    ({"kind": "key"}, {}, "its key came before with another value or input"),
    ({"kind": "id", "header": "order"}, {"order": "7"}, "its id came before with another value or input"),
    ({"kind": "coordinate", "header": "origin"}, {"of": "in/0/3"},
     "this output of its input came before with another value"),
]  # fmt: skip


@pytest.mark.parametrize(("identity", "headers", "reason"), IDENTITIES, ids=[one[0]["kind"] for one in IDENTITIES])
def test_the_row_of_a_repeat_says_why_it_was_not_compared(
    identity: dict[str, Any], headers: dict[str, str], reason: str
) -> None:
    world = begun(identity=identity)
    for value in ("1", "2", "2"):
        P("a", value, **headers)(world)
    world.turn()
    rows = world.last_words()
    assert {(row["outcome"], row["reason"]) for row in rows.values()} == {
        ("repeated_production", reason), ("duplicate_production", None),
    }  # fmt: skip


def test_a_customer_as_key_leaves_three_quarters_of_the_records_uncompared() -> None:
    world = begun()
    for n in range(400):
        P(f"customer-{n % 102}", f"{n}")(world)
        S(f"customer-{n % 102}", f"{n}" if n < 102 else "77", of=n)(world)
    world.turn()
    outcomes = world.outcomes()
    assert outcomes == {"match": 102, "repeated_production": 298, "repeated_shadow": 298}
    assert (coverage(outcomes) or 0) < 0.5
