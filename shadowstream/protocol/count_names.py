"""Names of counts in stats records that stand beside the outcomes, for those who write and those who read them."""

from __future__ import annotations

from shadowstream.protocol.outcomes import Outcome
from shadowstream.records import Side

TWIN, JOINT = "twin_", "joint_"
"""Prefixes of how production compares with its twin, and of which of the candidate and the twin differ."""
EXPECTED, EXPECTED_ALSO = "expected:", "expected_also:"
# What stands beside the outcomes in their map: latencies of pairs, and pairs with a late label by who was right.
LATENCIES = ("latency_pairs", "latency_slower", "latency_over")
COST_MEASURED, COST_OVER = "cost_measured:", "cost_over:"
LABELS = ("label_both_right", "label_production_only", "label_candidate_only", "label_neither", "label_unlabelled")
# Of these, pairs whose two answers differ, and those of them without a label.
LABEL_DIFFER, LABEL_DIFFER_UNLABELLED = "label_differ", "label_differ_unlabelled"
LABEL_PAIRS = "label_pairs"
"""By value of a dimension: scored pairs whose wait has ended."""


def cost_names(over_ns: int) -> tuple[str, str]:
    """The outcomes that count a candidate's cost against a threshold: they speak for no other.

    >>> cost_names(3_000_000)
    ('cost_measured:3ms', 'cost_over:3ms')
    """
    named = f"{over_ns / 1e6:.12g}ms"
    return COST_MEASURED + named, COST_OVER + named


EVICTIONS = "evicted/"
"""Prefix of the figures that say whose of the outcome `evicted` the records were."""
BY_LIMIT = ":limit"
"""Ends the name of those that a limit shed; they are contained in those of their side."""


def of_part(outcome: str, *, shadow: bool) -> tuple[str, ...]:
    """The figures by which a part counts a record that ended alone.

    >>> of_part("evicted", shadow=True), of_part("extra", shadow=True)
    (('evicted', 'evicted/shadow'), ('extra',))
    """
    return (outcome, EVICTIONS + Side.SHADOW.word) if shadow and outcome == Outcome.EVICTED else (outcome,)
