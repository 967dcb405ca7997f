"""Couples of values at one field, compared under a rule as the joiner compares them.

`blind` measures how much a rule hides: production's values of two records are taken for a pair. Where they differ and
the rule tolerates it, a candidate that answered with the wrong record's value would go unseen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from shadowstream.compare.by_value import mismatches
from shadowstream.compare.rules import RuleSet
from shadowstream.config import Rule
from shadowstream.paths import ABSENT

EXCHANGED_MAX = 1_000
EXCHANGED_MIN = 20
"""With fewer exchanged values that differ, nothing is known about what a rule hides."""
GOLDEN = 0.6180339887498949
_FIELD = "field"


class CoupleRule:
    """A rule for one field. `settings`: the keys of the rule without its path; none is exact equality."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings
        rules = RuleSet([Rule.model_validate({"path": _FIELD, **settings})] if settings else ())
        self._rules, self._of_json = rules, rules.of_json()

    def agrees(self, production: Any, candidate: Any, of_json: bool) -> bool:
        """Whether two values agree under the rule; `ABSENT` for a missing value."""
        whole, other = ({} if value is ABSENT else {_FIELD: value} for value in (production, candidate))
        return not mismatches(whole, other, self._of_json if of_json else self._rules)


EXACT = CoupleRule({})


def blind(rule: CoupleRule, values: Sequence[Any], of_json: bool) -> float | None:
    """Return the share of exchanged values that differ and that the rule tolerates; None if too few differ.

    >>> [blind(CoupleRule({"atol": bound}), list(range(100)), True) for bound in (0.5, 10, 99)]
    [0.0, 0.1..., 1.0]
    """
    # Near and far values alike, no couple twice: values in the order of time may have a trend.
    steps = sorted(range(1, len(values)), key=lambda step: step * GOLDEN % 1.0)
    couples = islice(
        ((values[at], values[at + step]) for step in steps for at in range(len(values) - step)),
        EXCHANGED_MAX,
    )
    differing = [couple for couple in couples if not EXACT.agrees(*couple, of_json)]
    if len(differing) < EXCHANGED_MIN:
        return None
    return sum(rule.agrees(*couple, of_json) for couple in differing) / len(differing)
