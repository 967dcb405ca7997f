"""The choice of proposals, what they become in the config, and what the config hides."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from shadowstream.config import Compare, Identity
from shadowstream.errors import ConfigError
from shadowstream.suggest.evidence import Couple, Evidence, ReadPair
from shadowstream.suggest.proposals import Proposal
from shadowstream.suggest.suggestions import Limits, Shown, Singles, accepted, by_default, entry_of, suggestions
from tests.suggest.planted import PAIRS, pairs_of, proposals
from tests.suggest.test_identities import sides
from tests.suggest.test_proposals import BUGS, NOISE

LIMITS = Limits(0.02, datetime(2999, 3, 1, tzinfo=UTC))
ALL_SHOWN = Shown(lambda path, _: path, lambda *_: True)


def suggested(pairs: Sequence[ReadPair], shown: Shown = ALL_SHOWN, singles: Singles | None = None) -> Any:
    evidence = Evidence(pairs, len(pairs), len(pairs))
    return suggestions(evidence, singles or Singles(), Compare(), Identity(), shown)


def label(share: float) -> Proposal:
    """A version that each side writes into each pair, or only into a share."""
    pairs = pairs_of(lambda dice, n: "1.0", lambda value, dice, n: "2.1")
    (found,) = proposals(pairs, compared=round(PAIRS / share))
    return found


def test_a_change_in_each_pair_becomes_a_rule_by_its_number() -> None:
    entry = entry_of(label(1.0))
    assert (entry.where, entry.value) == (("compare", "rules"), {"path": "field", "values": {"1.0": "2.1"}})
    with pytest.raises(ConfigError, match="--at-most and --until"):
        entry_of(label(0.5))


def test_a_change_is_accepted_with_its_values_and_limits() -> None:
    entry = accepted(label(0.5), Compare(), LIMITS, "agreed")
    assert (entry.where, entry.comment) == (("compare", "expected"), "agreed")
    change = {"name": "field", "paths": ["field"], "production": "1.0", "shadow": "2.1"}
    assert entry.value == {**change, "rate_max": 0.02, "until": LIMITS.until}
    taken = Compare.model_validate({"expected": [dict(entry.value)]})
    assert accepted(label(0.5), taken, LIMITS, "").value["name"] == "field-2"


def test_only_rules_that_hide_nothing_are_taken_by_default() -> None:
    found = suggested(pairs_of(*NOISE["uuid"][:2]), singles=Singles(*sides()))
    assert [one.section for one in found.proposed] == ["rules", "identity"]
    assert [one.path for one in by_default(found.proposed)] == ["field"]
    with pytest.raises(ConfigError, match="no change of values"):
        accepted(found.proposed[1], Compare(), LIMITS, "")


def test_names_that_are_hidden_are_not_proposed() -> None:
    found = suggested(pairs_of(*NOISE["uuid"][:2]), Shown(lambda path, _: "redacted:00", lambda *_: True))
    assert found.proposed == []
    assert [(one.path, one.entry) for one in found.refused] == [("redacted:00", {})]
    assert "compare.examples.values" in str(found.refused[0].refused)


@pytest.mark.parametrize("kind", ["jitter", "shifted score", "scaled amount", "other decision", "score at random"])
def test_values_that_are_hidden_are_in_no_sentence_and_no_change(kind: str) -> None:
    value, answer = (NOISE | BUGS)[kind][:2]

    def hidden(_: str, couples: Sequence[Couple]) -> bool:
        assert couples
        return False

    found = suggested(pairs_of(value, answer), Shown(lambda path, _: path, hidden))
    for one in (*found.proposed, *found.refused):
        assert not any(digit in f"{one.why}{one.refused or ''}" for digit in "0123456789")
        assert {"production", "shadow"}.isdisjoint(one.entry)
