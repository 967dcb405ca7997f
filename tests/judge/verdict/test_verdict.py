import math
from collections.abc import Mapping
from typing import Any

import pytest

from shadowstream.codecs.own import decode, encode
from shadowstream.config import Config
from shadowstream.judge.drift.incident_groups import OpenIncident
from shadowstream.judge.evidence.rates import log_e_above
from shadowstream.judge.verdict.criterion_status import CriterionStatus, status_of
from shadowstream.judge.verdict.criterion_units import measure_of
from shadowstream.judge.verdict.key_evidence import KeyEvidence
from shadowstream.judge.verdict.recent_windows import RecentWindows
from shadowstream.judge.verdict.reject_latch import RejectLatch
from shadowstream.judge.verdict.verdict import VerdictInput, build, criteria_hash, digest, evidence_digest
from shadowstream.judge.windows.closed_window import ClosedWindow
from shadowstream.judge.windows.event_windows import Windows
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats
from tests.judge.test_step import JudgeLoop

TASK = "scores/0"
GOOD_HOUR = {"match": 1000, "input": 1000}


def case(
    *hours: Mapping[str, int],
    settings: Config | None = None,
    last: Mapping[str, Any] | None = None,
    rejected: Mapping[str, str] | None = None,
    incidents: Mapping[str, str] | None = None,
) -> VerdictInput:
    """A trial of one task, hour by hour, all closed unless `last` (parts of the last stats record) says otherwise."""
    settings = settings or config()
    windows = Windows(REVISION, HOUR_MS, [TASK])
    cells = [cell(hour * HOUR_MS) | {"outcomes": dict(outcomes)} for hour, outcomes in enumerate(hours)]
    closed = windows.add(stats(TASK, 1, *cells, **(last or {"complete": True})))
    open_now = [OpenIncident(name, "mismatch", 0, why, []) for name, why in (incidents or {}).items()]
    return VerdictInput(settings, REVISION, windows, standings(settings, closed), rejected or {}, open_now)


def standings(settings: Config, closed: list[ClosedWindow]) -> list[CriterionStatus]:
    """Where the criteria stand after these windows, as the step finds it."""
    found = []
    keys = KeyEvidence([], 0)
    for window in closed:
        keys.close(window)
    for criterion in settings.judge.criteria:
        measure = measure_of(criterion, settings)
        level, trailing = RejectLatch(measure, settings), RecentWindows(measure)
        for window in closed:
            level.close(window, None)
            trailing.close(window.start_ms, measure.raw(window.outcomes, window.buckets))
        found.append(status_of(level, trailing, keys.view(measure, closed[-1].totals if closed else {})))
    return found


def by_rate(record: Mapping[str, Any], rate: str) -> dict[str, Any]:
    found: dict[str, Any] = next(entry for entry in record["criteria"] if entry["rate"] == rate)
    return found


def test_a_candidate_that_agrees_for_a_day_is_promoted() -> None:
    record = build(case(*[GOOD_HOUR] * 24), 7)
    assert record["decision"] == "promote"
    assert record["final"]
    assert (record["from_ms"], record["to_ms"]) == (0, 24 * HOUR_MS)
    assert record["coverage"] == 1.0
    mismatch = by_rate(record, "mismatch")
    assert (mismatch["n"], mismatch["s"], mismatch["shown_good"], mismatch["units_needed"]) == (24_000, 0, True, None)
    assert mismatch["log_promote_at"] == pytest.approx(math.log(20))
    assert mismatch["log_reject_at"] == pytest.approx(math.log(5 / 0.05))
    assert mismatch["lower"] == 0
    assert mismatch["upper"] < mismatch["least_caught"] < 0.02
    assert record["reasons"][0].startswith("mismatch: 0 % wrong (0 of 24,000 pairs), shown to be under the limit 1 %")


def test_the_record_can_be_written_and_read() -> None:
    record = build(case({"match": 3, "missing": 1}), 1_700_000_000_000)
    assert decode(encode("verdict", record)) == ("verdict", {**record, "approval": None})  # the step adds it


def test_before_any_window_has_closed_it_is_not_yet() -> None:
    record = build(case(GOOD_HOUR, last={"watermark_ms": 5}), 7)
    assert record["decision"] == "not_yet"
    assert (record["windows_closed"], record["windows_open"], record["final"]) == (0, 1, False)
    assert record["reasons"] == [
        "no window with compared records has closed: scores/0 is the slowest, at 1970-01-01 00:00 UTC"
    ]


def test_no_data_at_all_is_not_yet_and_says_who_is_silent() -> None:
    settings = config()
    windows = Windows(REVISION, HOUR_MS, ["scores/0", "scores/1"])
    windows.add(stats("scores/0", 1, complete=True))
    record = build(VerdictInput(settings, REVISION, windows, standings(settings, []), {}), 7)
    assert record["decision"] == "not_yet"
    assert record["reasons"] == ["no window with compared records has closed: nothing is known yet of scores/1"]
    assert record["criteria"][0]["estimate"] is None


def test_too_few_records_are_not_yet_and_it_says_how_many_more() -> None:
    record = build(case(*[{"match": 10, "input": 10}] * 24), 7)
    assert record["decision"] == "not_yet"
    needed = by_rate(record, "mismatch")["units_needed"]
    # The design's integer form: 449 units promote with no bad one at limit .01, alpha .05.
    assert needed == 449
    assert (
        "mismatch: 0 % wrong (0 of 240 pairs), not shown yet to be under the limit 1 %; 209 more are needed if none of "
        "them is bad" in record["reasons"]
    )


def test_a_rate_over_the_limit_not_shown_bad_advises_against_waiting() -> None:
    record = build(case(*[{"match": 98, "mismatch": 2, "input": 100}] * 24, settings=config(alpha=1e-9)), 7)
    assert record["decision"] == "not_yet"
    assert any("mismatch: 2 % wrong (48 of 2,400 pairs), not under the limit 1 %" in why for why in record["reasons"])


def test_promote_waits_for_the_least_duration() -> None:
    record = build(case(*[GOOD_HOUR] * 23), 7)
    assert record["decision"] == "not_yet"
    assert record["covered_ms"] == 23 * HOUR_MS
    assert record["reasons"] == [
        "covered 23 h of the 24 h needed (span 23 h): only event time with traffic counts; the trial is at its "
        "end: run one over more of it, or set a smaller judge.min_duration_ms"
    ]


def test_promote_waits_for_incidents_to_close() -> None:
    record = build(case(*[GOOD_HOUR] * 24, incidents={"mismatch-1": "the rate went up"}), 7)
    assert (record["decision"], record["incidents_open"]) == ("not_yet", ["mismatch-1"])
    assert record["reasons"] == ["incident mismatch-1 is open: the rate went up"]


def test_promote_needs_the_last_windows_to_be_good_as_well() -> None:
    # 60 mismatches in the last 1,000 of 100,000: shown good over all, not as it is now.
    hours = [{"match": 4125, "input": 4125}] * 24 + [{"match": 940, "mismatch": 60, "input": 1000}]
    record = build(case(*hours), 7)
    assert by_rate(record, "mismatch")["shown_good"]
    assert record["decision"] == "not_yet"
    assert record["reasons"] == [
        "mismatch: bad ones cluster (design effect 61.3 by window, of which 1.93 may be chance), so the records do not "
        "count for as many: set unit: key or block; a single burst is outweighed as more records come",
        "mismatch: lately 6 % wrong (60 of 1,000 newest pairs), not under the limit 1 %, whatever came before",
    ]


@pytest.mark.parametrize(("trailing", "decision"), [(0, "promote"), (898, "not_yet")])
def test_all_that_came_is_recent_unless_the_config_asks_for_more(trailing: int, decision: str) -> None:
    criterion = {"rate": "mismatch", "limit": 0.01, "trailing_units": trailing}
    settings = config(min_duration_ms=0, criteria=[criterion])
    assert measure_of(settings.judge.criteria[0], settings).trailing_units == 898
    record = build(case({"match": 500, "input": 500}, settings=settings), 7)
    assert by_rate(record, "mismatch")["shown_good"]
    assert record["decision"] == decision
    if trailing:
        assert record["reasons"] == ["mismatch: good so far; the last closed windows hold 500 pairs; 898 are needed"]


def test_a_remainder_makes_it_not_yet_and_names_the_line() -> None:
    lines = [{"ledger": 2, "place": "payments/0->scores/0", "expected": 24_000, "counted": 23_999}]
    record = build(case(*[GOOD_HOUR] * 24, last={"complete": True, "ledgers": lines}), 7)
    assert (record["decision"], record["remainder"], record["ledgers"]) == ("not_yet", 1, lines)
    assert record["reasons"] == ["conservation: ledger 2, payments/0->scores/0: 24000 expected, 23999 counted"]


def test_a_task_without_any_ledger_proves_no_conservation() -> None:
    record = build(case(*[GOOD_HOUR] * 24, last={"complete": True, "ledgers": []}), 7)
    assert record["decision"] == "not_yet"
    assert record["reasons"] == ["conservation: no ledger has come from scores/0"]


def test_a_lost_stats_record_makes_it_not_yet() -> None:
    found = case(*[GOOD_HOUR] * 24)
    found.windows.add(stats(TASK, 3))
    record = build(found, 7)
    assert (record["decision"], record["remainder"]) == ("not_yet", 1)
    assert record["reasons"] == ["conservation: 1 stats records are missing in the joiner's sequence"]


@pytest.mark.parametrize(("evicted", "decision"), [(4, "promote"), (240, "promote"), (300, "not_yet")])
def test_evicted_records_hold_promote_back_by_their_share(evicted: int, decision: str) -> None:
    record = build(case(*[GOOD_HOUR] * 23, {**GOOD_HOUR, "evicted": evicted}), 7)
    assert (record["decision"], record["coverage"]) == (decision, pytest.approx(24_000 / (24_000 + evicted)))
    named = [reason for reason in record["reasons"] if reason.startswith(f"{evicted} records were evicted")]
    assert bool(named) == (decision == "not_yet")


def test_an_outcome_outside_the_closed_table_makes_it_not_yet() -> None:
    record = build(case(*[GOOD_HOUR] * 23, {**GOOD_HOUR, "vanished": 1}), 7)
    assert record["decision"] == "not_yet"
    assert "'vanished' is not in the closed table" in record["reasons"][0]


def test_a_task_that_nobody_expects_makes_it_not_yet() -> None:
    found = case(*[GOOD_HOUR] * 24)
    found.windows.add(stats("scores/9", 1))
    record = build(found, 7)
    assert record["decision"] == "not_yet"
    assert "scores/9, which is no task of this trial" in record["reasons"][0]


def test_counts_that_cannot_be_are_no_evidence() -> None:
    record = build(case(*[{"match": 1000, "input": 1, "input_failed": 2}] * 24), 7)
    error = by_rate(record, "error")
    assert (error["log_e_below"], error["log_e_above"], error["upper"]) == (0, 0, None)
    assert record["decision"] == "not_yet"
    assert any("error: 48 bad of 24 inputs cannot be" in why for why in record["reasons"])


def test_a_latched_reject_stands_whatever_came_later() -> None:
    record = build(case(*[GOOD_HOUR] * 24, rejected={"mismatch": "mismatch: 30 of 100 pairs"}), 7)
    assert record["decision"] == "reject"
    assert record["reasons"] == ["mismatch: 30 of 100 pairs; by now 0 % wrong (0 of 24,000 pairs)"]


def test_a_latched_reject_shows_its_time_and_the_present_counts() -> None:
    loop = JudgeLoop()
    bad = cell(HOUR_MS, match=60, mismatch=40, input=100)
    loop.give(stats(TASK, 1, cell(0, match=100, input=100), bad, watermark_ms=2 * HOUR_MS))
    first = loop.evaluate()["reasons"]
    assert len(first) == 1
    assert first[0].startswith("mismatch: 20 % wrong (40 of 200 pairs), ")
    assert ", shown to be over the limit " in first[0]
    assert first[0].endswith(", as of 1970-01-01 02:00 UTC; by now 20 % wrong (40 of 200 pairs)")
    day = [cell(hour * HOUR_MS, match=10_000, input=10_000) for hour in range(2, 12)]
    loop.give(stats(TASK, 2, *day, watermark_ms=12 * HOUR_MS))
    record = loop.evaluate()
    assert record["decision"] == "reject"
    as_it_was = first[0].partition("; by now ")[0]
    assert record["reasons"] == [f"{as_it_was}; by now 0.0399 % wrong (40 of 100,200 pairs)"]


def test_a_remainder_does_not_hinder_a_reject_and_both_are_reported() -> None:
    found = case(*[GOOD_HOUR] * 24, rejected={"mismatch": "mismatch: 30 of 100 pairs"})
    found.windows.add(stats(TASK, 4))
    record = build(found, 7)
    assert (record["decision"], record["remainder"]) == ("reject", 2)
    assert len(record["reasons"]) == 2


def test_an_excess_is_shown_from_k_over_alpha_on() -> None:
    settings = config()
    measure = measure_of(settings.judge.criteria[0], settings)
    shown = [s for s in range(101) if measure.excess((100, s))]
    # By the definition: least s with E_above(100, s, .01) >= 5/.05, by the prior that rejects.
    least = next(s for s in range(101) if log_e_above(100, s, 0.01, 50.0) >= math.log(100))
    assert shown == list(range(least, 101))
    assert 4 <= least <= 10
    assert measure.excess((0, 0)) is None


def test_rejecting_asks_for_more_where_there_are_more_criteria() -> None:
    one, four = config(criteria=[{"rate": "mismatch", "limit": 0.01}]), config()
    at = [measure_of(settings.judge.criteria[0], settings).log_reject_at for settings in (one, four)]
    assert at == [pytest.approx(math.log(1 / 0.05)), pytest.approx(math.log(5 / 0.05))]


def test_trust_in_the_candidate_is_shown() -> None:
    trusting = config().model_copy(
        update={"candidate": config().candidate.model_copy(update={"isolation": "in-process"})}
    )
    assert build(case(GOOD_HOUR), 7)["candidate_isolation"] == "process"
    assert build(case(GOOD_HOUR, settings=trusting), 7)["candidate_isolation"] == "in-process"


def test_extra_is_reported_as_inexact_where_productions_commits_prove_nothing() -> None:
    settings = config()
    vague = settings.model_copy(update={"production": settings.production.model_copy(update={"commits": "unknown"})})
    record = build(case(*[GOOD_HOUR] * 24, settings=vague), 7)
    assert (record["decision"], len(record["caveats"])) == ("promote", 1)
    assert record["caveats"][0].startswith("extra is not exact")
    assert build(case(*[GOOD_HOUR] * 24), 7)["caveats"] == []


def test_the_clock_and_the_offsets_are_no_evidence() -> None:
    found = case(*[GOOD_HOUR] * 24)
    one = build(found, 7)
    found.windows.add(stats(TASK, 2, sources=[{"topic": "scores", "partition": 0, "from_offset": 0, "to_offset": 999}]))
    other = build(found, 8)
    assert one["sources"] != other["sources"]
    assert one["evidence_digest"] == other["evidence_digest"]


def test_anyone_can_compute_the_digest_from_the_record() -> None:
    _, record = decode(encode("verdict", build(case({"match": 333, "mismatch": 7, "input": 340}), 7)))
    assert evidence_digest(record) == record["evidence_digest"]


def test_numbers_that_are_equal_have_one_digest() -> None:
    assert digest({"b": -0.0, "a": 0.1 + 0.2}) == digest({"a": 0.3, "b": 0.0})
    assert digest(0.3) != digest(0.300000000001)


@pytest.mark.parametrize("hour", [{"match": 1001}, {"match": 1000, "tolerated": 1}, {"match": 999, "mismatch": 1}])
def test_other_evidence_has_another_digest(hour: dict[str, int]) -> None:
    assert build(case({"match": 1000}), 7)["evidence_digest"] != build(case(hour), 7)["evidence_digest"]


def test_the_criteria_hash_covers_criteria_and_rules_and_nothing_else() -> None:
    settings = config()
    rules = settings.compare.model_copy(update={"rules": [{"path": "score", "atol": 1e-6}]})
    assert criteria_hash(settings) == criteria_hash(settings.model_copy(update={"grace_ms": 5}))
    others = {criteria_hash(config(alpha=0.01)), criteria_hash(config(window_ms=5))}
    ruled = Config.model_validate(settings.model_dump() | {"compare": {"rules": rules.rules}})
    assert len({criteria_hash(settings), criteria_hash(ruled), *others}) == 4


def test_the_criteria_hash_covers_what_is_counted_beside_the_outcome() -> None:
    counted = [{}, *({"latency": {"over_ms": ms}} for ms in (1, 2)), {"checks": [{"path": "a", "low": 0}]}]
    settings = [Config.model_validate(config().model_dump() | {"compare": one}) for one in counted]
    assert len({criteria_hash(one) for one in settings}) == 4
