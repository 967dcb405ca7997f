"""What a range mark says of the inputs of one window, as outcomes of the judge's table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shadowstream.protocol.count_names import cost_names


def outcomes_of_inputs(window: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Outcomes and their counts, of one window of a range mark (schemas/mark.avsc).

    >>> dict(outcomes_of_inputs({"read": 9, "failed": 1, "undecodable": 2}))
    {'input': 7, 'input_failed': 1, 'input_undecodable': 2}
    """
    undecodable = window.get("undecodable", 0)  # a unit test of the joiner may leave it out; the schema's default is 0
    yield "input", window["read"] - undecodable
    for name, n in (("input_failed", window["failed"]), ("input_undecodable", undecodable)):
        if n:
            yield name, n
    if cost := window.get("cost"):
        measured, over = cost_names(cost["over_ns"])
        yield measured, cost["measured"]
        if cost["over"]:
            yield over, cost["over"]
