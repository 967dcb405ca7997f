"""Rules on pairs of encoded Avro values, by the native kernel: the level of a pair without decoding it, or `UNKNOWN`.

A program is made of the layout of a schema and the rules. Every decision equals the decision of `by_value`: what needs
more than equality, an ignored path or a tolerance of numbers is left to it, and so is any difference inside a map, of
the lengths of two lists, or under options that hold at a path only.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from shadowstream.codecs.avro_layout import Layout, Part
from shadowstream.codecs.decoder import Bodies, Decoder
from shadowstream.compare.by_column import is_numeric
from shadowstream.compare.column_differences import FieldDifferences, Places
from shadowstream.compare.dimension_codes import Coded, name_of
from shadowstream.compare.rules import RuleSet, Spot
from shadowstream.native import library
from shadowstream.native.library import EXACT, IGNORE, KIND, NUMBER, OP, OTHER, Codes, Ops, Values, Walked

FIELDS_MAX = 32_767
PROGRAMS_MAX = 64
"""Programs that a set of rules keeps, one for each pair of schemas; and programs of dimensions."""
_KEY = Part("text")
_Paths = tuple[tuple[str, ...], ...]


class _Op(NamedTuple):
    """A row of `library.OP`, by names of kinds."""

    kind: str
    rule: int = OTHER
    field: int = -1
    to: int = -1
    low: int = 0
    high: int = 0
    atol: float = 0.0
    rtol: float = 0.0


class Field(NamedTuple):
    """A field whose differences the kernel notes: its path, its type, and whether it is a union with null."""

    path: tuple[str, ...]
    part: Part
    may_be_null: bool


class Program(NamedTuple):
    """The ops for pairs of one layout, and the fields and the paths of spans that they number."""

    ops: Ops
    fields: list[Field]
    paths: tuple[tuple[str, ...], ...]


class Walk(NamedTuple):
    """What the kernel found in pairs of values."""

    walked: Walked
    fields: list[Field]
    values: tuple[Values, Values]

    def differences(self, places: Places) -> list[FieldDifferences]:
        """Return the differences of the mismatches that are `noted`; `places`: of all pairs that were walked."""
        found, made = self.walked.found, []
        counts = np.bincount(found["field"], minlength=len(self.fields))
        for number in np.flatnonzero(counts).tolist():
            field, some = self.fields[number], found[found["field"] == number]
            production, shadow = (_shown(field, some, side, self.values[side]) for side in range(2))
            made.append(FieldDifferences(field.path, places[some["pair"]], production, shadow, field.may_be_null))
        return made


def walk(
    decoders: tuple[Decoder, Decoder],
    values: tuple[Sequence[bytes | None], Sequence[bytes | None]],
    rules: RuleSet,
    first: int,
    equal: bool,
) -> Walk | None:
    """The levels of pairs, `library.UNKNOWN` for those with other heads than the pair at `first`.

    `equal`: pairs of equal bytes match, whatever they are. None if the kernel cannot walk the pairs: their schemas
    differ, there is a tombstone, or no kernel.
    """
    if (kernel := library.state().kernel) is None:
        return None
    heads = values[0][first], values[1][first]
    if heads[0] is None or heads[1] is None:
        return None
    production, shadow = decoders[0].bodies(heads[0]), decoders[1].bodies(heads[1])
    if production is None or shadow is None:
        return None
    made = _program(production.layout, shadow.layout, rules)
    if made is None:
        return None
    one, other = _laid(decoders[0], values[0], production), _laid(decoders[1], values[1], shadow)
    if one is None or other is None:
        return None
    walked = kernel.walk(made.ops, one, other, len(made.fields), equal, len(made.paths))
    if walked.codes is not None:
        decoders[0].named = values[0], _columns(production.layout, made.paths, walked.codes)
    return Walk(walked, made.fields, (one, other))


def _shown(field: Field, found: npt.NDArray[Any], side: int, values: Values) -> list[Any]:
    """The values of one side of differences in one field."""
    numbers, kind = found["values"][:, side], field.part.kind
    shown: list[Any]
    if kind == "text":
        text = memoryview(values.buffer)  # type: ignore[arg-type]  # an array has a buffer
        ends = numbers + found["lengths"][:, side]
        shown = [str(text[begin:end], "utf-8") for begin, end in zip(numbers.tolist(), ends.tolist(), strict=True)]
    elif kind in ("float", "double"):
        shown = np.ascontiguousarray(numbers).view(np.float64).tolist()
    elif kind == "boolean":
        shown = (numbers != 0).tolist()
    else:
        shown = numbers.tolist()
    for place in np.flatnonzero(found["nulls"] & (1 << side)).tolist():
        shown[place] = None
    return shown


def coded(decoder: Decoder, values: Sequence[bytes | None], paths: Sequence[Sequence[str]]) -> list[Coded] | None:
    """The names (`dimension_codes.name_of`) of the values at each path; None if the kernel cannot give them."""
    distinct = tuple(dict.fromkeys(map(tuple, paths)))
    known, columns = decoder.named
    if known is not values or not columns.keys() >= {*distinct}:
        columns = _coded(decoder, values, distinct)
    return [columns[path] for path in map(tuple, paths)] if columns else None


def _coded(decoder: Decoder, values: Sequence[bytes | None], paths: _Paths) -> dict[tuple[str, ...], Coded]:
    """The names at each path; none if the kernel cannot give them."""
    kernel = library.state().kernel
    first = values[0]
    bodies = decoder.bodies(first) if kernel is not None and first is not None else None
    if kernel is None or bodies is None or not _are_nameable(bodies.layout, paths):
        return {}
    laid = _laid(decoder, values, bodies)
    found = None if laid is None else kernel.codes(spans(bodies.layout, paths), laid, len(paths))
    return {} if found is None else _columns(bodies.layout, paths, found)


def _are_nameable(layout: Layout, paths: _Paths) -> bool:
    """Whether the kernel gives the names at these paths."""
    parts = map(layout.top.at, paths)
    return len(paths) <= library.SPANS_MAX and all(part is not None and part.is_nameable for part in parts)


def _columns(layout: Layout, paths: _Paths, found: Sequence[Codes]) -> dict[tuple[str, ...], Coded]:
    columns = {}
    for path, (codes, encoded) in zip(paths, found, strict=True):
        part = cast("Part", layout.top.at(path))
        columns[path] = Coded(codes, [name_of(part.value(one)) for one in encoded])
    return columns


def _laid(decoder: Decoder, values: Sequence[bytes | None], bodies: Bodies) -> Values | None:
    """The values in one buffer, as the kernel takes them; None if there is a tombstone."""
    laid = decoder.lay(values)
    return None if laid is None else laid.headed(bodies.head, bodies.bytes_max)


@lru_cache(maxsize=PROGRAMS_MAX)
def spans(layout: Layout, paths: _Paths) -> Ops:
    """The program that walks one side and finds the spans of paths."""
    made = _Program({path: place for place, path in enumerate(paths)})
    made.add(layout.top, None, ())
    return made.program().ops


def _program(production: Layout, shadow: Layout, rules: RuleSet) -> Program | None:
    key = production, shadow
    if key not in rules.programs:
        if len(rules.programs) >= PROGRAMS_MAX:
            rules.programs.clear()
        rules.programs[key] = program(production, rules) if production.top == shadow.top else None
    made: Program | None = rules.programs[key]
    return made


def program(layout: Layout, rules: RuleSet) -> Program | None:
    """The program for pairs of one layout; None if only rows apply the rules."""
    if rules.root.own is not None:
        return None
    paths = rules.named if _are_nameable(layout, rules.named) else ()
    made = _Program({path: place for place, path in enumerate(paths)})
    made.add(layout.top, rules.root, ())
    return made.program()


class _Program:
    """Ops of a program in the making."""

    def __init__(self, spans: dict[tuple[str, ...], int]) -> None:
        self._ops: list[_Op] = []
        self._fields: list[Field] = []
        self._spans = spans

    def program(self) -> Program:
        rows = [(KIND[op.kind], *op[1:]) for op in (*self._ops, _Op("end"))]
        return Program(np.array(rows, OP), self._fields, tuple(self._spans))

    def add(self, part: Part, spot: Spot | None, path: tuple[str, ...] | None, optional: bool = False) -> None:
        """Add the ops of a part. `spot`: None if only by_value decides differences; `path`: None below loops and
        unions of several types. `optional`: a union with null may hold the part."""
        span = None if path is None or optional else self._spans.get(path)
        if span is not None:
            self._ops.append(_Op("open", high=span))
        if spot is not None and spot.own is not None:
            spot = None
        if part.kind == "record":
            for name, inner in zip(part.names, part.parts, strict=True):
                self.add(inner, spot and spot.step(name), None if path is None else (*path, name), optional)
        elif part.kind == "union":
            self._union(part, spot, path, optional)
        elif part.kind in ("array", "map"):
            self._loop(part, spot)
        elif part.kind != "null":
            rule = spot.rule if spot is not None else None
            atol, rtol = rule.doubles if rule is not None else (0.0, 0.0)
            field = self._field(part, path, optional)
            self._ops.append(_Op(part.kind, _rule(part, spot), field, -1, *part.bounds, atol, rtol))
        if span is not None:
            self._ops.append(_Op("close", high=span))

    def _field(self, part: Part, path: tuple[str, ...] | None, optional: bool) -> int:
        """The number of a new field; -1 if its differences are not noted."""
        if path is None or not _is_plain(part) or len(self._fields) == FIELDS_MAX:
            return -1
        self._fields.append(Field(path, part, optional))
        return len(self._fields) - 1

    def _union(self, part: Part, spot: Spot | None, path: tuple[str, ...] | None, optional: bool) -> None:
        first, field = len(self._ops), len(self._fields)
        inner = [branch for branch in part.parts if branch.kind != "null"]
        if len(part.parts) != 2 or len(inner) != 1:
            path = None
        self._ops.append(_Op("union"))
        self._ops += [_Op("branch")] * len(part.parts)
        ends = []
        for number, branch in enumerate(part.parts, start=1):
            self._ops[first + number] = _Op("branch", to=len(self._ops), high=int(branch.kind == "null"))
            self.add(branch, spot, path, True)
            ends.append(len(self._ops))
            self._ops.append(_Op("goto"))
        after = len(self._ops)
        for end in ends:
            self._ops[end] = _Op("goto", to=after)
        # Beside null, a tolerance of numbers tolerates nothing.
        beside_null = _rule(Part("double", is_number=True), spot)
        noted = field if path is not None and _is_plain(inner[0]) and len(self._fields) > field else -1
        self._ops[first] = _Op("union", beside_null, noted, after, high=len(part.parts))

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


def _is_plain(part: Part) -> bool:
    """Whether a value is a text, a boolean or a number, as rows and columns show it."""
    return part.kind in ("text", "boolean", "float", "double") or (part.kind == "whole" and part.is_number)


def _rule(part: Part, spot: Spot | None) -> int:
    if spot is None or part.is_opaque:
        return OTHER
    rule = spot.rule
    if rule is None:
        return EXACT
    if rule.ignore:
        return IGNORE
    return NUMBER if part.is_number and rule.of_numbers and is_numeric(rule) else OTHER
