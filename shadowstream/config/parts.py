"""What a criterion may be limited to: values of declared dimensions, and an output topic."""

from __future__ import annotations

from collections.abc import Collection

from shadowstream.config.comparing import Compare
from shadowstream.config.judging import Criterion

_OF_PRODUCTION_ALONE = ("missing", "error")
"""Rates of which production's record is all that there is."""


def unknown(criterion: Criterion, compare: Compare, outputs: Collection[str]) -> str | None:
    """Why nothing would ever be counted for the part that a criterion asks for; None where something may be."""
    if criterion.topic is not None and criterion.topic not in outputs:
        return f"names a topic that is none of production.outputs: {', '.join(outputs)}"
    dimensions = {one.name: one for one in compare.dimensions}
    for name in criterion.where or ():
        if name not in dimensions:
            known = ", ".join(dimensions) or "none"
            return f"needs the dimension {name} in compare.dimensions (declared: {known}); nothing would be counted"
        if dimensions[name].header is not None and criterion.rate in _OF_PRODUCTION_ALONE:
            return (
                f"needs a dimension with path: {name} is a header of the input, which production's records do not "
                f"carry, so nobody knows it of a record that the candidate has not answered"
            )
    return None
