"""Ask the candidate for a batch of inputs: those that can be decoded, in order.

A call may end before all of them are answered, where they take long together: what is left is asked for later. Then
the results are those of the first inputs, up to the first that was not answered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from shadowstream.errors import RecordError
from shadowstream.records import Batch

Ask = Callable[[Sequence[int], Sequence[Any]], list[Any]]
"""Offsets and decoded values to answers, of all or of the first of them; of one at least."""


def results_of(batch: Batch, decoded: Sequence[Any], ask: Ask) -> list[Any]:
    """The candidate's answer to each input, a `RecordError` where it cannot be asked."""
    if RecordError not in set(map(type, decoded)):
        return ask(batch.offsets, decoded)
    good = [i for i, value in enumerate(decoded) if not isinstance(value, RecordError)]
    results: list[Any] = list(decoded)
    answers = ask([batch.offsets[i] for i in good], [decoded[i] for i in good]) if good else []
    for i, answer in zip(good, answers, strict=False):
        results[i] = answer
    return results if len(answers) == len(good) else results[: good[len(answers)]]
