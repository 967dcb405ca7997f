"""Ids that come again with other values: several outputs of one input, tombstones after values, stamped copies."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from shadowstream.records import Side
from shadowstream.testing.simulation.history import Answer, Input, Setup

SPAN_OF_ALL = 10_000
"""A dedupe span longer than any log: every key that comes again repeats."""
VALUE, OTHER, DELETED = Answer("plain"), Answer("differs", 1), Answer("tombstone", 1)
SEVERAL = (
    ((VALUE, OTHER), (VALUE, OTHER)),
    ((VALUE, OTHER), (VALUE,)),
    ((VALUE, DELETED), (VALUE, DELETED)),
    ((VALUE, DELETED), (VALUE,)),
    ((VALUE,), (VALUE, DELETED)),
    ((VALUE, DELETED), ()),
    ((VALUE, DELETED), (VALUE, OTHER)),
    ((VALUE, DELETED, Answer("plain", 2), Answer("tombstone", 3)),) * 2,
)
"""Outputs of production and of the candidate for one input."""


class Repeats:
    """What the inputs of one history repeat; by draws of its own, so that all else stays as it is."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._draw = Random(f"repeats of {setup.seed}")
        self._in_one_log = setup.kind in ("key", "id") and not (setup.many or setup.late or setup.replays)

    def several(self, one: Input, kind: str) -> Input:
        """Some inputs have several outputs under one id."""
        if not self._in_one_log or kind != "same" or self._draw.random() > 0.25:
            return one
        ours, theirs = self._draw.choice(SEVERAL)
        return replace(one, answers=(ours, theirs, one.answers[Side.TWIN]))

    def stamp(self, one: Input) -> Input:
        """Some of the outputs that come twice bear another time of writing the second time."""
        sides = tuple(side for side in self._setup.sides if one.copies[side] >= 0 and self._draw.random() < 0.5)
        return replace(one, stamped=sides)
