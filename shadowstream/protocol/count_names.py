"""Names of the counts in stats records beside the outcomes."""

from shadowstream.protocol.outcomes import Outcome
from shadowstream.records import Side

TWIN, JOINT = "twin_", "joint_"
"""Prefixes: outcomes of production against its twin; and which of candidate and twin differ from production."""
EXPECTED, EXPECTED_ALSO = "expected:", "expected_also:"
LATENCIES = ("latency_pairs", "latency_slower", "latency_over")
COST_MEASURED, COST_OVER = "cost_measured:", "cost_over:"
LABELS = ("label_both_right", "label_production_only", "label_candidate_only", "label_neither", "label_unlabelled")
"""Pairs with a late label, by the sides that were right."""
LABEL_DIFFER, LABEL_DIFFER_UNLABELLED = "label_differ", "label_differ_unlabelled"
"""Those of them whose two answers differ, and the unlabelled ones among these."""
LABEL_RANKED = "label_ranked"  # labelled pairs whose answers and label `loss: auc` can compare
LABEL_PAIRS = "label_pairs"  # scored pairs whose wait has ended, by value of a dimension

RECHECK_SKIPPED, RECHECK_UNANSWERED = "recheck_skipped", "recheck_unanswered"
RECHECKS = (RECHECK_SKIPPED, RECHECK_UNANSWERED)
"""Mismatches on which the candidate was not called again because of a limit, or gave no second answer."""


def cost_names(over_ns: int) -> tuple[str, str]:
    """Return the names that count a candidate's cost against one threshold.

    >>> cost_names(3_000_000)
    ('cost_measured:3ms', 'cost_over:3ms')
    """
    threshold = f"{over_ns / 1e6:.12g}ms"
    return COST_MEASURED + threshold, COST_OVER + threshold


EVICTIONS = "evicted/"  # prefix of the counts of evicted records by side
BY_LIMIT = ":limit"  # suffix of the counts of records that a limit shed; the counts of their side contain them


def part_figures(outcome: str, *, shadow: bool) -> tuple[str, ...]:
    """Return the names under which a part of the trial counts an unmatched record.

    >>> part_figures("evicted", shadow=True), part_figures("extra", shadow=True)
    (('evicted', 'evicted/shadow'), ('extra',))
    """
    return (outcome, EVICTIONS + Side.SHADOW.word) if shadow and outcome == Outcome.EVICTED else (outcome,)
