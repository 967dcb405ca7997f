"""Detectors: what they see, what they never see, and that a restored one cannot be told from one never interrupted."""

import json
import math
import random
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river.drift import ADWIN

from shadowstream.errors import ConfigError
from shadowstream.judge.drift import sealed_state
from shadowstream.judge.drift.adwin import AdwinDetector, AdwinParams, Drift, Trimmed
from shadowstream.judge.drift.sealed_state import StateRefused
from shadowstream.judge.drift.shiryaev_roberts import ShiryaevRoberts, _log_of_both, _log_sum, alarm_level
from shadowstream.judge.drift.window_merger import Merged, WindowMerger


def through_json(snapshot: dict[str, object]) -> dict[str, object]:
    return dict(json.loads(json.dumps(snapshot)))


def rates(seed: int, *levels: tuple[int, float], units: int = 2000) -> list[float]:
    """Rates of windows of `units` units: (how many windows, true rate) after each other."""
    draw = np.random.default_rng(seed)
    return [float(s) / units for count, rate in levels for s in draw.binomial(units, rate, count)]


def found(detector: AdwinDetector, values: Iterable[float], start: int = 0) -> list[Drift]:
    results = [detector.update(start + index, x) for index, x in enumerate(values)]
    return [result for result in results if isinstance(result, Drift)]


# ---- ADWIN --------------------------------------------------------------------------------------------------------


def test_river_is_the_river_of_the_oracle() -> None:
    draw = random.Random(12345)
    adwin = ADWIN()  # type: ignore[no-untyped-call]  # river publishes no signatures
    flags = []
    for index, x in enumerate(draw.choices([0, 1], k=1000) + draw.choices(range(4, 8), k=1000)):
        adwin.update(x)  # type: ignore[no-untyped-call]  # river publishes no signatures
        if adwin.drift_detected:
            flags.append(index)
    assert flags == [1023]


def test_the_oracle_scaled_to_the_unit_interval_flags_at_the_same_index() -> None:
    draw = random.Random(12345)
    values = draw.choices([0, 1], k=1000) + draw.choices(range(4, 8), k=1000)
    flags = found(AdwinDetector(AdwinParams(p_ref=7.0, scale=1.0, clock=32)), values)
    assert [(flag.index, flag.since, flag.direction) for flag in flags] == [(1023, 1000, "up")]


def test_the_detector_decides_as_plain_river_does_on_the_scaled_values() -> None:
    values = rates(1, (300, 0.002), (100, 0.01), (200, 0.001), (100, 0.02))
    adwin = ADWIN(clock=1)  # type: ignore[no-untyped-call]  # river publishes no signatures
    detector = AdwinDetector(AdwinParams(p_ref=0.005))
    flags = 0
    for index, x in enumerate(values):
        adwin.update(min(x / 0.02, 1.0))  # type: ignore[no-untyped-call]  # river publishes no signatures
        flag = detector.update(index, x)
        assert (flag is not None) == bool(adwin.drift_detected)
        assert (detector.width, detector.estimation) == (adwin.width, adwin.estimation)
        if isinstance(flag, Drift):
            flags += 1
            assert (flag.width, flag.estimation) == (adwin.width, adwin.estimation)
    assert flags >= 3


@pytest.mark.parametrize("seed", range(4))
def test_a_trebled_rate_is_seen_soon_when_scaled_and_never_when_raw(seed: int) -> None:
    values = rates(seed, (1000, 0.002), (500, 0.006))
    assert found(AdwinDetector(AdwinParams(p_ref=1.0, scale=1.0)), values) == []
    first = found(AdwinDetector(AdwinParams(p_ref=0.002)), values)[0]
    assert 1000 <= first.index <= 1030
    assert abs(first.since - 1000) <= 3
    assert first.direction == "up"
    assert first.before == pytest.approx(0.002, rel=0.1)
    assert first.after == pytest.approx(0.006, rel=0.2)


def test_an_improvement_is_a_change_too_and_says_that_it_goes_down() -> None:
    first = found(AdwinDetector(AdwinParams(p_ref=0.01)), rates(3, (200, 0.02), (200, 0.001)))[0]
    assert first.direction == "down"
    assert first.after < first.before


def test_means_are_of_the_given_values_not_of_cut_ones() -> None:
    first = found(AdwinDetector(AdwinParams(p_ref=0.01)), [0.002] * 200 + [0.5] * 50)[0]
    assert first.since == 200
    assert first.before == pytest.approx(0.002)
    assert first.after == pytest.approx(0.5)
    assert first.estimation <= 1.0


def test_a_candidate_wrong_from_the_start_alarms_at_once_and_never_flags() -> None:
    values = rates(5, (2000, 0.3), units=100)
    assert found(AdwinDetector(AdwinParams(p_ref=0.01)), values) == []
    assert ShiryaevRoberts(0.01, 1e6).update(100, round(100 * values[0]))


def test_a_steady_rate_raises_no_flag_in_a_long_run() -> None:
    assert found(AdwinDetector(AdwinParams(p_ref=0.002)), rates(11, (9000, 0.002))) == []


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_counted_and_change_nothing(poison: float) -> None:
    values = rates(2, (100, 0.002), (100, 0.02))
    clean, poisoned = AdwinDetector(AdwinParams(p_ref=0.01)), AdwinDetector(AdwinParams(p_ref=0.01))
    expected = found(clean, values)
    flags = []
    for index, x in enumerate(values):
        assert poisoned.update(index, poison) is None
        flags.append(poisoned.update(index, x))
    assert [flag for flag in flags if flag] == expected != []
    assert (poisoned.refused, clean.refused) == (200, 0)
    assert poisoned.n_seen == clean.n_seen == 200


def wandering(seed: int, length: int = 500) -> list[float]:
    """Rates that jump between levels at random, so that several flags fall into one stream."""
    draw = random.Random(seed)
    values: list[float] = []
    while len(values) < length:
        level = draw.random() * 0.04
        spread = draw.choice([0.001, 0.004])
        values += [max(0.0, draw.gauss(level, spread)) for _ in range(draw.randint(5, 70))]
    return values[:length]


@pytest.mark.parametrize("seed", [0, 4])
def test_a_detector_rebuilt_at_any_index_continues_bit_for_bit(seed: int) -> None:
    values = wandering(seed)
    params = AdwinParams(p_ref=0.01, history_max=200)
    whole = AdwinDetector(params)
    snapshots, results = [], []
    for index, x in enumerate(values):
        snapshots.append(through_json(whole.snapshot()))
        results.append((whole.update(index, x), whole.width, whole.estimation))
    kinds = [type(result) for result, _, _ in results]
    assert kinds.count(Drift) >= 2, "the stream must hold flags, or this shows nothing"
    assert kinds.count(Trimmed) >= 1, "and reach the limit of history"
    for cut, snapshot in enumerate(snapshots):
        rebuilt = AdwinDetector(params)
        rebuilt.restore(snapshot)
        assert rebuilt.snapshot() == snapshot
        for index in range(cut, min(cut + 150, len(values))):
            assert (rebuilt.update(index, values[index]), rebuilt.width, rebuilt.estimation) == results[index]
    assert rebuilt.snapshot() == whole.snapshot()


def test_history_begins_anew_on_the_update_after_a_flag() -> None:
    detector = AdwinDetector(AdwinParams(p_ref=0.01))
    values = rates(7, (100, 0.001), (60, 0.03))
    first = found(detector, values[: 100 + 30])[0]
    held = detector.snapshot()["values"]
    assert held == values[first.index + 1 : 130]
    assert held


def test_a_history_at_its_limit_is_halved_and_says_so() -> None:
    detector = AdwinDetector(AdwinParams(p_ref=0.01, history_max=100))
    values = rates(9, (205, 0.004), (60, 0.03))
    results = [detector.update(index, x) for index, x in enumerate(values)]
    trims = [result for result in results if isinstance(result, Trimmed)]
    assert trims[:3] == [Trimmed(window, dropped=50, kept=50, drifts=()) for window in (99, 149, 199)]
    assert max(len(detector.snapshot()["values"]), detector.width) <= 100
    assert [result.since for result in results if isinstance(result, Drift)] == [205], "what is kept sees what follows"


@pytest.mark.parametrize(("seed", "trimmed_at", "flag_at", "kept"), [(5, 299, 299, 100), (367, 199, 191, 8)])
def test_a_change_seen_only_with_the_shorter_memory_is_not_lost(
    seed: int, trimmed_at: int, flag_at: int, kept: int
) -> None:
    """Rare: two of 400 such wild streams have one. The long memory's threshold was a little over the change."""
    detector = AdwinDetector(AdwinParams(p_ref=0.01, history_max=200))
    values = wandering(seed, 400)
    trimmed = [detector.update(index, x) for index, x in enumerate(values[: trimmed_at + 1])][-1]
    assert isinstance(trimmed, Trimmed)
    assert (trimmed.window, trimmed.dropped, trimmed.kept) == (trimmed_at, 200 - kept, kept)
    assert [(flag.index, flag.window) for flag in trimmed.drifts] == [(flag_at, flag_at)]
    assert detector.snapshot()["values"] == values[trimmed_at + 1 - kept : trimmed_at + 1]
    assert detector.snapshot()["n_seen"] == trimmed_at + 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 0}, "version 0"),
        ({"kind": "merger"}, "'merger'"),
        ({"river": "0.1.0"}, "river 0.1.0"),
        ({"params": {"p_ref": 0.02}}, "belongs to the parameters"),
        ({"n_seen": 8}, "damaged"),
        ({"values": [0.5]}, "damaged"),
        ({"sha256": "00"}, "damaged"),
        ({"sha256": None}, "damaged"),
    ],
)
def test_state_that_does_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    detector = AdwinDetector(AdwinParams(p_ref=0.01))
    found(detector, [0.001, 0.002, 0.003])
    snapshot = detector.snapshot() | change
    if not {"n_seen", "values", "sha256"} & set(change):
        body = {name: item for name, item in snapshot.items() if name != "sha256"}
        snapshot["sha256"] = sealed_state._digest(body)
    fresh = AdwinDetector(AdwinParams(p_ref=0.01))
    with pytest.raises(StateRefused, match=message):
        fresh.restore(snapshot)
    assert fresh.snapshot() == AdwinDetector(AdwinParams(p_ref=0.01)).snapshot(), "a refusal leaves it as it was"


@pytest.mark.parametrize(
    "wrong", [{"p_ref": 0.0}, {"p_ref": math.nan}, {"scale": -1.0}, {"delta": 1.0}, {"history_max": 5}]
)
def test_impossible_parameters_are_the_operators_error(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        AdwinParams(**({"p_ref": 0.01} | wrong))  # type: ignore[arg-type]  # one of them is an int


# ---- merging windows ----------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=80), st.integers(1, 100), st.integers(0, 80)
)
@settings(deadline=None)
def test_merged_windows_hold_every_unit_once_and_enough(counts: list[tuple[int, int]], least: int, cut: int) -> None:
    windows = [(1000 * index, 1000 * index + 1000, max(pair), min(pair)) for index, pair in enumerate(counts)]
    merger, merged = WindowMerger(least), []
    for index, window in enumerate(windows):
        if index == cut:
            snapshot = through_json(merger.snapshot())
            merger = WindowMerger(least)
            merger.restore(snapshot)
        merged.append(merger.add(*window))
    done = [window for window in merged if window]
    rest = [merger.pending] if merger.pending else []
    assert all(window.n >= least for window in done)
    assert all(window.n < least for window in rest)
    assert sum(window.n for window in done + rest) == sum(window[2] for window in windows)
    assert sum(window.s for window in done + rest) == sum(window[3] for window in windows)
    assert all(a.end_ms <= b.start_ms for a, b in zip(done, (done + rest)[1:], strict=False))
    unmerged = WindowMerger(least)
    assert [unmerged.add(*window) for window in windows] == merged


def test_a_window_that_holds_enough_is_passed_on_as_it_is() -> None:
    assert WindowMerger(10).add(5000, 6000, 10, 3) == Merged(5000, 6000, 10, 3, 1)


def test_a_gap_without_records_belongs_to_the_merged_window_only_between_records() -> None:
    merger = WindowMerger(10)
    assert [merger.add(0, 1, 0, 0), merger.add(1, 2, 5, 1), merger.add(2, 3, 0, 0)] == [None, None, None]
    assert merger.add(7, 8, 5, 0) == Merged(1, 8, 10, 1, 4 - 1)


@pytest.mark.parametrize("window", [(0, 1, 1, 2), (0, 1, 1, -1), (5, 5, 1, 0), (0, 1, 1, 0)])
def test_windows_out_of_order_or_impossible_are_refused(window: tuple[int, int, int, int]) -> None:
    merger = WindowMerger(10)
    merger.add(1, 2, 3, 0)
    with pytest.raises(ValueError, match="window"):
        merger.add(*window)


def test_a_merger_refuses_the_state_of_another_minimum() -> None:
    with pytest.raises(StateRefused, match="belongs to the parameters"):
        WindowMerger(10).restore(WindowMerger(11).snapshot())
    with pytest.raises(ConfigError, match="min_records"):
        WindowMerger(0)


# ---- Shiryaev-Roberts ---------------------------------------------------------------------------------------------


def test_the_evidence_is_the_sum_over_starts_of_the_likelihood_ratios() -> None:
    """M_t(k) is, multiplied out, the sum over j <= t of w_k L_k(x_j) ... L_k(x_t)."""
    p1, draw = 0.02, random.Random(4)
    windows = [(n := draw.randint(0, 60), draw.randint(0, n // 12)) for _ in range(40)]
    detector = ShiryaevRoberts(p1, 100.0)
    q = np.minimum(p1 * np.geomspace(1.25, 64, 8), 0.99)
    for t, (n, s) in enumerate(windows):
        detector.update(n, s)
        ratios = np.array([(q / p1) ** b * ((1 - q) / (1 - p1)) ** (m - b) for m, b in windows[: t + 1]])
        direct = sum((ratios[j:].prod(axis=0) / 8).sum() for j in range(t + 1))
        assert detector.log_evidence == pytest.approx(math.log(direct), rel=1e-9, abs=1e-9)


LOGS = st.floats(-800, 800) | st.just(-math.inf)


@given(one=LOGS, other=LOGS)
def test_the_sum_of_two_is_bit_for_bit_that_of_many(one: float, other: float) -> None:
    assert _log_of_both(one, other) == _log_sum([one, other]) == _log_of_both(other, one)


def test_a_record_at_a_time_each_record_is_a_step() -> None:
    detector = ShiryaevRoberts(0.1, 100.0)
    m = np.zeros(8)
    q = np.minimum(0.1 * np.geomspace(1.25, 64, 8), 0.99)
    for x in (0, 1, 1, 0, 1):
        detector.update(1, x)
        m = (m + 1 / 8) * (q / 0.1) ** x * ((1 - q) / 0.9) ** (1 - x)
        assert detector.log_evidence == pytest.approx(math.log(m.sum()))


def windows_until_alarm(p: float, level: float, seed: int, maximum: int, units: int = 50) -> int:
    detector, draw = ShiryaevRoberts(0.02, level), np.random.default_rng(seed)
    for index, s in enumerate(draw.binomial(units, p, maximum).tolist()):
        if detector.update(units, s):
            return index + 1
    return maximum


def test_at_the_limit_alarms_are_at_least_the_level_apart_on_average() -> None:
    level, runs = 20.0, 200
    # Cutting the runs short makes their mean smaller, so the test is the stricter for it.
    lengths = np.array([windows_until_alarm(0.02, level, seed, 400) for seed in range(runs)])
    assert (lengths < 400).any(), "no alarm at all would show nothing"
    assert lengths.mean() - 3 * lengths.std() / math.sqrt(runs) >= level


def test_beyond_the_limit_the_alarm_comes_soon() -> None:
    assert max(windows_until_alarm(0.06, 1000.0, seed, 500) for seed in range(50)) <= 40


def test_after_a_reset_evidence_is_counted_from_nothing() -> None:
    detector = ShiryaevRoberts(0.01, 50.0)
    assert detector.log_evidence == -math.inf
    assert detector.update(100, 50)
    detector.reset()
    assert not detector.alarm
    assert not detector.update(100, 0)


def test_windows_worth_more_than_a_double_holds_are_counted() -> None:
    detector = ShiryaevRoberts(0.001, 1e12)
    for _ in range(50):
        assert detector.update(1_000_000, 500_000)
    assert math.isfinite(detector.log_evidence)
    assert detector.log_evidence > 1e6


def test_a_restored_shiryaev_roberts_detector_goes_on_bit_for_bit() -> None:
    draw = random.Random(8)
    windows = [(n := draw.randint(0, 200), min(n, draw.randint(0, 8))) for _ in range(60)]
    whole, restored = ShiryaevRoberts(0.02, 50.0), ShiryaevRoberts(0.02, 50.0)
    for n, s in windows:
        snapshot = through_json(whole.snapshot())
        restored = ShiryaevRoberts(0.02, 50.0)
        restored.restore(snapshot)
        assert restored.update(n, s) == whole.update(n, s)
        assert restored.log_evidence == whole.log_evidence
    assert restored.snapshot() == whole.snapshot()


def test_a_shiryaev_roberts_detector_refuses_what_is_not_its_own() -> None:
    with pytest.raises(StateRefused, match="belongs to the parameters"):
        ShiryaevRoberts(0.02, 50.0).restore(ShiryaevRoberts(0.02, 51.0).snapshot())
    with pytest.raises(StateRefused, match="'merger'"):
        ShiryaevRoberts(0.02, 50.0).restore(WindowMerger(3).snapshot())
    with pytest.raises(StateRefused, match="damaged"):
        ShiryaevRoberts(0.02, 50.0).restore(ShiryaevRoberts(0.02, 50.0).snapshot() | {"log_m": [0.0] * 8})
    for p1, level in ((0.0, 5.0), (0.99, 5.0), (0.1, 1.0), (0.1, math.inf)):
        with pytest.raises(ConfigError, match="Shiryaev-Roberts"):
            ShiryaevRoberts(p1, level)
    with pytest.raises(ValueError, match="not a window"):
        ShiryaevRoberts(0.1, 5.0).update(3, 4)


def test_the_alarm_level_bounds_false_alarms_over_all_detectors() -> None:
    assert alarm_level(detectors=10, windows=720, false_alarms=0.1) == pytest.approx(72_000)
