"""A trial that `until` ends: what may hide missing records holds promote back, and nothing else does."""

from typing import Any

import pytest

from shadowstream.config import Config, Identity
from shadowstream.judge.coverage.beyond_end import blockers, hidden_max
from shadowstream.judge.step import JudgeStep
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats

ENDS = config().model_copy(update={"until": 1_000})


def identified(**identity: str) -> Config:
    return ENDS.model_copy(update={"identity": Identity.model_validate(identity)})


@pytest.mark.parametrize(
    ("outcomes", "hidden"),
    [
        ({"input": 100, "match": 80, "missing": 20, "sampled_out": 30}, 0),
        ({"input": 100, "match": 80, "sampled_out": 50}, 20),
        ({"input": 100, "match": 80, "sampled_out": 5}, 5),
        ({"input": 100, "match": 100, "sampled_out": 1_000}, 0),
        ({"input": 100, "match": 70, "undecodable_production": 10, "sampled_out": 50}, 20),
    ],
)
def test_no_more_is_hidden_than_inputs_without_a_record(outcomes: dict[str, int], hidden: int) -> None:
    assert hidden_max(ENDS, outcomes) == hidden
    assert hidden_max(config(), outcomes) == 0
    assert hidden_max(identified(kind="coordinate", header="input"), outcomes) == 0
    assert hidden_max(identified(kind="key", outputs="many"), outcomes) == outcomes["sampled_out"]


def verdict_of(**outcomes: int) -> dict[str, Any]:
    step = JudgeStep(ENDS, REVISION, ["scores/0"])
    for hour in range(40):
        held = cell(hour * HOUR_MS, **outcomes)
        step.step(0, hour, stats("scores/0", hour + 1, held, watermark_ms=(hour + 1) * HOUR_MS))
    return step.verdict(0)


def test_a_promote_waits_where_the_end_may_hide_missing_records() -> None:
    assert verdict_of(input=100, match=100, sampled_out=50)["decision"] == "promote"
    held = verdict_of(input=100, match=95, sampled_out=50)
    assert held["decision"] == "not_yet"
    (reason,) = [one for one in held["reasons"] if one.startswith("until: ")]
    assert "up to 200 of 4,000 records of production (5 %) may belong to inputs before the end" in reason
    assert blockers(ENDS, {"input": 1_000, "match": 995, "sampled_out": 50}) == []
