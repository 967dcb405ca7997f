"""Criteria for which a config would count nothing, or not what they mean."""

from collections.abc import Iterable

from shadowstream.config.comparing import Compare
from shadowstream.config.judging import Criterion
from shadowstream.config.sides import Candidate


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


def unknown_part(criterion: Criterion, compare: Compare, outputs: list[str]) -> str | None:
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
