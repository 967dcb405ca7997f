"""Parts to which a criterion may be limited: values of declared dimensions, and an output topic."""

from collections.abc import Collection

from shadowstream.config.comparing import Compare
from shadowstream.config.judging import Criterion

_WITHOUT_SHADOW_RECORD = ("missing", "error")
"""Rates of units that may have only a record of production."""


def unknown(criterion: Criterion, compare: Compare, outputs: Collection[str]) -> str | None:
    """The reason why nothing would ever be counted for the part of a criterion; None if something may be."""
    if criterion.topic is not None and criterion.topic not in outputs:
        return f"names a topic that is none of production.outputs: {', '.join(outputs)}"
    dimensions = {dimension.name: dimension for dimension in compare.dimensions}
    for name in criterion.where or ():
        if name not in dimensions:
            known = ", ".join(dimensions) or "none"
            return f"needs the dimension {name} in compare.dimensions (declared: {known}); nothing would be counted"
        if dimensions[name].header is not None and criterion.rate in _WITHOUT_SHADOW_RECORD:
            return (
                f"needs a dimension with path: {name} is a header of the input, which production's records do not "
                f"carry, so it is unknown for a record that the candidate has not answered"
            )
    return None
