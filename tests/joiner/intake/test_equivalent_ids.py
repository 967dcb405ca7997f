"""Ids that mean the same in other bytes: a pair where both would be left alone, and never against the bytes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.joiner.intake.equivalent_ids import JSON_BYTES_MAX, equal_form
from tests.joiner.outcome_cases import Case, P, Parts, S, T, begun, committed, done, each, play, restart

BOTH_DONE = done(10), committed(10)
ONE, TWO = "\x00\x00\x00\x00\x01\x04ab", "\x00\x00\x00\x00\x02\x04ab"

BY_KEY: dict[str, Case] = {
    "two schema ids of one key": [P(ONE), S(TWO), {}, *BOTH_DONE, {"match": 1}],
    "and values that differ": [P(ONE, "1"), S(TWO, "2"), *BOTH_DONE, {"mismatch": 1}],
    "spacing and order of JSON": [P('{"a": 1, "b": 2}'), S('{"b":2,"a":1}'), *BOTH_DONE, {"match": 1}],
    "spacing of a JSON array": [P("[1, 2]"), S("[1,2]"), *BOTH_DONE, {"match": 1}],
    "the bytes decide first": [
        P(ONE, "1"), P(TWO, "2"), S(TWO, "2"), S(ONE, "1", of=1), {"match": 2}, *BOTH_DONE, {},
    ],
    "what has its own partner is no other's": [
        P(ONE, "1"), S(TWO, "2"), P(TWO, "2"), {"match": 1}, *BOTH_DONE, {"missing": 1},
    ],
    "production is said missing first": [
        P(ONE), S(TWO), done(10), {"missing": 1}, restart, committed(10), {}, {"missing": -1, "match": 1},
    ],
    "the candidate's is said extra first": [
        S(TWO), committed(10), {"extra": 1}, P(ONE), done(10), {}, {"extra": -1, "match": 1},
    ],
    "several of one meaning meet in order": [
        P(ONE, "1"), P(TWO, "2"), S("\x00\x00\x00\x00\x03\x04ab", "1"), S("\x00\x00\x00\x00\x04\x04ab", "2", of=1),
        *BOTH_DONE, {"match": 2},
    ],
    "another payload is another key": [P(ONE), S("\x00\x00\x00\x00\x02\x04ac"), *BOTH_DONE, {"missing": 1, "extra": 1}],
    "capitals are another key": [P("a"), S("A"), *BOTH_DONE, {"missing": 1, "extra": 1}],
    "another number is another key": [P('{"a": 1}'), S('{"a": 2}'), *BOTH_DONE, {"missing": 1, "extra": 1}],
    "a number is no text": [P('{"a": 1}'), S('{"a": "1"}'), *BOTH_DONE, {"missing": 1, "extra": 1}],
    "JSON under two ids of its JSON Schema": [
        P('\x00\x00\x00\x00\x01{"a": 1, "b": 2}'), S('\x00\x00\x00\x00\x02{"b":2,"a":1}'), *BOTH_DONE, {"match": 1},
    ],
    "framed JSON and JSON": [P('\x00\x00\x00\x00\x01{"a": 1}'), S('{"a":1}'), *BOTH_DONE, {"match": 1}],
    "a Protobuf message under two schema ids": [
        P("\x00\x00\x00\x00\x01\x00\x08\x07"), S("\x00\x00\x00\x01\x05\x00\x08\x07"), *BOTH_DONE, {"match": 1},
    ],
    "another Protobuf message": [
        P("\x00\x00\x00\x00\x01\x00\x08\x07"), S("\x00\x00\x00\x00\x02\x02\x02\x08\x07"), *BOTH_DONE,
        {"missing": 1, "extra": 1},
    ],
    "small numbers in eight bytes are no frames": [
        P("\x00\x00\x00\x00\x00\x00\x00\x11"), S("\x00\x00\x00\x00\x01\x00\x00\x11"), *BOTH_DONE,
        {"missing": 1, "extra": 1},
    ],
    "a fraction is no object that looks like it": [
        P('{"a": 0.5}'), S('{"a": {"fraction": "0.5"}}'), *BOTH_DONE, {"missing": 1, "extra": 1},
    ],
    "nor a text of its digits": [P('{"a": 0.5}'), S('{"a": "0.5"}'), *BOTH_DONE, {"missing": 1, "extra": 1}],
    "digits of an integer beyond 2⁵³": [
        P("[9007199254740993]"), S("[ 9007199254740992]"), *BOTH_DONE, {"missing": 1, "extra": 1},
    ],
    "true is not 1": [P("[true]"), S("[1]"), *BOTH_DONE, {"missing": 1, "extra": 1}],
    "a name that comes twice": [P('{"a": 1, "a": 2}'), S('{"a":2}'), *BOTH_DONE, {"missing": 1, "extra": 1}],
    "no JSON after all": [P("{a}"), S("{ a}"), *BOTH_DONE, {"missing": 1, "extra": 1}],
}  # fmt: skip
PARTS: Parts = {
    "key": ({}, BY_KEY),
    "id in a header": ({"identity": {"kind": "id", "header": "order"}}, {
        "spacing of JSON": [P("a", order='{"n": 1}'), S("b", order='{"n":1}'), *BOTH_DONE, {"match": 1}],
    }),
    "twin": ({"twin": {"topic": "twin", "group": "tg", "commits": "after_output"}}, {
        "it stays beside production": [
            P(ONE), T(ONE), S(TWO), *BOTH_DONE, {"match": 1, "twin_match": 1, "joint_neither": 1},
        ],
    }),
}  # fmt: skip


@each(PARTS)
def test_ids_that_mean_the_same_pair(settings: dict[str, Any], case: Case) -> None:
    play(begun(**settings), case)


@pytest.mark.parametrize(
    ("one", "other"), [(ONE, TWO), ('{"a": 1, "b": 2}', '{"b":2,"a":1}'), ('\x00\x00\x00\x00\x01{"a": 1}', '{"a":1}')]
)
@pytest.mark.parametrize("late", [False, True])
def test_where_bytes_decide_nothing_else_does(one: str, other: str, late: bool) -> None:
    world = begun(identity={"kind": "key", "equal_ids": "bytes"})
    if late:
        play(world, [P(one), done(10), {"missing": 1}, S(other), committed(10), {"extra": 1}])
    else:
        play(world, [P(one), S(other), *BOTH_DONE, {"missing": 1, "extra": 1}])


def test_single_objects_of_two_fingerprints() -> None:
    one, other = (b"\xc3\x01" + bytes([n]) * 8 + b"\x04ab" for n in (1, 2))
    assert equal_form(one) == equal_form(other)
    assert equal_form(one) != equal_form(other + b"c")


@given(st.binary(max_size=40))
def test_any_bytes_have_a_meaning_or_none(id_: bytes) -> None:
    equal_form(id_)


@pytest.mark.parametrize(
    "id_",
    [b"", b"a", b"\x00", b"\x00\x00\x00\x00\x01", b"{" * 9_000, b"[" + b" " * JSON_BYTES_MAX + b"]", (0, 0, 3, 0)],
)
def test_these_mean_nothing_beside_their_bytes(id_: object) -> None:
    assert equal_form(id_) is None
