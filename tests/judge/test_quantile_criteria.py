"""Criteria on latency quantiles from end to end: windows of a sketch in, decisions and sentences out."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from shadowstream.codecs.own import decode, encode
from shadowstream.config import Config, Criterion
from shadowstream.judge.step import JudgeStep
from shadowstream.judge.verdict.explain import Explanation, explain
from tests.judge.calibration_of_quantiles import TASK, Pairs, at_the_ratio, power, record_of
from tests.judge.stats_records import REVISION, config

P99 = {"rate": "latency", "quantile": 0.99, "ratio": 1.2}


def settings_of(**more: Any) -> Config:
    """A trial that judges this quantile."""
    return config(criteria=[P99 | more], min_duration_ms=0)


def judged(settings: Config, pairs: Pairs, windows: int, restart_at: int = -1) -> dict[str, Any]:
    """The verdict after that many windows, of a judge that may restart before one of them."""
    dice = np.random.default_rng(2)
    step = JudgeStep(settings, REVISION, [TASK])
    for index in range(windows):
        if index == restart_at:
            state = decode(encode("judge_state", step.state()))[1]
            step = JudgeStep(settings, REVISION, [TASK])
            step.restore(state)
        step.step(0, index, record_of(index, *pairs.window(dice)))
    verdict = decode(encode("verdict", step.verdict(0)))[1]
    assert isinstance(verdict, dict)
    return verdict


def explained(verdict: dict[str, Any]) -> Explanation:
    return explain(verdict, verdict["decision"], verdict["reasons"])


def test_an_equal_candidate_is_promoted_under_a_ratio_above_one() -> None:
    verdict = judged(settings_of(), Pairs(1.2), 24)
    quantile = verdict["criteria"][0]
    assert (verdict["decision"], quantile["rate"], quantile["limit"], quantile["n"]) == (
        "promote",
        "latency:p99",
        0.01,
        12_000,
    )
    assert "is shown to lie under 1.2 times production's" in verdict["reasons"][0]
    production, candidate = quantile["quantiles"]
    assert (production["side"], candidate["side"]) == ("production", "candidate")
    assert candidate["upper"] <= 1.2 * production["lower"]
    assert [side["n"] for side in verdict["latencies"]] == [12_000, 12_000]
    assert any(note.startswith("latency of candidate, ms: p50 ") for note in explained(verdict).notes)


def test_a_slower_candidate_is_rejected_with_both_quantiles_in_the_reason() -> None:
    verdict = judged(settings_of(), Pairs(1.2, slower=2.0), 24)
    assert verdict["decision"] == "reject"
    assert "ms is shown to be over 1.2 times production's" in verdict["reasons"][0]
    assert verdict["criteria"][0]["shown_bad"]


@pytest.mark.parametrize(
    ("slower", "windows", "state", "words"),
    [
        (1.0, 6, "not shown yet", "pairs like these are needed"),
        (1.22, 20, "over the limit", "make the candidate faster, or set another ratio"),
        (1.0, 0, "no records", "no window"),
    ],
)
def test_an_undecided_quantile_names_the_next_step(slower: float, windows: int, state: str, words: str) -> None:
    verdict = judged(settings_of(), Pairs(1.2, slower=slower), windows)
    assert verdict["decision"] == "not_yet"
    assert words in " ".join(verdict["reasons"])
    assert explained(verdict).outlooks[0].state == state


def test_the_forecast_of_pairs_is_about_right() -> None:
    verdict = judged(settings_of(), Pairs(1.2), 6)
    needed = explained(verdict).outlooks[0].needed
    assert needed is not None
    assert 3_000 < needed < 12_000


def test_slow_pairs_in_bursts_hold_a_promote_back_and_it_is_named() -> None:
    verdict = judged(settings_of(ratio=1.5), Pairs(1.5, burst=50), 60)
    assert verdict["decision"] == "not_yet"
    assert explained(verdict).outlooks[0].state == "clustered"


def test_windows_too_few_to_see_clusters_hold_a_promote_back() -> None:
    verdict = judged(settings_of(ratio=2.0), Pairs(2.0), 10)
    assert verdict["decision"] == "not_yet"
    assert verdict["criteria"][0]["shown_good"]
    assert "too few windows have closed to see whether slow pairs come together" in " ".join(verdict["reasons"])
    assert judged(settings_of(ratio=2.0), Pairs(2.0), 14)["decision"] == "promote"


def test_a_restart_changes_no_byte() -> None:
    pairs = Pairs(1.2, slower=1.1)
    whole = judged(settings_of(), pairs, 20)
    assert judged(settings_of(), pairs, 20, restart_at=9) == whole


def test_a_quantile_of_one_output_topic_counts_its_pairs() -> None:
    verdict = judged(settings_of(topic="scores"), Pairs(1.2), 3)
    assert [(one["rate"], one["n"]) for one in verdict["criteria"][:1]] == [("latency:p99@topic=scores", 1_500)]


def test_latencies_of_one_side_only_are_an_error_of_counts() -> None:
    step = JudgeStep(settings_of(), REVISION, [TASK])
    record = record_of(0, *Pairs(1.2).window(np.random.default_rng(1)))
    record["windows"][0]["latencies"] = [one for one in record["windows"][0]["latencies"] if one["side"] == "shadow"]
    step.step(0, 0, record)
    verdict = step.verdict(0)
    assert verdict["decision"] == "not_yet"
    assert "the joiner's counts are wrong" in " ".join(verdict["reasons"])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"quantile": None}, "limit"),
        ({"ratio": None}, "needs ratio"),
        ({"limit": 0.05}, "is 1 - quantile; leave it out"),
        ({"quantile": 0.3}, "0.5"),
        ({"unit": "block"}, "leave unit out"),
        ({"where": {"tenant": "eu"}}, "where does not go with rate: latency"),
        ({"rate": "mismatch", "limit": 0.01, "ratio": None}, "quantile does not go with rate: mismatch"),
    ],
)
def test_a_quantile_that_makes_no_sense_is_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Criterion.model_validate(P99 | more)


def test_a_quantile_needs_latencies_to_be_counted() -> None:
    own = settings_of().model_dump(exclude_unset=True) | {"compare": {}}
    with pytest.raises(ValidationError, match=r"latency:p99 needs compare.latency"):
        Config.model_validate(own)


def test_equal_sides_are_decided_as_rarely_as_alpha() -> None:
    setting = Pairs(1.0, quantile=0.9, units=100, windows=20, runs=60)
    assert [line for line, holds in at_the_ratio(setting, seed=1) if not holds] == []


def test_a_faster_candidate_is_promoted_soon() -> None:
    setting = replace(Pairs(1.5), runs=3, windows=16)
    assert [line for line, holds in power(setting, 1, "promoted", 0.8) if not holds] == []
