"""Calls of the candidate with a batch of inputs: the decodable ones, in order.

A call that takes long may end before all inputs are answered; the rest is asked for later. Then the results are
those of the first inputs, up to the first unanswered one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from shadowstream.errors import RecordError
from shadowstream.records import Batch

Ask = Callable[[Sequence[int], Sequence[Any]], list[Any]]
"""From offsets and decoded values to answers: of all, or of the first of them, but at least one."""


def results_of(batch: Batch, decoded: Sequence[Any], ask: Ask) -> list[Any]:
    """The candidate's answer to each input; a `RecordError` for an undecodable input."""
    if RecordError not in set(map(type, decoded)):
        return ask(batch.offsets, decoded)
    good = [i for i, value in enumerate(decoded) if not isinstance(value, RecordError)]
    results: list[Any] = list(decoded)
    answers = ask([batch.offsets[i] for i in good], [decoded[i] for i in good]) if good else []
    for i, answer in zip(good, answers, strict=False):
        results[i] = answer
    return results if len(answers) == len(good) else results[: good[len(answers)]]
