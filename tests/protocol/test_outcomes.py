"""The table of outcomes: closed, consistent, and as docs/outcomes.md shows it."""

import json
from pathlib import Path

import pytest

from shadowstream.protocol import outcome_page
from shadowstream.protocol.outcomes import (
    BAD,
    BY_CAUSE,
    DECLARED,
    LOWERS_COVERAGE,
    PAIRS,
    PLAIN,
    RULES,
    ComparedPart,
    Outcome,
    duplicate,
    of_twin,
    repeated,
    undecodable,
    unpairable,
)
from shadowstream.records import Side

ROOT = Path(__file__).resolve().parents[2]


def test_each_outcome_has_one_rule() -> None:
    assert list(RULES) == list(Outcome)


def test_the_document_shows_the_table() -> None:
    assert (ROOT / "docs" / "outcomes.md").read_text("utf-8") == outcome_page.page(), (
        "run: python -m shadowstream.protocol.outcome_page > docs/outcomes.md"
    )


@pytest.mark.parametrize("outcome", Outcome)
def test_a_rule_does_not_contradict_itself(outcome: Outcome) -> None:
    rule = RULES[outcome]
    assert rule.ends
    assert set(rule.bad) <= set(rule.units)
    assert not (rule.agrees and rule.bad), "an outcome that agrees is no fault"
    assert not (rule.declared and (rule.units or rule.lowers is not None)), "what is declared counts nowhere"
    assert rule.lowers is None or set(rule.units) <= {"error"}, "what is lost was not compared"
    assert rule.lowers is None or rule.lowers in rule.ends
    assert rule.pair in (None, ComparedPart.NOTHING) or rule.units
    assert rule.pair is None or rule.ends == (Side.PRODUCTION, Side.SHADOW)
    assert not rule.candidate_failed or (rule.cause is not None and rule.bad == ("missing",))


@pytest.mark.parametrize("side", Side)
def test_an_outcome_of_a_side_is_found_by_the_side(side: Side) -> None:
    assert [kind(side) for kind in (duplicate, repeated, unpairable, undecodable)] == [
        f"{kind}_{side.word}" for kind in ("duplicate", "repeated", "unpairable", "undecodable")
    ]
    for kind in (duplicate, repeated, unpairable):
        assert RULES[kind(side)].ends == (side,)
        assert LOWERS_COVERAGE.get(kind(side)) == (None if side is Side.TWIN else side)


@pytest.mark.parametrize("outcome", PAIRS)
def test_against_the_twin_only_the_shadow_is_renamed(outcome: Outcome) -> None:
    assert of_twin(outcome) is outcome
    assert of_twin(Outcome.UNDECODABLE_SHADOW) is Outcome.UNDECODABLE_TWIN
    assert of_twin(Outcome.UNDECODABLE_PRODUCTION) is Outcome.UNDECODABLE_PRODUCTION


def test_no_plain_outcome_is_bad_and_no_two_outcomes_share_a_cause() -> None:
    assert not PLAIN & BAD
    assert len(BY_CAUSE) == sum(rule.cause is not None for rule in RULES.values())
    assert all(RULES[one].units == () for one in DECLARED)


def test_the_runner_writes_each_cause_of_the_table() -> None:
    product = ROOT / "shadowstream"
    source = "".join(path.read_text("utf-8") for path in (product / "errors.py", *(product / "runner").glob("*.py")))
    assert [cause for cause in BY_CAUSE if f'"{cause}"' not in source] == []


def test_an_outcome_is_its_text_in_every_form() -> None:
    assert f"{Outcome.TWIN_EXTRA}|{Outcome.TWIN_EXTRA!r}" == "twin_extra|'twin_extra'"
    assert json.dumps({Outcome.MATCH: Outcome.EXTRA}) == '{"match": "extra"}'
    assert {"match": 1}[Outcome.MATCH] == {Outcome.MATCH: 1}["match"]
