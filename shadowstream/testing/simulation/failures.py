"""Failures that are not the candidate's: of production on an input, and functions of `compare` without an answer."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

from shadowstream.records import Side
from shadowstream.testing.simulation.history import Answer, Input, Setup

ABSENCES = ("error", "timeout", "crashed")
"""Why the candidate may have no output for an input that it was asked about."""
LEFT_OUT = ("sampled_out", "filtered")
"""Why the candidate was not asked about an input: the trial's own declaration."""
PLAIN, FAILED = Answer("plain"), Answer("failed")
ASKED = (Answer("unanswered"), Answer("unexplained"), Answer("answered"))
"""Outputs that differ where a function is asked: a rule's and a declared change's never answer, another rule's does."""


def failing(setup: Setup, inputs: Sequence[Input], draw: Random) -> tuple[Setup, list[Input]]:
    fails_by = draw.choice(("", "header", "path"))
    setup = replace(setup, fails_by=fails_by, asks=draw.random() < 0.4)
    return setup, list(_failing(setup, inputs, draw))


def _failing(setup: Setup, inputs: Sequence[Input], draw: Random) -> Iterator[Input]:
    uses = Counter(one.key for one in inputs)
    both, asked = draw.choice((0.0, 0.1, 0.2)), draw.choice((0.1, 0.3))
    for one in inputs:
        own, other, twin = one.answers
        fails, is_asked = draw.random() < both, setup.asks and draw.random() < asked
        if one.absence:
            fails = draw.random() < 0.3 and own[:1] == (PLAIN,)
            yield replace(one, answers=((FAILED, *own[1:]), other, twin)) if fails else one
        elif not is_plain(one) or uses[one.key] > 1:
            yield one
        elif fails and (setup.adopted or draw.random() < 0.2):
            yield replace(one, answers=((FAILED, *own[1:]), other, twin))
        elif fails:
            yield replace(one, absence=draw.choice(ABSENCES), answers=((FAILED, *own[1:]), (), twin))
        elif is_asked:
            of_twin = (ASKED[0], *twin[1:]) if twin[:1] == (PLAIN,) and draw.random() < 0.2 else twin
            yield replace(one, answers=(own, (draw.choice(ASKED), *other[1:]), of_twin))
        else:
            yield one


def is_plain(one: Input) -> bool:
    """Whether both sides answer, alike at first, and nothing else is to be shown by this input."""
    odd = one.blind or one.poison or one.round or one.ambiguous or one.again or max(one.copies) >= 0
    return not odd and all(one.answers[side][:1] == (PLAIN,) for side in (Side.PRODUCTION, Side.SHADOW))
