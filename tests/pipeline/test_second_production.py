"""A second run of production beside the first: what both runs differ in, and what the candidate alone does."""

import json
from collections import Counter

from shadowstream.testing.topics import create_topics
from tests.pipeline.candidates import OUT_OF, SAME, answer
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.external_jobs import add, job
from tests.pipeline.trial_fixture import PARTITIONS, Production
from tests.pipeline.written_records import ended, ledgers, remainders

ORDERS = 600
EACH = ORDERS // OUT_OF
LACKS, BOTH, CANDIDATE_ONLY, TWIN_ONLY = 3, 43, 63, 83
"""Of every `OUT_OF` orders the twin lacks one, both score one otherwise, and each of the two one more of its own."""

DIFFERS = (
    SAME
    + f"""

def differs(order):
    said = judge(order)
    if order["n"] % {OUT_OF} in ({BOTH}, {CANDIDATE_ONLY}):
        said["score"] += 1
    return said
"""
)


def again(value: bytes) -> bytes | None:
    """The twin's answer."""
    order = json.loads(value)
    kind = order["n"] % OUT_OF
    if kind == LACKS:
        return None
    found = answer(order)
    if kind in (BOTH, TWIN_ONLY):
        found["score"] -= 1
    return json.dumps(found).encode()


def test_twin_and_joint_counts_are_exact_and_change_nothing_of_the_candidates(make_trial: MakeTrial) -> None:
    topic = "twin-again"
    trial = make_trial("twin", DIFFERS, "differs", twin={"topic": topic, "group": topic, "commits": "after_output"})
    create_topics(trial.bootstrap, {topic: PARTITIONS})
    trial.write_orders(range(ORDERS))
    assert Production(trial).work(ORDERS) == ORDERS
    twin = job(trial, "again", again)
    assert add(trial, topic, range(ORDERS)) == EACH
    assert twin.work(ORDERS // 2) == (ORDERS - 2 * EACH) // 2 + EACH // 2
    twin.work(ORDERS // 2 + 90, commit=False)  # dies before its commit: its next life says these again
    twin.work(ORDERS)
    trial.play("run", "join", "judge")

    stats = trial.records("stats")
    expected = {
        "match": ORDERS - 2 * EACH,
        "mismatch": 2 * EACH,
        "twin_match": ORDERS - 3 * EACH,
        "twin_mismatch": 2 * EACH,
        "twin_missing": EACH,
        "twin_extra": EACH,
        "duplicate_twin": 90 - 1,
        "joint_neither": ORDERS - 4 * EACH,
        "joint_shadow": EACH,
        "joint_twin": 2 * EACH,
        "joint_both": EACH,
    }
    assert ended(stats) == Counter(expected)
    assert remainders(stats) == {}
    assert {place.rpartition("/")[0] for ledger, place in ledgers(stats) if ledger == 3} >= {topic}
    verdict = trial.records("verdict")[-1]
    assert {name: n for name, n in verdict["outcomes"].items() if name in expected} == expected
    rates = {one["rate"]: (one["n"], one["s"]) for one in verdict["criteria"]}
    none = dict.fromkeys(("missing", "extra", "error", "duplicate"), (ORDERS, 0))
    assert rates == {"mismatch": (ORDERS, 2 * EACH), **none}
    assert verdict["coverage"] == 1
    assert not any("not in the closed table" in reason for reason in verdict["reasons"])
    rows = [row for row in trial.records("diff") if row["outcome"] == "mismatch"]
    assert len(rows) == 2 * EACH
    assert all(row["twin"]["topic"] == topic for row in rows)
