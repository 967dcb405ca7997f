"""Rules on pairs of encoded Avro values, by the native kernel: the level of a pair without decoding it, or `UNKNOWN`.

A program is made of the layout of a schema and the rules. Every decision equals the decision of `by_value`: what needs
more than equality, an ignored path or a tolerance of numbers is left to it, and so is any difference inside a map, of
the lengths of two lists, or under options that hold at a path only.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from shadowstream.codecs.avro_layout import Layout, Part
from shadowstream.codecs.decoder import Bodies, Decoder
from shadowstream.compare.by_column import is_numeric
from shadowstream.compare.dimension_codes import Coded, name_of
from shadowstream.compare.rules import RuleSet, Spot
from shadowstream.native import library
from shadowstream.native.library import EXACT, IGNORE, KIND, NUMBER, OP, OTHER, Levels, Ops, Values

PROGRAMS_MAX = 64
"""Programs that a set of rules keeps, one for each pair of schemas; and programs of dimensions."""
_KEY = Part("text")


class _Op(NamedTuple):
    """A row of `library.OP`, by names of kinds."""

    kind: str
    rule: int = OTHER
    to: int = -1
    low: int = 0
    high: int = 0
    atol: float = 0.0
    rtol: float = 0.0


def levels(
    decoders: tuple[Decoder, Decoder], values: tuple[Sequence[bytes], Sequence[bytes]], rules: RuleSet
) -> Levels | None:
    """The level of each pair, or `library.UNKNOWN`; each side's values have equal heads. None if the kernel cannot
    walk them: their schemas differ, or it is not there."""
    if (kernel := library.state().kernel) is None:
        return None
    production, shadow = (decoder.bodies(column) for decoder, column in zip(decoders, values, strict=True))
    if production is None or shadow is None:
        return None
    ops = _program(production.layout, shadow.layout, rules)
    if ops is None:
        return None
    return kernel.levels(ops, _laid(decoders[0], values[0], production), _laid(decoders[1], values[1], shadow))


def coded(decoder: Decoder, values: Sequence[bytes], paths: Sequence[Sequence[str]]) -> list[Coded] | None:
    """The names (`dimension_codes.name_of`) of the values at each path; None if the kernel cannot give them."""
    kernel = library.state().kernel
    bodies = decoder.bodies(values) if kernel is not None else None
    if kernel is None or bodies is None or len(paths) > library.SPANS_MAX:
        return None
    distinct = tuple(dict.fromkeys(map(tuple, paths)))
    parts = {path: part for path in distinct if (part := bodies.layout.top.at(path)) is not None and part.is_nameable}
    if len(parts) < len(distinct):
        return None
    found = kernel.codes(spans(bodies.layout, distinct), _laid(decoder, values, bodies), len(distinct))
    if found is None:
        return None
    columns = {
        path: Coded(codes, [name_of(parts[path].value(one)) for one in encoded])
        for path, (codes, encoded) in zip(distinct, found, strict=True)
    }
    return [columns[tuple(path)] for path in paths]


def _laid(decoder: Decoder, values: Sequence[bytes], bodies: Bodies) -> Values:
    """The values in one buffer; kept for the same list object, so that comparison and dimensions share it."""
    known, laid = decoder.laid
    if known is not values or laid is None:
        laid = Values.of(values, bodies.start, bodies.bytes_max)
        decoder.laid = values, laid
    return laid


@lru_cache(maxsize=PROGRAMS_MAX)
def spans(layout: Layout, paths: tuple[tuple[str, ...], ...]) -> Ops:
    """The program that walks one side and finds the spans of paths."""
    made = _Program({path: place for place, path in enumerate(paths)})
    made.add(layout.top, None, ())
    return made.ops()


def _program(production: Layout, shadow: Layout, rules: RuleSet) -> Ops | None:
    key = production, shadow
    if key not in rules.programs:
        if len(rules.programs) >= PROGRAMS_MAX:
            rules.programs.clear()
        rules.programs[key] = program(production, rules) if production.top == shadow.top else None
    ops: Ops | None = rules.programs[key]
    return ops


def program(layout: Layout, rules: RuleSet) -> Ops | None:
    """The program for pairs of one layout; None if only rows apply the rules."""
    if rules.root.own is not None:
        return None
    made = _Program({})
    made.add(layout.top, rules.root, ())
    return made.ops()


class _Program:
    """Ops of a program in the making."""

    def __init__(self, spans: dict[tuple[str, ...], int]) -> None:
        self._ops: list[_Op] = []
        self._spans = spans

    def ops(self) -> Ops:
        rows = [(KIND[op.kind], *op[1:]) for op in (*self._ops, _Op("end"))]
        return np.array(rows, OP)

    def add(self, part: Part, spot: Spot | None, path: tuple[str, ...] | None) -> None:
        """Add the ops of a part. `spot`: None if only by_value decides differences; `path`: None below loops."""
        span = None if path is None else self._spans.get(path)
        if span is not None:
            self._ops.append(_Op("open", high=span))
        if spot is not None and spot.own is not None:
            spot = None
        if part.kind == "record":
            for name, inner in zip(part.names, part.parts, strict=True):
                self.add(inner, spot and spot.step(name), None if path is None else (*path, name))
        elif part.kind == "union":
            self._union(part, spot)
        elif part.kind in ("array", "map"):
            self._loop(part, spot)
        elif part.kind != "null":
            rule = spot.rule if spot is not None else None
            atol, rtol = rule.doubles if rule is not None else (0.0, 0.0)
            self._ops.append(_Op(part.kind, _rule(part, spot), -1, *part.bounds, atol, rtol))
        if span is not None:
            self._ops.append(_Op("close", high=span))

    def _union(self, part: Part, spot: Spot | None) -> None:
        first = len(self._ops)
        self._ops.append(_Op("union"))
        self._ops += [_Op("branch")] * len(part.parts)
        ends = []
        for number, branch in enumerate(part.parts, start=1):
            self._ops[first + number] = _Op("branch", to=len(self._ops), high=int(branch.kind == "null"))
            self.add(branch, spot, None)
            ends.append(len(self._ops))
            self._ops.append(_Op("goto"))
        after = len(self._ops)
        for end in ends:
            self._ops[end] = _Op("goto", to=after)
        # Beside null, a tolerance of numbers tolerates nothing.
        beside_null = _rule(Part("double", is_number=True), spot)
        self._ops[first] = _Op("union", beside_null, after, high=len(part.parts))

    def _loop(self, part: Part, spot: Spot | None) -> None:
        first = len(self._ops)
        self._ops.append(_Op("loop"))
        if part.kind == "map":
            self.add(_KEY, None, None)
            self.add(part.parts[0], None, None)  # a name may come twice, and the last one counts
        else:
            self.add(part.parts[0], spot and spot.unnamed, None)
        self._ops[first] = _Op("loop", to=len(self._ops))
        self._ops.append(_Op("next"))


def _rule(part: Part, spot: Spot | None) -> int:
    if spot is None or part.is_opaque:
        return OTHER
    rule = spot.rule
    if rule is None:
        return EXACT
    if rule.ignore:
        return IGNORE
    return NUMBER if part.is_number and rule.of_numbers and is_numeric(rule) else OTHER
