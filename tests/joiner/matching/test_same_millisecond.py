"""Records of one key and one millisecond under `occurrence`: what agrees meets first."""

from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shadowstream.joiner.matching.matches import Decision, Pair, Unmatched
from shadowstream.joiner.matching.same_millisecond import TIED_MAX, untied
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.records import Side
from tests.joiner.outcome_cases import Case, P, Parts, S, begun, committed, done, each, play

LATER = 100_000
BOTH_DONE = done(10), committed(10), P("z", "0", LATER), S("z", "0", of=9, time_ms=LATER)
OCCURRENCE = {"kind": "occurrence", "tolerance_ms": 10}

CASES: dict[str, Case] = {
    "two of one time, in the other order": [
        P("k", "1", 5), P("k", "2", 5), S("k", "2", time_ms=5), S("k", "1", of=1, time_ms=5), *BOTH_DONE, {"match": 2},
    ],
    "values that agree by meaning": [
        P("k", '{"a": 1, "b": 2}', 5), P("k", "[2]", 5), S("k", "[ 2]", time_ms=5),
        S("k", '{"b":2,"a":1}', of=1, time_ms=5), *BOTH_DONE, {"match": 2},
    ],
    "the one that is missing is the one that nothing agrees with": [
        P("k", "1", 5), P("k", "2", 5), S("k", "2", time_ms=5), *BOTH_DONE, {"match": 1, "missing": 1},
    ],
    "and the one that is extra": [
        P("k", "2", 5), S("k", "1", time_ms=5), S("k", "2", of=1, time_ms=5), *BOTH_DONE, {"match": 1, "extra": 1},
    ],
    "of one time on one side only": [
        P("k", "1", 5), P("k", "2", 5), S("k", "2", time_ms=5), S("k", "1", of=1, time_ms=6), *BOTH_DONE, {"match": 2},
    ],
    "another time keeps the order": [
        P("k", "1", 5), P("k", "2", 6), S("k", "2", time_ms=5), S("k", "1", of=1, time_ms=6), *BOTH_DONE,
        {"mismatch": 2},
    ],
    "another key is another record": [
        P("k", "1", 5), P("j", "2", 5), S("k", "2", time_ms=5), S("j", "1", of=1, time_ms=5), *BOTH_DONE,
        {"mismatch": 2},
    ],
    "what agrees with nothing meets what is left": [
        P("k", "1", 5), P("k", "2", 5), P("k", "3", 5),
        S("k", "3", time_ms=5), S("k", "9", of=1, time_ms=5), S("k", "1", of=2, time_ms=5), *BOTH_DONE,
        {"match": 2, "mismatch": 1},
    ],
}  # fmt: skip
PARTS: Parts = {
    "exact": ({}, CASES),
    "rules": ({"compare": {"rules": [{"path": "n", "atol": 0.1}]}}, {"a tolerance is an agreement": [
        P("k", '{"n": 1.0}', 5), P("k", '{"n": 2.0}', 5),
        S("k", '{"n": 2.01}', time_ms=5), S("k", '{"n": 1.01}', of=1, time_ms=5), *BOTH_DONE, {"tolerated": 2},
    ]}),
}  # fmt: skip


@each(PARTS)
def test_of_one_time_those_meet_that_agree(settings: dict[str, Any], case: Case) -> None:
    play(begun(identity=OCCURRENCE, **settings), case)


def pairs(left: Iterable[PendingRecord], right: Iterable[PendingRecord]) -> list[Decision]:
    return [Pair(one, other, None, False, b"k") for one, other in zip(left, right, strict=True)]


def valued(values: Iterable[int]) -> list[PendingRecord]:
    """Records of one time."""
    return [PendingRecord(n, 5, b"%d" % value, b"k") for n, value in enumerate(values)]


def equal(left: list[PendingRecord], right: list[PendingRecord]) -> list[bool]:
    return [one.value == other.value for one, other in zip(left, right, strict=True)]


_rows = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([b"a", b"b", b"c"])), max_size=7)


@given(_rows, _rows, st.data())
def test_nothing_is_lost_and_no_fewer_agree(
    left: list[tuple[int, bytes]], right: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    rows = [
        [PendingRecord(n, time_ms, value, b"k") for n, (time_ms, value) in enumerate(sorted(one))]
        for one in (left, right)
    ]
    paired = data.draw(st.integers(0, min(map(len, rows))))
    before = pairs(*(one[:paired] for one in rows))
    before += [
        Unmatched(side, row, b"k")
        for side, one in zip((Side.PRODUCTION, Side.SHADOW), rows, strict=True)
        for row in one[paired:]
    ]
    after = untied(list(before), equal)

    def times(decisions: list[Decision]) -> list[object]:
        return [
            (one.production.time_ms, one.shadow.time_ms) if isinstance(one, Pair) else (one.side, one.row.time_ms)
            for one in decisions
            if isinstance(one, Pair | Unmatched)
        ]

    def all_rows(decisions: list[Decision]) -> list[tuple[Side, int]]:
        paired = [one for one in decisions if isinstance(one, Pair)]
        unmatched = [(one.side, one.row.offset) for one in decisions if isinstance(one, Unmatched)]
        production = [(Side.PRODUCTION, one.production.offset) for one in paired]
        return sorted([*unmatched, *production, *((Side.SHADOW, one.shadow.offset) for one in paired)])

    def agreeing(decisions: list[Decision]) -> int:
        return sum(isinstance(one, Pair) and one.production.value == one.shadow.value for one in decisions)

    assert times(after) == times(before)
    assert all_rows(after) == all_rows(before)
    assert agreeing(after) >= agreeing(before)
    assert untied(list(after), equal) == after


def test_as_many_as_possible_of_one_time_agree() -> None:
    decisions = untied(pairs(valued([1, 2, 3, 4]), valued([4, 3, 2, 1])), equal)
    assert all(
        isinstance(one, Pair) and one.ambiguous and one.production.value == one.shadow.value for one in decisions
    )


def test_very_many_of_one_time_meet_by_bytes_only() -> None:
    n = int(TIED_MAX**0.5) + 1

    def never_many(one: list[PendingRecord], other: list[PendingRecord]) -> list[bool]:
        assert len(one) <= n
        return equal(one, other)

    decisions = untied(pairs(valued(range(n)), valued(range(n)[::-1])), never_many)
    assert all(isinstance(one, Pair) and one.production.value == one.shadow.value for one in decisions)
