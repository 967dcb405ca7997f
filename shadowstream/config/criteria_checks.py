"""Criteria for which a config would count nothing, or not what they mean."""

from collections.abc import Iterable, Sequence

from shadowstream.config.comparing import Compare
from shadowstream.config.deciding import Judge
from shadowstream.config.judging import Criterion
from shadowstream.config.sides import Candidate, Identity


def cost_problem(criteria: Iterable[Criterion], candidate: Candidate) -> str | None:
    """Return the reason why the cost of this candidate cannot be judged as the criteria ask; None if it can."""
    cost = [criterion for criterion in criteria if criterion.rate == "cost"]
    if cost and candidate.kind in ("topic", "http"):
        return "cost needs candidate.call; the cost of an external candidate is not measured"
    if any(criterion.unit == "record" for criterion in cost) and candidate.takes == "batch":
        return (
            "cost of a candidate that takes batches needs unit: block; all inputs of a batch share one measurement, so "
            "unit: record would overstate the evidence"
        )
    return None


def recheck_problem(
    criteria: Iterable[Criterion], candidate: Candidate, identity: Identity, compare: Compare
) -> str | None:
    """Return the reason why this candidate cannot be called again as the config asks; None if it can."""
    if not candidate.rechecks:
        named = [criterion.id for criterion in criteria if criterion.rate == "unstable"]
        if named:
            return f"judge.criteria: {named[0]} needs candidate.recheck: on_mismatch; nothing would be counted for it"
        return None
    if identity.outputs == "many":
        return (
            "candidate.recheck: on_mismatch needs identity.outputs: one; among several outputs of an input, the one "
            "that a second answer belongs to is not known. Remove candidate.recheck"
        )
    if compare.order:
        return (
            "candidate.recheck: on_mismatch goes without compare.order: a second answer does not show the order of a "
            "key's records, and a pair that waits would be compared out of order. Remove one of them"
        )
    return None


def unknown_part(criterion: Criterion, compare: Compare, outputs: Sequence[str]) -> str | None:
    """The reason why nothing would ever be counted for the part of a criterion; None if something may be."""
    if criterion.topic is not None and criterion.topic not in outputs:
        return f"names a topic that is none of production.outputs: {', '.join(outputs)}"
    dimensions = {dimension.name: dimension for dimension in compare.dimensions}
    for name in criterion.where or ():
        if name not in dimensions:
            known = ", ".join(dimensions) or "none"
            return f"needs the dimension {name} in compare.dimensions (declared: {known}); nothing would be counted"
        if dimensions[name].header is not None and criterion.rate in ("missing", "error"):
            return (
                f"needs a dimension with path: {name} is a header of the input, which production's records do not "
                f"carry, so it is unknown for a record that the candidate has not answered"
            )
    return None


def uncounted(judge: Judge, compare: Compare, outputs: Sequence[str], has_twin: bool, has_labels: bool) -> str | None:
    """Return the first part of `judge` for which nothing would be counted, with the reason; None if there is none."""
    if judge.distributions.is_set and not compare.distributions:
        return "judge.distributions: needs compare.distributions, the fields to watch"
    checked = {(check.path, kind) for check in compare.checks for kind in check.kinds}
    declared = {change.name for change in compare.expected}
    declared |= {"added_fields"} if compare.added_fields == "expected" else set()
    latency = compare.latency is not None, "compare.latency"
    for criterion in judge.criteria:
        is_labelled = has_labels or not criterion.is_labelled
        needs = {
            "twin": (has_twin, "twin, a second run of production"),
            "labels": (has_labels, "labels, a topic of them"),
            "loss": (is_labelled, "labels, a topic of them, or path for a loss of values"),
            **dict.fromkeys(("slower", "over", "latency"), latency),
            "check": (
                (criterion.path, criterion.check) in checked,
                f"that check of {criterion.path} in compare.checks",
            ),
            "expected": (criterion.name in declared, f"a declared change {criterion.name} in compare.expected"),
        }
        if reason := unknown_part(criterion, compare, outputs):
            return f"judge.criteria: {criterion.id} {reason}"
        is_counted, requirement = needs.get(criterion.rate, (True, ""))
        if not is_counted:
            return f"judge.criteria: {criterion.id} needs {requirement}; nothing would be counted for it"
    return None
