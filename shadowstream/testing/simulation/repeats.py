"""Ids that come again with other values: several outputs of one input, tombstones after values, stamped copies."""

from dataclasses import replace
from random import Random

from shadowstream.records import Side
from shadowstream.testing.simulation.history import Answer, Input, Setup
from shadowstream.testing.simulation.truth import Unit, Written

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
        by_production, by_candidate = self._draw.choice(SEVERAL)
        return replace(one, answers=(by_production, by_candidate, one.answers[Side.TWIN]))

    def stamp(self, one: Input) -> Input:
        """Some of the outputs that come twice bear another time of writing the second time."""
        sides = tuple(side for side in self._setup.sides if one.copies[side] >= 0 and self._draw.random() < 0.5)
        return replace(one, stamped=sides)


def by_itself(setup: Setup, unit: Unit, one: Written, seen: list[Written]) -> tuple[str, ...]:
    """Outcomes of a record that is not to be paired, `seen` before it on its side; nothing for one that is."""
    word, by_path = one.label.side.word, setup.identity == "id by path"
    if one.broken or (by_path and one.kind == "broken"):
        return (f"undecodable_{word}", *(["warm_up"] if unit.warm and one.label.side is Side.SHADOW else []))
    if one.label.side in unit.input.blind or (by_path and one.kind == "tombstone"):
        return (f"unpairable_{word}",)
    again = tuple(f"{kind}_{word}" for kind in ("duplicate", "repeated", "unpairable"))
    return again if one.replayed else of_repeat(setup, unit, one, seen)


def of_repeat(setup: Setup, unit: Unit, one: Written, seen: list[Written]) -> tuple[str, ...]:
    """Outcomes of a record that repeats one of its side; nothing where it repeats none. `seen`: those before it."""
    word, all_one = one.label.side.word, not setup.many and setup.identity != "coordinate"
    before = [other for other in seen if (all_one or one.label.k == other.label.k) and not other.broken]
    if unit.input.again:
        # A differing answer is the same for all inputs; where nothing names the input, it may look like a re-delivery.
        unnamed = one.kind == "differs" and (setup.adopted is not None or one.label.side is not Side.SHADOW)
        return (f"duplicate_{word}",) if before else (f"repeated_{word}", f"duplicate_{word}")[: 1 + unnamed]
    if not before:
        return ()
    if one.kind == "tombstone" and all_one and setup.kind != "occurrence":
        return (f"duplicate_{word}",) if any(other.kind == "tombstone" for other in before) else ()
    equal = any((other.label.k, other.value) == (one.label.k, one.value) for other in before)
    return (f"duplicate_{word}",) if equal else (f"repeated_{word}",)


def partner(p: Written, others: list[Written], n: int, apart: bool) -> Written | None:
    """The record of another side that meets production's n-th of its id: the one of its output, or in their order."""
    if apart:
        return next((x for x in others if x.label.k == p.label.k), None)
    return others[n] if n < len(others) else None
