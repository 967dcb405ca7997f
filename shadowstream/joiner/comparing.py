"""From pairs of raw values to outcomes: the comparison room's results in the words of the outcome table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.schemas import SchemaSource
from shadowstream.compare.pairs import compare_pairs
from shadowstream.compare.result import Undecodable
from shadowstream.compare.rules import RuleSet
from shadowstream.config import Rule
from shadowstream.joiner.task import Compare


class Compared(NamedTuple):
    """The outcome of a pair of which one value cannot be decoded."""

    outcome: str
    differences: tuple[Any, ...]
    reason: str | None


def comparer(schemas: SchemaSource, rules: Sequence[Rule]) -> Compare:
    """A function from columns of production's and the shadow's values to one result a pair.

    Differences are worked out when they are first asked for: most pairs never are.
    """
    rule_set = RuleSet(rules)
    decoders = Decoder(schemas), Decoder(schemas)

    def compare(production: Sequence[bytes | None], shadow: Sequence[bytes | None]) -> list[Any]:
        results = compare_pairs(production, shadow, *decoders, rule_set)
        return [
            Compared(f"undecodable_{result.side.word}", (), f"{result.reason}: {result.message}"[:500])
            if isinstance(result, Undecodable)
            else result
            for result in results
        ]

    return compare
