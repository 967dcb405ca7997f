"""`make calibrate` in short: the same kinds of runs, fewer and smaller."""

from dataclasses import dataclass, replace

import pytest

from shadowstream.judge.evidence.rates import false_promotion
from tests.judge.calibration import chosen, printed
from tests.judge.calibration_at_the_limit import Setting, at_the_limit, in_clusters, within_sixteen
from tests.judge.calibration_of_auc import AucSetting
from tests.judge.calibration_of_clusters import BOTH, CASES, Case, of_a_case
from tests.judge.calibration_of_losses import LossSetting, at_the_margin, beyond_the_margin, within_the_margin
from tests.judge.calibration_of_slices import SliceSummary, at_the_limit_in_slices, one_bad_slice
from tests.judge.claims import RUNS_LEAST, Part, limits
from tests.judge.power import RACES, Detection, Quiet, Race, compared, quiet
from tests.judge.stats_records import HOUR_MS

AT_THE_LIMIT = Setting(0.05, 0.05, units=200, windows=10, runs=RUNS_LEAST)
IN_CLUSTERS = Setting(0.01, 0.01, units=500, windows=30, runs=12, clusters=True, min_duration_ms=24 * HOUR_MS)
A_QUARTER = Setting(0.01, 0.0025, units=200, windows=8, runs=50)


def test_at_the_limit_promote_and_reject_are_as_rare_as_alpha() -> None:
    assert [line for line, holds in at_the_limit(AT_THE_LIMIT, seed=1) if not holds] == []


def test_where_mismatches_cluster_records_never_promote() -> None:
    assert [line for line, holds in in_clusters(IN_CLUSTERS, seed=1) if not holds] == []


def test_a_candidate_at_a_quarter_of_the_limit_is_shown_good_soon() -> None:
    assert [line for line, holds in within_sixteen(A_QUARTER, seed=1) if not holds] == []


def test_slices_at_the_limit_block_promote_as_rarely_as_alpha() -> None:
    setting = SliceSummary(0.05, values=6, units=40, windows=10, runs=60)
    assert [line for line, holds in at_the_limit_in_slices(setting, seed=1) if not holds] == []


def test_one_bad_slice_holds_a_promote_back() -> None:
    setting = SliceSummary(0.01, values=10, units=5, windows=12, runs=15, rate=0.0, bad_value=0.5)
    assert [line for line, holds in one_bad_slice(setting, seed=1) if not holds] == []


def test_a_loss_at_the_margin_is_decided_as_rarely_as_alpha() -> None:
    setting = LossSetting("narrow", 0.01, 0.01, units=300, windows=8, runs=20)
    assert [line for line, holds in at_the_margin(setting, seed=1) if not holds] == []


def test_equal_and_better_losses_are_promoted_and_worse_ones_rejected() -> None:
    equal = LossSetting("narrow", 0.0, 0.02, units=300, windows=8, runs=8)
    assert [line for line, holds in within_the_margin(equal, seed=1) if not holds] == []
    worse = LossSetting("right_or_wrong", 0.3, 0.02, units=300, windows=4, runs=4)
    assert [line for line, holds in beyond_the_margin(worse, seed=1) if not holds] == []


def test_an_auc_at_the_margin_is_decided_as_rarely_as_alpha() -> None:
    setting = AucSetting("even", 0.05, 0.05, units=120, windows=6, runs=16)
    assert [line for line, holds in at_the_margin(setting, seed=1) if not holds] == []


def test_an_equal_auc_is_promoted_and_a_worse_one_rejected() -> None:
    equal = AucSetting("even", 0.0, 0.1, units=300, windows=8, runs=4)
    assert [line for line, holds in within_the_margin(equal, seed=1) if not holds] == []
    worse = AucSetting("even", 0.2, 0.02, units=300, windows=6, runs=4)
    assert [line for line, holds in beyond_the_margin(worse, seed=1) if not holds] == []


@pytest.mark.parametrize("setting", [AT_THE_LIMIT, Setting(0.05, 0.05, units=1, windows=300, runs=1)])
def test_looking_at_window_ends_finds_no_more_than_looking_after_each_pair(setting: Setting) -> None:
    every = false_promotion(0.05, 0.05, setting.units * setting.windows)
    assert setting.exactly_good <= every * (1 + 1e-12)
    if setting.units == 1:
        assert setting.exactly_good == pytest.approx(every, rel=1e-12)


STATED = (
    *("50 keys", "half the limit, bursts of 10", "half the limit, lone_bursts of 10"),
    *("equal twin, in tens", "equal labels, in tens", "equal twin, by 10", "labels of equal sides, by 10"),
)
"""Each source of bad records and each rate, in one size."""
SHORT = [case for case in CASES if case.holds and case.name.startswith(STATED)]


@pytest.mark.parametrize("runs", [4, pytest.param(8, marks=pytest.mark.long)])
@pytest.mark.parametrize("case", SHORT, ids=lambda case: f"{case.name}, {case.source}")
def test_where_bad_records_cluster_the_promises_hold_as_stated(case: Case, runs: int) -> None:
    assert [line for line, holds in of_a_case(replace(case, runs=runs, windows=30), seed=1) if not holds] == []


@pytest.mark.parametrize("race", [RACES[0], RACES[3], RACES[4]], ids=lambda race: race.name)
def test_a_decision_comes_nearly_as_soon_as_with_a_known_rate(race: Race) -> None:
    assert [line for line, holds in compared(replace(race, runs=25), seed=3) if not holds] == []


def test_a_change_is_detected_and_a_quiet_rate_never_is() -> None:
    assert [line for line, holds in compared(Detection(500, runs=16), seed=3) if not holds] == []
    for setting in (Quiet(0.55, 0.8, 500, windows=1_000), Quiet(0.9, 0.0, 100, jump=100, windows=500)):
        assert [line for line, holds in quiet(setting, seed=3) if not holds] == []


@dataclass(frozen=True)
class Runs:
    """A setting whose number of runs alone counts."""

    runs: int


@pytest.mark.parametrize(("share", "runs", "kept"), [(0.2, 2_000, 400), (0.2, 200, 80), (0.2, 40, 40), (1.0, 200, 200)])
def test_a_share_of_the_runs_keeps_enough_for_a_claim(share: float, runs: int, kept: int) -> None:
    part = Part("runs", lambda setting, seed: [(f"{setting.runs} of seed {seed}", True)], Runs(runs))
    assert part.lines(8, share) == [(f"{kept} of seed 8", True)]


def test_none_in_the_least_number_of_runs_is_under_alpha() -> None:
    assert limits(0, RUNS_LEAST)[1] < 0.05 < limits(0, RUNS_LEAST // 2)[1]


@pytest.mark.parametrize(("holds", "refuted"), [(("promoted",), 0), (BOTH, 1)])
def test_a_refuted_claim_is_named_and_fails(
    holds: tuple[str, ...], refuted: int, capsys: pytest.CaptureFixture[str]
) -> None:
    worse = next(case for case in CASES if case.name.startswith("worse twin"))
    part = Part("clusters", of_a_case, replace(worse, holds=holds, runs=8))
    assert printed([part], seed=8, share=1.0, processes=1) == refuted
    text = capsys.readouterr().out
    assert f"{refuted} claims refuted" in text
    assert text.count("<- REFUTED") == refuted
    assert ("rejected: 8 of 8 (1.0000 [0.6306, 1.0000]); claim: at most alpha 0.05" in text) == bool(refuted)


def test_parts_are_chosen_by_their_title() -> None:
    assert {part.subject for part in chosen("^(loss|auc)")} == {"loss", "auc"}
    assert [part.setting.name for part in chosen("labels of equal sides")] == [
        case.name for case in CASES if case.name.startswith("labels of equal sides")
    ]
    with pytest.raises(ValueError, match="subjects: clusters, power"):
        chosen("no such part")
