"""Evidence that has aged is not fresh because somebody judged it again (`gate --max-age`)."""

from typing import Any

import pytest

from shadowstream.cli.answer import Answer, aged
from shadowstream.config import Config
from tests.cli.verdict_topic import REVISION, verdict
from tests.least_config import least_config as trial

HOUR_MS = 3_600_000
YEAR_MS = 365 * 24 * HOUR_MS
TO_MS = 100 * YEAR_MS


def asked(decision: str, age_ms: int, settings: Config, max_age_ms: int = HOUR_MS, **more: Any) -> Answer:
    record = verdict(decision) | {"to_ms": TO_MS, "final": False} | more
    return aged(Answer(decision, ["because"], REVISION, record), settings, TO_MS + age_ms, max_age_ms)


def test_a_judge_without_a_live_joiner_promotes_nothing() -> None:
    found = asked("promote", YEAR_MS, trial())
    assert found.decision == "not_yet"
    assert "8760 h ago; at most 3.017 h count (--max-age, two windows and the grace)" in found.reasons[0]
    assert "bounded: true" in found.reasons[0]


@pytest.mark.parametrize("age_ms", [-YEAR_MS, 0, HOUR_MS, 3 * HOUR_MS])
def test_data_as_new_as_windows_let_them_be_are_fresh(age_ms: int) -> None:
    assert asked("promote", age_ms, trial()).decision == "promote"


def test_long_windows_and_a_long_grace_give_more_room() -> None:
    settings = trial(judge={"window_ms": 24 * HOUR_MS}, grace_ms=6 * HOUR_MS)
    assert asked("promote", 55 * HOUR_MS, settings).decision == "promote"
    assert asked("promote", 56 * HOUR_MS, settings).decision == "not_yet"


def test_the_age_is_a_setting_of_whoever_asks() -> None:
    assert asked("promote", YEAR_MS, trial(), 2 * YEAR_MS).decision == "promote"


def test_a_bounded_trial_judges_records_of_any_age() -> None:
    assert (
        asked("promote", YEAR_MS, trial(bounded=True, production={"outputs": ["out"], "group": "old"})).decision
        == "promote"
    )
    assert asked("promote", YEAR_MS, trial(), final=True).decision == "promote"


@pytest.mark.parametrize("decision", ["reject", "not_yet"])
def test_what_is_no_promote_stays_as_it_is(decision: str) -> None:
    assert asked(decision, YEAR_MS, trial()).decision == decision
