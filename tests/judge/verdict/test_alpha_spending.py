"""Alpha over the trials of one release: candidates side by side share it, and their attempts spend each share."""

import math
from typing import Any

import pytest

from shadowstream.config import Config
from shadowstream.judge.evidence.rates import false_promotion
from shadowstream.judge.step import JudgeStep
from shadowstream.judge.verdict.alpha_spending import at_attempt
from shadowstream.judge.verdict.explain import explain
from shadowstream.judge.verdict.verdict import criteria_hash
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats


def one_of(candidates: int, **judge: Any) -> Config:
    """A trial of one of several candidates."""
    trial = config(**judge).model_dump(exclude_unset=True)
    return Config.model_validate(trial | {"release": "r1", "candidates": candidates})


def test_candidates_of_a_release_share_every_level() -> None:
    criteria = [{"rate": "mismatch", "limit": 0.01, "alpha": 0.02}, {"rate": "extra", "limit": 0.01}]
    whole, third = (at_attempt(one_of(candidates, criteria=criteria), 2).judge for candidates in (1, 3))
    assert third.alpha == pytest.approx(whole.alpha / 3)
    assert third.criteria[0].alpha == pytest.approx((whole.criteria[0].alpha or 0.0) / 3)
    assert third.criteria[1].alpha is None


@pytest.mark.parametrize("candidates", [3, 10])
def test_some_candidate_of_all_at_the_limit_is_promoted_at_alpha(candidates: int) -> None:
    """Exact for independent candidates; for any others the bounds add up (Boole)."""
    limit, units = 0.05, 5_000

    def some(shared: int) -> float:
        levels = [at_attempt(one_of(shared), attempt).judge.alpha for attempt in (1, 2, 3)]
        each = sum(float(false_promotion(limit, level, units)) for level in levels)
        assert each * shared <= 0.05 or shared < candidates
        first = float(false_promotion(limit, levels[0], units))
        return 1.0 - (1.0 - first) ** candidates

    assert some(candidates) <= 0.05
    print(f"{candidates} candidates: {some(1):.4f} without sharing, {some(candidates):.4f} with it")
    if candidates == 3:
        assert (round(some(1), 3), round(some(3), 3)) == (0.073, 0.024)


def test_the_number_is_in_verdict_and_explanation_and_decides_the_digest() -> None:
    verdicts = []
    for candidates in (1, 4):
        step = JudgeStep(one_of(candidates), REVISION, ["scores/0"])
        step.step(0, 0, stats("scores/0", 1, cell(0, match=900, input=900), watermark_ms=HOUR_MS))
        verdicts.append(step.verdict(0))
    one, four = verdicts
    assert (one["candidates"], four["candidates"]) == (1, 4)
    needed = [verdict["criteria"][0]["log_promote_at"] for verdict in verdicts]
    assert needed[1] - needed[0] == pytest.approx(math.log(4))
    assert "4 candidates share alpha" in " ".join(explain(four, "not_yet", four["reasons"]).notes)
    assert "share alpha" not in " ".join(explain(one, "not_yet", one["reasons"]).notes)
    assert criteria_hash(one_of(4)) != criteria_hash(one_of(1)) == criteria_hash(config())


def test_several_candidates_without_a_release_are_refused() -> None:
    with pytest.raises(ValueError, match="candidates: needs release"):
        Config.model_validate(config().model_dump(exclude_unset=True) | {"candidates": 2})
