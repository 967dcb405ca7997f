"""The turned trial by the joiner's and the judge's own steps: a worse new version rolls back, a good one does not."""

from typing import Any

import pytest

from shadowstream.config import Config
from shadowstream.handover.turned_config import Wanted, turned
from tests.judge.trials_through_the_joiner import SILENT, Value, joined, judged, trial

PAIRS, WORSE_FROM = 700, 200
PROFIT = {"rate": "loss", "path": "n", "loss": "value", "bound": 2.0, "margin": 0.1}
PRICE = {"rate": "loss", "path": "n", "loss": "cost", "bound": 2.0, "margin": 0.1}
HIGHER = {"rate": "mean", "path": "n", "signed": True, "better": "higher", "bound": 2.0, "limit": 0.05}
MISMATCH = {"rate": "mismatch", "limit": 0.02}
MISSING = {"rate": "missing", "limit": 0.02}


def old(i: int) -> dict[str, float]:
    return {"n": 1.0}


def lower(i: int) -> dict[str, float]:
    return {"n": 0.2 if i >= WORSE_FROM else 1.0}


def higher(i: int) -> dict[str, float]:
    return {"n": 1.8 if i >= WORSE_FROM else 1.0}


def drops(i: int) -> Any:
    return SILENT if i >= WORSE_FROM and i % 5 == 0 else old(i)


def turn(settings: Config) -> Config:
    """The config turned round, with another candidate; the rest of the file stays."""
    written = settings.model_dump(mode="json", exclude_unset=True)
    return Config.model_validate(turned(written, settings, Wanted("back", {"call": "old:f"})).document)


def verdict_of(settings: Config, production: Value, candidate: Value) -> dict[str, Any]:
    """The verdict once production has committed all inputs and the candidate has answered them."""
    world = joined(settings, production, candidate, PAIRS)
    world.production_committed[world.inputs[0]] = PAIRS
    world.done(PAIRS)
    world.turn(2)
    return judged(world)


@pytest.mark.parametrize(
    ("criterion", "worse"),
    [
        (MISMATCH, lower),
        (MISMATCH, higher),
        (PROFIT, lower),
        (PRICE, higher),
        (HIGHER, lower),
        (MISSING, drops),
    ],
)
def test_a_version_that_degrades_after_its_promote_is_rolled_back(criterion: dict[str, Any], worse: Value) -> None:
    before = trial([criterion])
    assert verdict_of(before, old, old)["decision"] == "promote"
    after = turn(before)
    assert verdict_of(after, old, old)["decision"] == "promote"
    verdict = verdict_of(after, worse, old)
    assert verdict["decision"] == "reject", verdict["reasons"]


@pytest.mark.parametrize(("criterion", "better"), [(PROFIT, higher), (PRICE, lower), (HIGHER, higher)])
def test_a_version_that_is_better_than_the_old_one_stays(criterion: dict[str, Any], better: Value) -> None:
    verdict = verdict_of(turn(trial([criterion])), better, old)
    assert verdict["decision"] == "promote", verdict["reasons"]


def test_reasons_name_production_as_the_worse_side() -> None:
    verdict = verdict_of(turn(trial([PROFIT])), lower, old)
    assert "production is worse by" in " ".join(verdict["reasons"])


def test_a_failing_old_version_rolls_nothing_back() -> None:
    """The shadow's own silence is what the new version has more: the limit of extra before, of missing now."""
    after = turn(trial([MISMATCH, {"rate": "extra", "limit": 0.5}]))
    assert verdict_of(after, old, drops)["decision"] != "reject"
