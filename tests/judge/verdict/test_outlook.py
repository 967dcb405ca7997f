"""What `explain` says of a criterion, for each kind of unit and each way to stand in the way; and of the rest."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from shadowstream.judge.evidence.rates import critical_n, lower_limit, upper_limit
from shadowstream.judge.step import JudgeStep
from shadowstream.judge.verdict.explain import Explanation, explain
from shadowstream.judge.verdict.gate_reasons import AGED
from shadowstream.judge.verdict.outlook import Outlook
from shadowstream.judge.verdict.verdict_notes import notes_beside
from shadowstream.protocol.mean_sums import grid_sums
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats

CONFIRMED_WITHIN = 0.2
HOURS_MAX = 1_500
MISMATCH = {"rate": "mismatch", "limit": 0.01}
Hour = Callable[[int], dict[str, Any]]


class Run:
    """A trial of one task, hour by hour."""

    def __init__(self, *criteria: dict[str, Any], settings: dict[str, Any] | None = None, **judge: Any) -> None:
        trial = config(**({"criteria": list(criteria)} if criteria else {}), **judge)
        self.step = JudgeStep(trial.model_copy(update=settings or {}), REVISION, ["scores/0"])
        self.hours = 0

    def go_on(self, delta: dict[str, Any], **more: Any) -> None:
        start_ms = self.hours * HOUR_MS
        self.hours += 1
        outlook = stats("scores/0", self.hours, delta | {"start_ms": start_ms}, watermark_ms=start_ms + HOUR_MS, **more)
        self.step.step(0, self.hours, outlook)

    def explained(self) -> Explanation:
        verdict = self.step.verdict(0)
        return explain(verdict, verdict["decision"], verdict["reasons"])

    def first(self) -> Outlook:
        return self.explained().outlooks[0]


def pairs(bad: int, of: int) -> dict[str, Any]:
    return cell(0, **{name: n for name, n in {"match": of - bad, "mismatch": bad, "input": of}.items() if n})


def by_bucket(hour: int) -> dict[str, Any]:
    """Thirty other keys an hour of five pairs each; one of them differs in one each fourth hour."""
    buckets = [{"bucket": (30 * hour + key) % 1024, "n": 5, "s": int(key == 3 and hour % 4 == 0)} for key in range(30)]
    return {**pairs(int(hour % 4 == 0), 150), "buckets": buckets}


def of_means(hour: int) -> dict[str, Any]:
    values = np.array([0.04 if n == hour % 10 else 0.0 for n in range(20)])
    return {
        **pairs(0, 20),
        "means": [{"path": "score", "n": 20, "sums": list(grid_sums(values, 0.02)), "bound": 1.0, "limit": 0.02}],
    }


def labelled(hour: int) -> dict[str, Any]:
    wrong = int(hour % 8 == 1)
    labels = {"label_production_only": wrong, "label_candidate_only": 3, "label_both_right": 47 - wrong}
    return {**pairs(0, 50), "outcomes": {"match": 50, **labels}}


BLOCK: dict[str, Any] = {"rate": "mismatch", "unit": "block"}
KINDS: dict[str, tuple[dict[str, Any], Hour, int]] = {
    "blocks alike": ({**BLOCK, "limit": 0.05}, lambda _: pairs(1, 50), 30),
    "blocks, one in five bad": ({**BLOCK, "limit": 0.05}, lambda hour: pairs(5 * (hour % 5 == 2), 50), 40),
    "blocks without a bad one": ({**BLOCK, "limit": 0.05}, lambda _: pairs(0, 50), 10),
    "keys": ({"rate": "mismatch", "unit": "key", "limit": 0.02}, by_bucket, 5),
    "a mean": ({"rate": "mean", "path": "score", "bound": 1.0, "limit": 0.02}, of_means, 6),
    "labels": ({"rate": "labels", "limit": 0.5}, labelled, 2),
    "records with a floor": ({**MISMATCH, "min_units": 3_000}, lambda _: pairs(0, 50), 5),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_units_needed_are_those_at_which_the_run_passes(kind: str) -> None:
    criterion, hour, asked_after = KINDS[kind]
    run = Run(criterion)
    for number in range(asked_after):
        run.go_on(hour(number))
    outlook = run.first()
    assert not outlook.passed
    assert outlook.needed is not None
    assert outlook.more == outlook.needed - outlook.n > 0
    assert outlook.hours == pytest.approx(outlook.more / (outlook.n / asked_after))
    while not (now := run.first()).passed:
        assert run.hours < HOURS_MAX
        run.go_on(hour(run.hours))
    assert abs(now.n - outlook.needed) <= CONFIRMED_WITHIN * now.n, (outlook, now)
    assert now.state == "shown good"


def test_bad_ones_that_cluster_need_another_unit_and_no_number() -> None:
    run = Run(MISMATCH)
    for number in range(100):
        run.go_on(pairs(10 * (number == 50), 50))
    outlook = run.first()
    assert (outlook.state, outlook.passed, outlook.needed) == ("clustered", False, None)
    assert outlook.why[0].startswith("bad ones cluster (design effect ")
    assert "set unit: key or block" in outlook.why[0]
    assert any("judge it by another unit" in one for one in run.explained().todo)


def test_shown_good_by_all_that_came_needs_no_more_units() -> None:
    run = Run(MISMATCH, {"rate": "missing", "limit": 0.01, "trailing_units": 898})
    for _ in range(10):
        run.go_on(pairs(0, 50))
    mismatch, missing = run.explained().outlooks[:2]
    assert (mismatch.state, mismatch.needed, mismatch.more) == ("shown good", 500, 0)
    assert (missing.state, missing.passed, missing.needed, missing.more) == ("too few yet", False, 898, 398)


def test_a_muted_criterion_is_shown_and_stands_in_nobodys_way() -> None:
    run = Run(MISMATCH, {"rate": "missing", "limit": 0.01, "muted": True})
    for _ in range(40):
        run.go_on(cell(0, match=50, missing=25, input=75))
    found = run.explained()
    missing = found.outlooks[1]
    assert (found.decision, missing.state, missing.passed, missing.muted) == ("promote", "shown bad", True, True)
    assert "; muted: it decides nothing" in missing.sentence


def test_where_only_the_least_duration_is_lacking_it_says_the_hours() -> None:
    run = Run(MISMATCH)
    for _ in range(20):
        run.go_on(pairs(0, 50))
    found = run.explained()
    assert found.not_passed == []
    assert found.hours == 4
    assert found.todo == ("let it run 4 h more of event time with traffic: the least duration",)
    assert found.blockers[0].startswith("covered 20 h of the 24 h needed (span 20 h): ")
    for _ in range(4):
        run.go_on(pairs(0, 50))
    assert run.explained().decision == "promote"


def test_the_hours_are_those_of_what_takes_longest() -> None:
    run = Run(MISMATCH)
    for _ in range(2):
        run.go_on(pairs(0, 15))
    slow = run.explained()
    assert slow.hours == slow.outlooks[0].hours == pytest.approx(420 / 15)
    assert "mismatch takes longest, 420 more, about 28 h of event time" in slow.todo[0]
    run = Run(MISMATCH)
    for _ in range(2):
        run.go_on(pairs(0, 100))
    todo = run.explained().todo[0]
    assert todo == "let it run 22 h more of event time with traffic: the least duration takes longest"


def test_without_labels_it_is_not_yet_and_says_what_to_look_at() -> None:
    run = Run({"rate": "labels", "limit": 0.5}, MISMATCH)
    for _ in range(40):
        run.go_on(cell(0, match=50, input=50, label_unlabelled=20))
    found = run.explained()
    assert found.decision == "not_yet"
    assert (found.outlooks[0].state, found.outlooks[0].n, found.outlooks[0].passed) == ("no records", 0, False)
    assert "no pair has a label yet; 800 pairs ended their wait without one" in " ".join(found.todo)
    assert "labels: 0 of 800 pairs whose wait has ended were labelled" in found.notes


def test_labels_that_distinguish_nothing_are_named() -> None:
    run = Run({"rate": "labels", "limit": 0.5}, MISMATCH)
    for _ in range(40):
        run.go_on(cell(0, match=50, input=50, label_both_right=20, label_neither=1, label_unlabelled=4))
    found = run.explained()
    assert found.decision == "not_yet"
    assert "of 840 labelled pairs there is none on which only one side was right" in " ".join(found.todo)
    assert "labels: 840 of 1000 pairs whose wait has ended were labelled" in found.notes


def test_coverage_attempt_and_what_it_cannot_vouch_for_are_reported() -> None:
    run = Run(settings={"release": "may"})
    run.step = JudgeStep(run.step.config, REVISION, ["scores/0"], attempt=2)
    for _ in range(3):
        run.go_on(cell(0, match=60, unpairable_production=19, duplicate_production=1, input=80))
    notes = run.explained().notes
    assert notes[0] == "attempt 2 at release may: each is judged more strictly than the last"
    assert notes[1] == "covered 3 h of the 24 h needed (span 3 h)"
    assert notes[2] == "note: the candidate ran in a process of its own"
    assert notes[3].startswith("note: 3 records of production came twice")


def test_coverage_is_reported_once_as_a_reason_or_as_a_note() -> None:
    run = Run()
    run.go_on(cell(0, match=60, unpairable_production=20, input=80))
    found, record = run.explained(), run.step.verdict(0)
    assert record is not None
    assert "coverage: 75 % of production's records (60 of 80) were compared or judged" in " ".join(found.blockers)
    assert not any(note.startswith("coverage: ") for note in [*found.notes, *notes_beside(record, record["reasons"])])
    stale = explain(record, "not_yet", ["the verdict is old"])
    assert stale.notes[0].startswith("coverage: 75 % of production's records were compared or judged missing, ")
    assert notes_beside(record, ["the verdict is old"])[0] == stale.notes[0]


def test_a_trial_at_its_end_is_not_advised_to_wait() -> None:
    run = Run()
    run.go_on(cell(0, match=60, input=60))
    record = run.step.verdict(0)
    assert record is not None
    assert "let it run" in explain(record, "not_yet", record["reasons"]).todo[0]
    over = explain(record | {"final": True}, "not_yet", record["reasons"]).todo
    assert not any("let it run" in one for one in over)
    ended = explain(record | {"final": True}, "not_yet", record["reasons"]).outlooks
    assert any("an hour" in one.sentence for one in explain(record, "not_yet", record["reasons"]).outlooks)
    assert not any("hours=" in one.sentence or "an hour" in one.sentence for one in ended)
    assert over[0].startswith("the trial has read all that it was to read, so waiting adds nothing")
    nothing = record | {"final": True, "windows_closed": 0, "reasons": ["no window with compared records has closed"]}
    assert "wait until" not in " ".join(explain(nothing, "not_yet", nothing["reasons"]).todo)


def test_old_data_are_not_the_judges_fault() -> None:
    run = Run()
    run.go_on(cell(0, match=60, input=60))
    record = run.step.verdict(0) | {"decision": "promote"}
    assert "whether the judge runs" in explain(record, "not_yet", ["the verdict (promote) is 7200 s old"]).todo[0]
    assert explain(record, "not_yet", [f"{AGED}2026-01-01T00:00:00Z"]).todo[0].startswith("see that new records come")


def test_a_criterion_of_no_units_is_no_good_one_so_far() -> None:
    run = Run()
    run.go_on(cell(0, extra=1, input=60))
    record = run.step.verdict(0)
    assert record is not None
    outlook = [reason for reason in record["reasons"] if reason.startswith("mismatch: ")]
    assert outlook == ["mismatch: no pairs could be judged yet; 449 without a bad one are needed"]


def test_an_open_incident_shows_members_acknowledgement_and_excess() -> None:
    from shadowstream.config import Config

    trial = config(criteria=[MISMATCH | {"critical": False}]).model_dump(exclude_unset=True)
    trial["compare"] = {"dimensions": [{"name": "carrier", "path": "carrier"}]}
    run = Run()
    run.step = JudgeStep(Config.model_validate(trial), REVISION, ["scores/0"])
    for hour in range(60):
        bad = 20 if hour >= 40 else 0
        slices = [
            {"dimensions": ["carrier"], "values": [name], "n": n, "s": s}
            for name, n, s in (("UA", 50, bad), ("AA", 250, 0))
        ]
        run.go_on({**pairs(bad, 300), "slices": slices})
    found = run.explained()
    (incident,) = found.incidents
    assert "mismatch:carrier=UA since 1970-01-02 " in incident
    assert incident.endswith("; not acknowledged yet")
    assert found.slices[0].startswith("carrier=UA: 400 of 3,000 pairs differ (13.33 %)")
    assert "`shadowstream alerts ack CONFIG INCIDENT --by WHO`" in " ".join(found.todo)
    outlook = {"command": "ack", "subject": incident.split(": ")[0], "by": "ana", "reason": "rolled back", "at_ms": 1}
    run.step.command(0, outlook)
    run.step.command(1, outlook | {"command": "mute", "until_ms": 3_600_000})
    (incident,) = run.explained().incidents
    assert incident.endswith("; ana acts on it: rolled back; muted by ana until 1970-01-01 01:00 UTC")


def test_a_reject_is_reported_as_it_was_decided() -> None:
    run = Run()
    for _ in range(40):
        run.go_on(pairs(5, 50))
    found = run.explained()
    assert found.decision == "reject"
    assert "pairs), shown to be over the limit 1 %" in found.blockers[0]
    assert found.outlooks[0].needed is None


@pytest.mark.parametrize(("share", "looks"), [(0.005, 0.9), (0.0025, 0.9)])
def test_a_good_candidate_keeps_its_promote_nine_looks_in_ten(share: float, looks: float) -> None:
    run, draw, passed = Run(MISMATCH), np.random.default_rng(20_130_101), []
    for hour in range(400):
        run.go_on(pairs(int(draw.binomial(500, share)), 500))
        if hour % 4 == 0:  # neighbours share most of their windows
            passed.append(run.step.verdict(0)["decision"] == "promote")
    since = passed[passed.index(True) :]
    assert len(since) > 75
    assert np.mean(since) >= looks


def test_nine_runs_in_ten_need_no_more_than_the_likely_units() -> None:
    run, draw = Run(MISMATCH), np.random.default_rng(5)
    for _ in range(4):
        run.go_on(pairs(1, 300))
    outlook = run.first()
    assert outlook.likely is not None
    assert outlook.more is not None
    low, high = outlook.likely
    assert low <= outlook.more <= (high or 10**9)
    within = 0
    for _ in range(300):
        # The rate is one that 4 of 1,200 leave likely.
        rate, n, s = draw.beta(5, 1197), 1200, 4
        while critical_n(s, 0.01, 0.05) > n and n < 60_000:
            n, s = n + 100, s + int(draw.binomial(100, rate))
        within += n - 1200 <= (high or 60_000)
    assert within >= 0.85 * 300
    assert outlook.by_ms == 5 * HOUR_MS
    assert f"likely {low:,} to " in outlook.sentence
    assert "under the limit with a chance of 99" in outlook.sentence


def test_each_rate_and_productions_own_noise_are_shown_with_their_limits() -> None:
    run = Run({"rate": "twin", "limit": 0.6}, MISMATCH)
    for _ in range(4):
        joint = {"joint_shadow": 3, "joint_twin": 2, "joint_both": 1, "joint_neither": 244}
        run.go_on(cell(0, match=246, mismatch=4, input=250, **joint))
    found = run.explained()
    assert found.outlooks[1].bounds == pytest.approx((lower_limit(1000, 16, 0.05), upper_limit(1000, 16, 0.05)))
    assert "(between 0.503 % and 3.01 %; " in found.outlooks[1].sentence
    noise = "production differs from its own second run in 1.2 % (0.298 % to 2.45 %) of 1,000 pairs"
    assert f"twin: {noise}, the candidate 1.6 % (0.503 % to 3.01 %)" in found.notes


@pytest.mark.parametrize(("busy", "seen"), [(8, "; of the 24 h of a season only 8 h have been seen"), (24, "")])
def test_a_season_that_was_seen_in_part_only_is_named(busy: int, seen: str) -> None:
    run = Run(MISMATCH)
    for hour in range(96):
        run.go_on(pairs(0, 50) if hour % 24 < busy else cell(0))
    (covered,) = (note for note in run.explained().notes if note.startswith("covered "))
    assert covered.startswith(f"covered {4 * busy} h of the 24 h needed")
    assert seen in covered
    assert ("season" in covered) == bool(seen)
