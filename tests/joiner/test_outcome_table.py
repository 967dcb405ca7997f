"""The outcome table as a specification: messages in, expected outcomes out. docs/pairing.md says it in prose.
Warm-up stands in test_warm_up.py, revisions in test_revisions.py, what a row of diff says in test_diff_rows.py.

Each case is a history. P is a record that production writes, S one of the candidate, T one of the twin; a dict is what
the joiner has said since the dict before it, after it has read everything and committed. The world has ten inputs
(offsets 0 to 9) and is unbounded unless a case says otherwise; time is event time in ms, the grace GRACE_MS.
``done(o)``: the candidate is done with the inputs below o. ``committed(o)``: production is, by its group's commits.
"""

from typing import Any

import pytest

from shadowstream.records import Side
from tests.joiner.outcome_cases import (
    GRACE_MS,
    Case,
    P,
    Parts,
    S,
    T,
    absent,
    begun,
    committed,
    deleted,
    done,
    each,
    freeze,
    inputs,
    land,
    play,
    restart,
    twin_committed,
)

BY_KEY: dict[str, Case] = {
    "both sides agree": [P("a"), S("a"), {"match": 1}],
    "agreement is of values and not of bytes": [P("a", '{"n": 1}'), S("a", '{"n":1}'), {"match": 1}],
    "values differ": [P("a", '{"n": 1}'), S("a", '{"n": 2}'), {"mismatch": 1}],
    "a difference within the tolerance": [P("a", '{"near": 1.0}'), S("a", '{"near": 1.4}'), {"tolerated": 1}],
    "a difference beyond the tolerance": [P("a", '{"near": 1.0}'), S("a", '{"near": 1.6}'), {"mismatch": 1}],
    "only an ignored path differs": [P("a", '{"noise": 1}'), S("a", '{"noise": 2}'), {"ignored": 1}],
    "the candidate comes first": [S("a"), {}, P("a"), {"match": 1}],
    "the candidate's record is 3 ms older than production's": [
        S("a", time_ms=997), {}, P("a", time_ms=1_000), {"match": 1},
    ],
    "the candidate's record is 8 s younger, windows are 1 s": [P("a"), {}, S("a", time_ms=8_000), {"match": 1}],
    "the candidate comes a day later": [P("a"), {}, S("a", time_ms=86_400_000), {"match": 1}],
    "one key again after its pair, within the span": [
        P("a"), S("a"), {"match": 1}, P("a"), S("a"), {"duplicate_production": 1, "duplicate_shadow": 1},
    ],
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
    "the candidate took too long": [P("a"), absent(0, "timeout", "a"), done(10), {"timeout": 1}],
    "the input could not be decoded": [P("a"), absent(0, "undecodable", "a"), done(10), {"undecodable_input": 1}],
    "the sample does not hold the input": [P("a"), absent(0, "sampled_out", "a"), done(10), {"sampled_out": 1}],
    "the input is excluded": [P("a"), absent(0, "filtered", "a"), done(10), {"filtered": 1}],
    "a cause that this release does not know": [P("a"), absent(0, "later", "a"), done(10), {"candidate_error": 1}],
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
    "extra without header: production is done": [S("a", of=None), {}, committed(9), {}, committed(10), {"extra": 1}],
    "no time makes it extra": [
        S("a", of=None), P("b", time_ms=9 * GRACE_MS), S("b", time_ms=9 * GRACE_MS), {"match": 1}, P("a"), {"match": 1},
    ],
    "what the candidate writes after the inputs grew waits": [
        S("a", of=None), committed(10), {"extra": 1}, inputs(5), S("b", of=None), {}, committed(15), {"extra": 1},
    ],
}  # fmt: skip
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
WITHIN_A_SPAN_OF_TWO: dict[str, Case] = {
    "one key used twice, beyond the dedupe span": [
        P("a", "1"), S("a", "1"), P("x"), P("y"), S("x"), S("y"), P("a", "2"), S("a", "2"), {"match": 4},
    ],
    "one key used twice, beyond the span, the candidate a day behind": [
        P("a", "1"), P("x"), P("y"), P("a", "2"), {}, S("a", "1"), S("x"), S("y"), S("a", "2"), {"match": 4},
    ],
    "the same record again, at the end of the span": [
        P("a"), P("x"), P("a"), {"duplicate_production": 1}, S("a"), S("x"), S("a"),
        {"match": 2, "duplicate_shadow": 1},
    ],
    "the same record again after a restart": [
        P("a"), S("a"), {"match": 1}, restart, P("a"), S("a"), {"duplicate_production": 1, "duplicate_shadow": 1},
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", WITHIN_A_SPAN_OF_TWO.values(), ids=WITHIN_A_SPAN_OF_TWO)
def test_by_key_within_a_dedupe_span_of_two_offsets(case: Case) -> None:
    play(begun(identity={"kind": "key", "dedupe_span": 2}), case)


# ---------------------------------------------------------------- corrections

CORRECTIONS: dict[str, Case] = {
    # The value of what was said is read again: a commit wants it, the next one says what became of the pair.
    "the candidate's record after missing was said": [
        P("a"), done(10), {"missing": 1}, S("a"), committed(10), {}, {"missing": -1, "match": 1},
    ],
    "it differs": [
        P("a", "1"), done(10), {"missing": 1}, S("a", "2"), committed(10), {}, {"missing": -1, "mismatch": 1},
    ],
    "production's record after extra was said": [
        S("a"), committed(10), {"extra": 1}, P("a"), done(10), {}, {"extra": -1, "match": 1},
    ],
    "the source record is gone": [
        P("a"), done(10), {"missing": 1}, S("a"), committed(10), deleted(Side.PRODUCTION, 0), {},
        {"missing": -1, "evicted": 1},
    ],
    "a third record finds nothing left to correct": [
        P("a"), done(10), {"missing": 1}, S("a", k=0), committed(10), {}, {"missing": -1, "match": 1},
        S("a", k=0), {"duplicate_shadow": 1},
    ],
    "what was said is known after a restart": [
        P("a"), done(10), {"missing": 1}, restart, S("a"), committed(10), {}, {"missing": -1, "match": 1},
    ],
}  # fmt: skip

# ---------------------------------------------------------------- ids

BOTH_DONE = done(10), committed(10)
BY_HEADER: dict[str, Case] = {
    "the same id under other keys": [P("a", order="17"), S("b", order="17"), {"match": 1}],
    "another id under the same key": [P("a", order="17"), S("a", order="18"), {}],
    "no header": [P("a"), S("a"), {"unpairable_production": 1, "unpairable_shadow": 1}],
    "the same id again": [P("a", order="17"), P("b", order="17"), {"duplicate_production": 1}],
    "the value plays no part": [P("a", "\xff", order="17"), S("a", order="17"), {"undecodable_production": 1}],
    "missing and extra": [P("a", order="17"), S("a", order="18"), *BOTH_DONE, {"missing": 1, "extra": 1}],
    "corrected": [
        P("a", order="17"), done(10), {"missing": 1}, restart, S("b", order="17"), committed(10), {},
        {"missing": -1, "match": 1},
    ],
}  # fmt: skip
BY_PATH: dict[str, Case] = {
    "the same id under other keys": [P("a", '{"id": 17}'), S("b", '{"id": 17}'), {"match": 1}],
    "other fields differ": [P("a", '{"id": 17, "n": 1}'), S("a", '{"id": 17, "n": 2}'), {"mismatch": 1}],
    "no such field, or a tombstone, which has none": [
        P("a", '{"n": 1}'), S("a", None), {"unpairable_production": 1, "unpairable_shadow": 1},
    ],
    "undecodable: without its value it has no id": [
        P("a", "\xff"), S("a", "\xff"), {"undecodable_production": 1}, committed(10), {"evicted": 1},
    ],
}  # fmt: skip

# ---------------------------------------------------------------- occurrence

TOLERANCE_MS = 100
FAR_MS = 10 * GRACE_MS


def both(time_ms: int) -> Case:
    """Both sides have gone on to this event time: what lies before it by tolerance and grace is decided."""
    return [P("later", time_ms=time_ms), S("later", time_ms=time_ms, of=9)]


BY_OCCURRENCE: dict[str, Case] = {
    "nothing is decided on arrival": [P("a"), S("a"), {}],
    "marks decide nothing here": [P("a"), done(10), committed(10), {}],
    "decided once both sides have passed it": [
        P("a"), S("a"), P("later", time_ms=FAR_MS), {}, S("later", time_ms=FAR_MS, of=9), {"match": 1},
    ],
    "one key twice is two pairs": [
        P("a", "1", 0), P("a", "2", 50), S("a", "1", 0, 0), S("a", "2", 1, 50), *both(FAR_MS), {"match": 2},
    ],
    "a lost one does not shift the others": [
        P("a", "1", 0), P("a", "2", 50), S("a", "2", 1, 50), *both(FAR_MS), {"missing": 1, "match": 1},
    ],
    "at the tolerance": [P("a", time_ms=TOLERANCE_MS), S("a"), *both(FAR_MS), {"match": 1}],
    "beyond the tolerance": [P("a", time_ms=TOLERANCE_MS + 1), S("a"), *both(FAR_MS), {"missing": 1, "extra": 1}],
    "the candidate's record of one input twice": [
        S("a", of=3), S("a", of=3), {"duplicate_shadow": 1}, P("a"), *both(FAR_MS), {"match": 1},
    ],
    "production's repeat looks like another record": [
        P("a"), P("a"), S("a"), *both(FAR_MS), {"match": 1, "missing": 1},
    ],
    "a null key": [P(None), S(None), {"unpairable_production": 1, "unpairable_shadow": 1}],
    "a late one corrects the nearest within the tolerance": [
        P("a", "1", 0), P("a", "2", 150), *both(FAR_MS), {"missing": 2},
        S("a", "2", 1, 150), {}, {"missing": -1, "match": 1},
    ],
}  # fmt: skip

# ---------------------------------------------------------------- outputs: many

MANY_BY_KEY: dict[str, Case] = {
    "both sides must be done with the input": [
        P("a", "1"), P("a", "2"), S("a", "2"), S("a", "1", k=1), {}, done(10), {}, committed(10), {"match": 2},
    ],
    "n outputs against m": [P("a", "1"), P("a", "2"), S("a"), done(10), committed(10), {"cardinality": 1}],
    "n outputs against none": [P("a", "1"), P("a", "2"), done(10), {"missing": 2}],
    "none against m": [S("a"), S("a", k=1), committed(10), {"extra": 2}],
    "equal values are no duplicates": [
        P("a", "1"), P("a", "1"), S("a", "1"), S("a", "1", k=1), done(10), committed(10), {"match": 2},
    ],
    "the candidate's same output again is one": [
        P("a"), S("a"), S("a"), {"duplicate_shadow": 1}, done(10), committed(10), {"match": 1},
    ],
}  # fmt: skip
MANY_BY_COORDINATE: dict[str, Case] = {
    "outputs of one input, numbered in another order": [
        P("a", "1", of="in/0/3/0"), P("b", "2", of="in/0/3/1"), S("b", "2", of=3), S("a", "1", of=3, k=1),
        done(4), committed(4), {"match": 2},
    ],
    "only that input needs to be done": [
        P("a", of="in/0/3"), S("a", of=3), committed(4), done(3), {}, done(4), {"match": 1},
    ],
}  # fmt: skip

# ---------------------------------------------------------------- the twin: a second run of production

TWIN = {"topic": "twin", "group": "tg", "commits": "after_output"}
WITH_A_TWIN: dict[str, Case] = {
    "decided once for all three": [P("a"), S("a"), {}, T("a"), {"match": 1, "twin_match": 1, "joint_neither": 1}],
    "the candidate differs": [
        T("a", "1"), P("a", "1"), S("a", "2"), {"mismatch": 1, "twin_match": 1, "joint_shadow": 1},
    ],
    "the twin differs": [P("a", "1"), T("a", "2"), S("a", "1"), {"match": 1, "twin_mismatch": 1, "joint_twin": 1}],
    "both differ": [P("a", "1"), T("a", "2"), S("a", "2"), {"mismatch": 1, "twin_mismatch": 1, "joint_both": 1}],
    "the twin has nothing": [
        P("a"), S("a"), twin_committed(9), {}, twin_committed(10), {"match": 1, "twin_missing": 1, "joint_twin": 1},
    ],
    "neither has anything": [
        P("a"), done(10), {}, twin_committed(10), {"missing": 1, "twin_missing": 1, "joint_both": 1},
    ],
    "the candidate has nothing": [P("a"), T("a"), done(10), {"missing": 1, "twin_match": 1, "joint_shadow": 1}],
    "the twin's record again": [T("a"), T("a"), {"duplicate_twin": 1}],
    "only the twin has it": [
        T("a"), committed(10), *(one("b", time_ms=GRACE_MS) for one in (P, S, T)),
        {"match": 1, "twin_match": 1, "joint_neither": 1, "twin_extra": 1},
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", WITH_A_TWIN.values(), ids=WITH_A_TWIN)
def test_with_a_twin(case: Case) -> None:
    play(begun(twin=TWIN), case)


# ---------------------------------------------------------------- a candidate that is a job of its own

ADOPTED = {"topic": "theirs", "group": "cg", "version": "1"}
ADOPTED_AFTER_OUTPUT: dict[str, Case] = {
    "a pair": [P("a"), S("a", of=None), {"match": 1}],
    "missing by its group's commits": [P("a"), {}, done(9), {}, done(10), {"missing": 1}],
    "extra by production's commits": [S("a", of=None), {}, committed(9), {}, committed(10), {"extra": 1}],
}  # fmt: skip
ADOPTED_UNKNOWN: dict[str, Case] = {
    "missing waits for the grace": [
        P("a"), done(10), {},
        S("b", of=None, time_ms=GRACE_MS - 1), {}, S("c", of=None, time_ms=GRACE_MS), {"missing": 1},
    ],
}  # fmt: skip

# ---------------------------------------------------------------- production that replays

REPLAYS: dict[str, Case] = {
    "a repeat that names its input": [
        P("a", of="in/0/3"), S("a", of=3), committed(5), {"match": 1},
        committed(2), {}, P("a", of="in/0/3"), done(10), {"duplicate_production": 1},
    ],
    "a new output in the midst of the repeats": [
        P("a", of="in/0/3"), S("a", of=3), committed(5), {"match": 1},
        committed(2), {}, P("b", of="in/0/5"), done(10), {"missing": 1},
    ],
    "what is written after the old offset was reached again": [
        P("a", of="in/0/3"), S("a", of=3), committed(5), {"match": 1}, committed(2), {}, committed(5), {},
        P("b", of="in/0/4"), done(10), {"missing": 1},
    ],
}  # fmt: skip
UNNAMED_REPLAYS: dict[str, Case] = {
    "of a repeat that does not name its input nobody can tell": [
        P("a"), S("a"), committed(5), {"match": 1}, committed(2), {}, P("a"), restart, done(10),
        {"unpairable_production": 1},
    ],
}  # fmt: skip

# ---------------------------------------------------------------- where time decides what is extra

UNKNOWN_COMMITS: dict[str, Case] = {
    "extra waits for the grace": [
        S("a", of=3), committed(10), {},
        # Production's own clock passes the record by the grace: its buffers are held to be flushed.
        P("b", time_ms=GRACE_MS - 1), {}, P("c", time_ms=GRACE_MS), {"extra": 1},
    ],
}  # fmt: skip
NO_GROUP: dict[str, Case] = {
    "extra waits until both sides have passed the grace": [
        S("a", of=3), P("b", time_ms=2 * GRACE_MS), {},
        S("c", of=4, time_ms=GRACE_MS - 1), {}, S("d", of=5, time_ms=GRACE_MS), {"extra": 1},
    ],
}  # fmt: skip

# ---------------------------------------------------------------- all of them

RULES = [{"path": "near", "atol": 0.5}, {"path": "noise", "ignore": True}]
COORDINATE = {"kind": "coordinate", "header": "origin"}
AFTER_THE_SPAN = {"dedupe_span": 0}
PARTS: Parts = {
    "key": ({"compare": {"match_sample": 1, "rules": RULES}}, BY_KEY),
    "coordinate": ({"identity": COORDINATE}, BY_COORDINATE),
    "corrections": ({}, CORRECTIONS),
    "id in a header": ({"identity": {"kind": "id", "header": "order"}}, BY_HEADER),
    "id at a path": ({"identity": {"kind": "id", "path": "id"}}, BY_PATH),
    # The marks are all there: what is shown is what event time decides.
    "occurrence": (
        {"identity": {"kind": "occurrence", "tolerance_ms": TOLERANCE_MS}},
        {name: [*BOTH_DONE, *case] for name, case in BY_OCCURRENCE.items()},
    ),
    "many by key": ({"identity": {"kind": "key", "outputs": "many"}}, MANY_BY_KEY),
    "many by coordinate": ({"identity": COORDINATE | {"outputs": "many"}}, MANY_BY_COORDINATE),
    "adopted, commits after its output": ({"candidate": ADOPTED | {"commits": "after_output"}}, ADOPTED_AFTER_OUTPUT),
    "adopted, may commit before it writes": ({"candidate": ADOPTED}, ADOPTED_UNKNOWN),
    "key, production replays": ({"identity": {"kind": "key"} | AFTER_THE_SPAN}, UNNAMED_REPLAYS),
    "production may commit before it writes": ({"production": {"outputs": ["out"], "group": "prod"}}, UNKNOWN_COMMITS),
    "no group": ({"production": {"outputs": ["out"]}, "start": "latest"}, NO_GROUP),
}


@each(PARTS)
def test_the_joiner_says_what_the_table_says(settings: dict[str, Any], case: Case) -> None:
    play(begun(**settings), case)


@pytest.mark.parametrize("case", REPLAYS.values(), ids=REPLAYS)
def test_production_that_replays(case: Case) -> None:
    play(begun(identity=COORDINATE | AFTER_THE_SPAN), case)
