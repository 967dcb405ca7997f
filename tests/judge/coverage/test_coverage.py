"""Coverage decides: what could not be compared holds promote back, whatever the rest shows."""

import random
from collections import Counter
from typing import Any

import pytest

from shadowstream.config import Config
from shadowstream.judge.coverage.coverage import coverage, share_of
from shadowstream.judge.coverage.coverage_losses import ADVICE, REASONS_MAX
from shadowstream.judge.criteria import REASON, bound_reasons
from shadowstream.judge.verdict.verdict_notes import notes_of
from shadowstream.protocol.outcomes import DECLARED, LOWERS_COVERAGE, Outcome
from shadowstream.protocol.reasons import OTHER
from shadowstream.records import Side
from tests.judge.stats_records import HOUR_MS, cell, config, stats
from tests.judge.test_step import JudgeLoop

Hours = list[dict[str, int]]
SETTINGS = config()


def verdict(hours: Hours, settings: Config = SETTINGS, reasons: dict[str, int] | None = None) -> dict[str, Any]:
    """The last verdict over one map of outcomes per hour; `reasons` are those of each hour."""
    loop = JudgeLoop(1, settings)
    for index, outcomes in enumerate(hours):
        window = cell(index * HOUR_MS, **outcomes) | {"reasons": reasons or {}}
        loop.give(stats("scores/0", index + 1, window, watermark_ms=(index + 1) * HOUR_MS))
    loop.give(stats("scores/0", len(hours) + 1, complete=True))
    return loop.evaluate()


@pytest.mark.parametrize(
    "outcome", sorted(name for name in LOWERS_COVERAGE if not name.endswith("_shadow") or name == "unpairable_shadow")
)
@pytest.mark.parametrize("lost", [99_000, 4_000, 50])
def test_each_loss_beyond_the_minimum_is_not_yet_with_advice(outcome: str, lost: int) -> None:
    found = verdict([{"match": 1_000, "input": 1_000, outcome: lost}] * 24)
    assert found["decision"] == "not_yet"
    least, named = (one for one in found["reasons"] if one.startswith("coverage: "))
    assert "judge.min_coverage asks for 99 %" in least
    assert outcome in named
    misfit = outcome.startswith(("unpairable", "repeated"))
    assert named.endswith("change identity as named above" if misfit else ADVICE[Outcome(outcome)].change)


@pytest.mark.parametrize("outcome", ["undecodable_shadow", "duplicate_shadow", "repeated_shadow"])
def test_what_only_the_candidate_writes_wrong_is_its_own_fault(outcome: str) -> None:
    found = verdict([{"match": 1_000, "input": 1_050, outcome: 50}] * 24)
    assert found["decision"] == "reject"
    assert found["coverage_candidate"] < 0.96


def test_exactly_the_outcomes_that_lower_coverage_have_advice() -> None:
    assert ADVICE.keys() == LOWERS_COVERAGE.keys()


@pytest.mark.parametrize("outcome", sorted(LOWERS_COVERAGE))
def test_a_loss_within_the_minimum_is_shown_and_holds_nothing_back(outcome: str) -> None:
    found = verdict([{"match": 1_000, "input": 1_000, outcome: 2}] * 24)
    assert found["decision"] == "promote"
    of_side = {Side.PRODUCTION: "coverage", Side.SHADOW: "coverage_candidate"}[LOWERS_COVERAGE[Outcome(outcome)]]
    assert found[of_side] == pytest.approx(1_000 / 1_002)


def test_the_reason_of_the_largest_number_stands_in_the_sentence() -> None:
    reasons = {
        "undecodable_production: schema: schema 42 is unknown": 700,
        "undecodable_production: decode: not JSON": 20,
        "unpairable_production: no usable header 'id'": 100,
        "evicted: shed": 1,
    }
    hour = {"match": 179, "input": 179, "undecodable_production": 720, "unpairable_production": 100, "evicted": 1}
    found = verdict([hour] * 24, reasons=reasons)
    assert [one for one in found["reasons"] if one.startswith("coverage: ")] == [
        "coverage: 17.9 % of production's records (4,296 of 24,000) were compared or judged; judge.min_coverage asks "
        "for 99 %",
        "coverage: 72 % undecodable_production (17,280): schema: schema 42 is unknown; set schemas (dir or registry) "
        "so that the schema is found",
        "coverage: 10 % unpairable_production (2,400): no usable header 'id'; change identity as named above",
        "coverage: 0.1 % evicted (24): shed; raise limits.pending_bytes_max or add joiners; raise the retention of "
        "topics that delete records",
    ]
    assert found["outcome_reasons"]["undecodable_production: schema: schema 42 is unknown"] == 24 * 700


def test_a_reason_that_names_its_key_gets_no_second_advice() -> None:
    why = "schema: schema 42 is unknown: the config names no source; set schemas.dir or schemas.registry"
    hour = {"match": 100, "input": 100, "undecodable_production": 100}
    found = verdict([hour] * 24, reasons={f"undecodable_production: {why}": 100})
    assert found["reasons"][1] == f"coverage: 50 % undecodable_production (2,400): {why}"


def test_nothing_but_losses_says_so_beside_no_window() -> None:
    found = verdict([{"undecodable_production": 500}] * 24)
    assert found["decision"] == "not_yet"
    assert found["reasons"][0].startswith("coverage: 0 % of production's records (0 of 12,000)")
    assert any(reason.startswith("no window with compared records has closed") for reason in found["reasons"])


def test_losses_of_the_last_windows_count_by_themselves() -> None:
    good = {"match": 100_000, "input": 100_000}
    found = verdict([good] * 23 + [{"match": 10, "input": 10, "undecodable_production": 1_000}])
    assert found["coverage"] > 0.99
    assert found["decision"] == "not_yet"
    assert found["reasons"][0].startswith("coverage: lately, 0.9901 % of production's records (10 of 1,010)")


@pytest.mark.parametrize("last", [{"undecodable_production": 1_000}, {"unpairable_shadow": 1_000}])
def test_windows_that_hold_nothing_but_losses_are_among_the_last(last: dict[str, int]) -> None:
    found = verdict([{"match": 100_000, "input": 100_000}] * 24 + [last])
    assert found["decision"] == "not_yet"
    assert found["reasons"][0].startswith("coverage: lately, 0 % of ")


def test_a_trial_that_was_blind_at_first_is_promoted_later() -> None:
    blind = {"match": 500, "input": 500, "undecodable_production": 500}
    assert verdict([blind] * 2 + [{"match": 1_000, "input": 1_000}] * 24)["decision"] == "not_yet"
    assert verdict([blind] * 2 + [{"match": 10_000, "input": 10_000}] * 24)["decision"] == "promote"


@pytest.mark.parametrize("outcome", DECLARED)
def test_what_is_declared_is_shown_apart_and_never_hides_a_loss(outcome: str) -> None:
    # 99 % is declared. Of the 1 % that is left, a tenth was lost.
    hour = {"match": 900, "input": 900, outcome: 99_000, "undecodable_production": 100}
    found = verdict([hour] * 24)
    assert found["decision"] == "not_yet"
    assert found["reasons"][0].startswith("coverage: 90 % of production's records (21,600 of 24,000)")
    assert any(f"99 % {outcome} (2,376,000; " in note for note in notes_of(found))


@pytest.mark.parametrize("outcome", DECLARED)
def test_a_trial_of_nothing_but_what_is_declared_is_not_yet(outcome: str) -> None:
    found = verdict([{outcome: 1_000, "input": 1_000}] * 24)
    assert (found["decision"], found["coverage"]) == ("not_yet", None)


def test_the_minimum_is_a_setting() -> None:
    hours = [{"match": 800, "input": 800, "undecodable_production": 200}] * 24
    assert verdict(hours, config(min_coverage=0.8))["decision"] == "promote"
    assert verdict(hours, config(min_coverage=0.8001))["decision"] == "not_yet"
    assert verdict(hours, config(min_coverage=0.0))["decision"] == "promote"
    one_in_a_million = [{"match": 1_000_000, "input": 1_000_000, "undecodable_production": 1}] * 24
    assert verdict(one_in_a_million, config(min_coverage=1.0))["decision"] == "not_yet"


def test_coverage_lately_is_the_same_after_a_restart() -> None:
    loop = JudgeLoop()
    hours: Hours = [{"match": 300, "input": 300, "unpairable_production": hour} for hour in range(12)]
    for index, outcomes in enumerate(hours):
        loop.give(stats("scores/0", index + 1, cell(index * HOUR_MS, **outcomes), watermark_ms=(index + 1) * HOUR_MS))
        before = loop.evaluate()
        loop.restart()
        assert loop.evaluate()["coverage_lately"] == before["coverage_lately"]


def test_a_correction_that_comes_late_changes_the_coverage_of_its_window() -> None:
    loop = JudgeLoop()
    for hour in range(3):
        window = cell(hour * HOUR_MS, match=300, evicted=10)
        loop.give(stats("scores/0", hour + 1, window, watermark_ms=(hour + 1) * HOUR_MS))
    before = loop.evaluate()["coverage_lately"]
    late = cell(2 * HOUR_MS, evicted=-10, match=10)
    loop.give(stats("scores/0", 4, late, cell(3 * HOUR_MS, match=1), watermark_ms=4 * HOUR_MS))
    assert loop.evaluate()["coverage_lately"] > before


def test_every_side_counts_its_own_records() -> None:
    outcomes = {"match": 90, "missing": 8, "extra": 4, "undecodable_production": 2, "unpairable_shadow": 6}
    assert share_of("production", outcomes)[1:] == (98, 2)
    assert share_of("candidate", outcomes)[1:] == (94, 6)
    assert coverage(outcomes) == 0.98


def test_reasons_stay_within_their_bound_and_common_ones_are_kept() -> None:
    figures: Counter[str] = Counter({"match": 7})
    draw = random.Random(1)
    for number in range(6_000):
        figures[f"{REASON}undecodable_production: {draw.randrange(10**9)}"] += 1
        if number % 3 == 0:
            figures[f"{REASON}undecodable_production: schema 42"] += 1
        bound_reasons(figures)
    assert len(figures) <= REASONS_MAX + 2
    assert figures[f"{REASON}undecodable_production: schema 42"] == 2_000
    assert figures[f"{REASON}undecodable_production: {OTHER}"] > 5_500
    assert figures["match"] == 7
