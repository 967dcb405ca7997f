"""Trials in which the candidate is called again where it differs, and what its second answers are."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from shadowstream.protocol.rechecks import Answer as SecondAnswer
from shadowstream.protocol.rechecks import Request
from shadowstream.records import Batch
from shadowstream.runner.outputs import Call
from shadowstream.runner.second_answers import second_answers
from shadowstream.runner.step import RunnerStep
from shadowstream.testing.simulation.failures import is_plain
from shadowstream.testing.simulation.history import Answer, Input, Setup

UNSTABLE, VANISHING, FAILING = "unstable", "vanishing", "failing"
"""Outputs that differ, and how: with another second answer, with none, and with an error at the second call."""
KINDS = (UNSTABLE, VANISHING, FAILING)
UNSTABLE_KINDS = frozenset((UNSTABLE, VANISHING))


def can_recheck(setup: Setup) -> bool:
    """Whether each pair that differs can be asked about: a bound on pending bytes is one on those that wait too."""
    return setup.adopted is None and not (setup.many or setup.bound)


def rechecking(setup: Setup, inputs: Iterable[Input], draw: Random) -> tuple[Setup, list[Input]]:
    """Let a third of the trials that can ask twice do so, and some differing candidates answer otherwise then."""
    if not can_recheck(setup) or draw.random() >= 0.8:
        return setup, list(inputs)
    return replace(setup, rechecks=True), list(_again(inputs, draw))


def _again(inputs: Iterable[Input], draw: Random) -> Iterator[Input]:
    inputs, share = list(inputs), draw.choice((0.1, 0.3))
    uses = Counter(one.key for one in inputs)
    for one in inputs:
        by_production, by_candidate, twin = one.answers
        if len(by_candidate) != 1:  # a call that fails fails for all outputs of the input
            yield one
            continue
        plain = share if uses[one.key] == 1 and is_plain(one) else 0.0
        chances = {"differs": 0.7, "plain": plain}
        changed = [
            Answer(draw.choice(KINDS), a.k) if draw.random() < chances.get(a.kind, 0.0) else a for a in by_candidate
        ]
        yield replace(one, answers=(by_production, tuple(changed), twin))


def called_again(again: Call) -> Callable[..., Iterator[tuple[Request, SecondAnswer]]]:
    """Return `second_answers` with `again` as the candidate's call."""

    def answers(step: RunnerStep, batch: Batch, requests: Sequence[Request], *more: Any) -> Any:
        first, step.call = step.call, again
        try:
            found = list(second_answers(step, batch, requests, *more))
        finally:
            step.call = first
        return iter(found)

    return answers
