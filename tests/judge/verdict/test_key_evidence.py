"""Keys as units of each rate, and clusters by key of outcomes that are no compared pairs."""

from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest

from shadowstream.judge.evidence.rates import log_e_grid
from shadowstream.judge.step import JudgeStep
from shadowstream.protocol.key_buckets import BY_BUCKET
from tests.judge.calibration_of_clusters import SOURCES, Case, records_of
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats

TASK = "scores/0"
HOURS, KEYS = 60, 200
COMPARED = ("match", "mismatch")
FAILED = ("missing", "candidate_error", "timeout", "crashed")
OF_RATE = {
    "mismatch": (COMPARED, ("mismatch",)),
    "missing": ((*COMPARED, *FAILED, "both_failed"), FAILED),
    "extra": ((*COMPARED, "extra"), ("extra",)),
    # Of production's records, because inputs have no key.
    "error": (
        (*COMPARED, *FAILED, "both_failed", "undecodable_shadow"),
        ("candidate_error", "timeout", "crashed", "undecodable_shadow"),
    ),
    "duplicate": ((*COMPARED, "extra", "duplicate_shadow", "repeated_shadow"), ("duplicate_shadow", "repeated_shadow")),
    "twin": (("joint_shadow", "joint_twin"), ("joint_shadow",)),
}
"""Units and bad units of each rate by key, written apart from the product."""
NAMES = sorted({name for units, bad in OF_RATE.values() for name in (*units, *bad)})
Records = dict[tuple[int, int], Counter[str]]
"""Outcomes by hour and bucket."""


def window(hour: int, by_bucket: dict[int, Counter[str]]) -> dict[str, Any]:
    """The window of a stats record with these outcomes by bucket."""
    total = sum(by_bucket.values(), Counter[str]())
    one = cell(hour * HOUR_MS, **{name: n for name, n in total.items() if n}, input=2 * KEYS)
    pairs = [(b, counts["match"] + counts["mismatch"], counts["mismatch"]) for b, counts in by_bucket.items()]
    one["buckets"] = [{"bucket": b, "n": n, "s": s} for b, n, s in pairs if n]
    one["outcome_buckets"] = [
        {"outcome": name, "bucket": b, "n": n}
        for b, counts in by_bucket.items()
        for name, n in counts.items()
        if name in BY_BUCKET
    ]
    return one


def happened(seed: int) -> Records:
    """Some outcomes of some keys in each hour."""
    dice, records = np.random.default_rng(seed), defaultdict[tuple[int, int], Counter[str]](Counter)
    for hour in range(HOURS):
        for key in dice.choice(KEYS, 40, replace=False).tolist():
            rare = dice.choice(NAMES, 2).tolist()
            records[hour, key].update({"match": 3} | Counter(rare))
    return records


def read(step: JudgeStep, seq: int, one: dict[str, Any], hour: int) -> None:
    step.step(0, seq, stats(TASK, seq, one, watermark_ms=(hour + 1) * HOUR_MS))


@pytest.mark.parametrize("rate", OF_RATE)
def test_units_and_clusters_of_each_rate_are_those_counted_apart(rate: str) -> None:
    records, limit = happened(7), 0.3
    settings = config(criteria=[{"rate": rate, "limit": limit, "unit": "key"}], min_duration_ms=24 * HOUR_MS)
    step = JudgeStep(settings, REVISION, [TASK])
    for hour in range(HOURS):
        by_bucket = {key: counts for (at, key), counts in records.items() if at == hour}
        read(step, hour + 1, window(hour, by_bucket), hour)
    (found,) = [one for one in step.verdict(0)["criteria"] if one["rate"] == rate]
    units, bad = OF_RATE[rate]
    shares, counted, by_key = [], dict[int, int](), defaultdict[int, list[int]](lambda: [0, 0])
    for (hour, key), counts in sorted(records.items()):
        n, s = (sum(counts[name] for name in names) for names in (units, bad))
        by_key[key][0] += n
        by_key[key][1] += s
        if n and (key not in counted or hour - counted[key] >= 24):
            counted[key] = hour
            shares.append(s / n)
    assert (found["n"], found["keys"]) == (len(shares), len(counted))
    assert found["bad"] == pytest.approx(sum(shares), abs=1e-6)
    assert found["log_e_below"] == pytest.approx(log_e_grid(np.array(shares), limit), abs=1e-4)
    held = np.array([pair for pair in by_key.values() if pair[0]])
    p = held[:, 1].sum() / held[:, 0].sum()
    deff = ((held[:, 1] - p * held[:, 0]) ** 2).sum() / (p * (1 - p) * held[:, 0].sum())
    assert found["deff_key"] == pytest.approx(deff)


@pytest.mark.parametrize(("keys", "decision"), [(1, "not_yet"), (50, "reject")])
@pytest.mark.parametrize("name", ["missing", "extra", "candidate_error"])
def test_fifty_bad_records_reject_if_they_are_of_fifty_keys(name: str, keys: int, decision: str) -> None:
    rate = "error" if name == "candidate_error" else name
    step = JudgeStep(config(criteria=[{"rate": rate, "limit": 0.01}]), REVISION, [TASK])
    by_bucket = {key: Counter(match=5) for key in range(200)}
    for bad in range(50):
        by_bucket[bad % keys][name] += 1
    one = window(0, by_bucket)
    one["outcomes"] |= {"input": 1050, "input_failed": 50 if rate == "error" else 0}
    read(step, 1, one, 0)
    assert step.verdict(0)["decision"] == decision


def test_clusters_are_unknown_where_bad_records_have_no_bucket() -> None:
    step = JudgeStep(config(criteria=[{"rate": "missing", "limit": 0.01}]), REVISION, [TASK])
    one = window(0, {key: Counter(match=50, missing=1) for key in range(100)})
    del one["outcome_buckets"]
    read(step, 1, one, 0)
    assert step.verdict(0)["criteria"][0]["deff_key"] is None, "an older joiner wrote them"


def test_by_key_a_record_that_comes_after_all_is_no_longer_missing() -> None:
    settings = config(criteria=[{"rate": "missing", "limit": 0.05, "unit": "key"}], min_duration_ms=24 * HOUR_MS)
    step = JudgeStep(settings, REVISION, [TASK])
    read(step, 1, window(0, {key: Counter(match=3, missing=1 + key % 2) for key in range(400)}), 0)
    assert step.verdict(0)["decision"] == "reject"
    late = window(0, {key: Counter(match=1 + key % 2, missing=-1 - key % 2) for key in range(1, 400)})
    step.step(0, 2, stats(TASK, 2, late))
    read(step, 3, window(1, {key: Counter(match=3) for key in range(400)}), 1)
    verdict = step.verdict(0)
    (found,) = [one for one in verdict["criteria"] if one["rate"] == "missing"]
    assert (found["n"], found["bad"], verdict["decision"]) == (400, 0.25, "not_yet")


def test_units_without_a_key_lower_the_coverage() -> None:
    step = JudgeStep(config(criteria=[{"rate": "missing", "limit": 0.05, "unit": "key"}]), REVISION, [TASK])
    one = window(0, {key: Counter(match=9, missing=1) for key in range(400)})
    del one["outcome_buckets"]
    read(step, 1, one, 0)
    found = step.verdict(0)["criteria"][0]
    assert (found["coverage"], found["shown_good"]) == (0.9, False)


def decided(size: int, true: float, *, runs: int, windows: int, buckets: bool = True) -> list[int]:
    """The windows after which a twin is rejected: its discordant pairs come in `size` of one key."""
    case = Case("", "", "users", (), rate="twin", limit=0.5, true=true, size=size, units=40, windows=windows)
    hours = []
    for run in range(runs):
        step = JudgeStep(config(criteria=[{"rate": "twin", "limit": 0.5}]), REVISION, [TASK])
        for hour, (of, bad) in enumerate(SOURCES["users"](case, np.random.default_rng([3, run]))):
            for record in records_of(case, hour, of, bad):
                record["windows"][0] |= {} if buckets else {"outcome_buckets": []}
                step.step(0, record["seq"], record)
            if step.verdict(0)["decision"] == "reject":
                hours.append(hour + 1)
                break
    return hours


@pytest.mark.parametrize("size", [2, 10])
def test_an_equal_twin_whose_users_have_many_pairs_is_not_rejected_early(size: int) -> None:
    assert len(decided(size, 0.5, runs=60, windows=5)) <= 5


def test_a_worse_twin_is_rejected_sooner_where_its_keys_are_known() -> None:
    with_keys, without = (decided(1, 0.75, runs=10, windows=12, buckets=known) for known in (True, False))
    assert len(with_keys) == 10
    assert np.median(with_keys) <= 4
    assert np.median(without or [99]) >= 2 * np.median(with_keys)
