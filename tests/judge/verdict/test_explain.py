"""What `explain` says is needed, and a run that goes on until it is there: within 20 %."""

import random
from statistics import median
from typing import Any

import pytest

from shadowstream.judge.evidence.forecast import units_needed
from shadowstream.judge.evidence.rates import critical_n
from shadowstream.judge.step import JudgeStep
from shadowstream.judge.verdict.explain import Explanation, explain
from shadowstream.judge.verdict.outlook import Outlook
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats

CONFIRMED_WITHIN = 0.2
HOURLY = 20
HOURS_MAX = 2_000
RATES = ("mismatch", "missing", "extra", "error")


class Run:
    """A trial of one task whose hours bring `HOURLY` pairs each, of which `bad` (by hour) differ."""

    def __init__(self, **judge: Any) -> None:
        self.step = JudgeStep(config(**judge), REVISION, ["scores/0"])
        self.hours = 0

    def go_on(self, bad: int, missing: int = 0) -> None:
        start_ms = self.hours * HOUR_MS
        self.hours += 1
        outcomes = {"match": HOURLY - bad, "mismatch": bad, "missing": missing, "input": HOURLY + missing}
        delta = cell(start_ms, **{name: n for name, n in outcomes.items() if n})
        self.step.step(0, self.hours, stats("scores/0", self.hours, delta, watermark_ms=start_ms + HOUR_MS))

    def explained(self) -> Explanation:
        verdict = self.step.verdict(0)
        return explain(verdict, verdict["decision"], verdict["reasons"])


def of(explanation: Explanation, criterion: str) -> Outlook:
    return next(one for one in explanation.outlooks if one.criterion == criterion)


@pytest.mark.parametrize("bad_each", [None, 160, 250, 400, 1_000], ids=lambda each: f"one bad of {each}")
@pytest.mark.parametrize("asked_after", [5, 30, 90])
def test_the_records_needed_suffice_for_a_run_to_show_it_good(bad_each: int | None, asked_after: int) -> None:
    run = Run()
    outlook: Outlook | None = None
    while run.hours < HOURS_MAX:
        done = run.hours * HOURLY
        # After it was asked it goes on as it had come.
        bad, each = (int(outlook.s), outlook.n) if outlook is not None else (1, bad_each) if bad_each else (0, 1)
        run.go_on((done + HOURLY) * bad // each - done * bad // each)
        if run.hours < asked_after:
            continue
        now = of(run.explained(), "mismatch")
        if run.hours == asked_after:
            outlook = now
            if (not outlook.more and outlook.needed) or (bad_each and not outlook.s):
                return  # shown before it was asked, or nothing bad was to be seen yet
            if outlook.state == "over the limit":
                assert outlook.needed is None
                return
        if outlook is not None and now.needed and not now.more:
            assert outlook.needed is not None
            assert abs(now.n - outlook.needed) <= CONFIRMED_WITHIN * now.n, (outlook, now)
            assert outlook.more == outlook.needed - outlook.n
            assert outlook.hours == pytest.approx(outlook.more / HOURLY)
            return
    raise AssertionError(f"never met: {outlook}")


@pytest.mark.parametrize(("n", "s"), [(400, 0), (400, 1), (400, 2), (1_000, 4), (1_000, 5), (2_000, 12)])
def test_half_of_the_random_continuations_need_less_and_half_more(n: int, s: int) -> None:
    outlook = units_needed(n, s, 0.01, 0.05)
    assert outlook is not None
    draw = random.Random(20_130_101)
    needed = []
    for _ in range(400):
        units, bad = n, s
        goal = critical_n(bad, 0.01, 0.05)
        while units < goal:
            units += 1
            if draw.random() < s / n:
                bad += 1
                goal = critical_n(bad, 0.01, 0.05)
        needed.append(units)
    assert abs(median(needed) - outlook) <= CONFIRMED_WITHIN * median(needed), (median(needed), outlook)


def test_each_criterion_says_where_it_stands_and_what_to_do() -> None:
    run = Run()
    for _ in range(60):
        run.go_on(bad=0, missing=2)
    found = run.explained()
    assert [one.criterion for one in found.outlooks] == [*RATES, "duplicate"]
    assert (of(found, "mismatch").state, of(found, "mismatch").passed) == ("shown good", True)
    assert of(found, "missing").state == "shown bad"
    assert of(found, "missing").needed is None
    assert found.decision == "reject"
    assert "mend the candidate" in found.todo[0]


def test_shown_good_over_all_and_not_over_the_last_windows_is_reported() -> None:
    run = Run(criteria=[{"rate": "mismatch", "limit": 0.01, "critical": False}], drift={"min_effect": 100})
    for _ in range(1_000):
        run.go_on(bad=0)
    for hour in range(50):
        run.go_on(bad=hour % 2)
    outlook = of(run.explained(), "mismatch")
    assert (outlook.state, outlook.passed) == ("not good lately", False)
    assert "newest" in outlook.why[0]
    assert "it was good and is not now" in " ".join(run.explained().todo)


def test_what_makes_it_not_yet_beside_the_criteria_is_reported() -> None:
    run = Run()
    for _ in range(50):
        run.go_on(bad=0)
    outlook = stats(
        "scores/0", 51, watermark_ms=51 * HOUR_MS, ledgers=[{"ledger": 2, "place": "x", "expected": 9, "counted": 7}]
    )
    run.step.step(0, 51, outlook)
    found = run.explained()
    assert found.not_passed == []
    assert found.blockers == ("conservation: ledger 2, x: 9 expected, 7 counted",)
    assert "2 records are unaccounted for" in found.todo[0]


def test_before_any_window_has_closed_it_says_what_is_waited_for() -> None:
    found = Run().explained()
    assert found.decision == "not_yet"
    assert "no window with compared records has closed" in found.blockers[0]
    assert "wait until a window of event time closes" in found.todo[0]
    assert {one.state for one in found.outlooks} == {"no records"}


def test_a_share_at_the_limit_needs_more_than_any_number() -> None:
    assert units_needed(1_000, 10, 0.01, 0.05) is None
    assert units_needed(1_000, 11, 0.01, 0.05) is None
    close = units_needed(1_000_000, 9_900, 0.01, 0.05)
    assert close is not None
    assert close > 10_000_000
