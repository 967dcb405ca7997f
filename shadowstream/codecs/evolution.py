"""Two writer schemas of one kind of value: what lies between them, and how values of both are made comparable.

Production and candidate may write with different schemas, and either may change its own in mid-stream. By Avro's own
rules of resolution (specification, "Schema Resolution" and "Aliases") some of that is no difference of values:

=========  ======================================================================================================
change     what follows
=========  ======================================================================================================
renamed    a field of which one schema says by an alias what the other calls it: the candidate's has production's name
promoted   numbers of two types (int, long, float, double): an int beside a float becomes the float that it equals;
           a text beside bytes becomes its bytes in UTF-8
added      a field of the candidate's schema only: its value is extra (`compare.added_fields`), its default is not
removed    a field of production's schema only: its value is missing, its default is not
retyped    a type beside one that no reader reads it as: each value is `Typed`, and differs by its type
logical    a logical type on one side only: both values are taken as they are written
=========  ======================================================================================================

A reader drops what its schema does not have: fields, symbols of an enum, digits. The comparison drops nothing, so a
removed field, a symbol that the other's schema reads as its default, and an int that no double equals are differences.

Two values of one schema are `Typed` as well, where it has a union of several types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import pyarrow as pa

from shadowstream.codecs.avro_types import (
    NAMED,
    NUMBERS,
    Types,
    are_one,
    has_unions,
    kind_of,
    partners,
    promotes,
)
from shadowstream.codecs.conversions import conversions
from shadowstream.codecs.defaults import default_of
from shadowstream.codecs.logical_types import logical_of
from shadowstream.codecs.schemas import ParsedSchema
from shadowstream.codecs.typed import Kind, Typed, as_float, same

PATHS_MAX = 1000
"""Of each kind of change, in records that stand at several paths."""
KINDS = ("added", "removed", "promoted", "renamed", "retyped", "logical")
_Type = dict[str, Any]
_Types = list[tuple[int, _Type]]


class Step:
    """What becomes of a value of one side: its number or text, its fields, what is inside of it, or its type."""

    __slots__ = ("branches", "convert", "dropped", "fields", "inner", "kind")

    def __init__(
        self,
        convert: Callable[[Any], Any] | None = None,
        inner: Step | None = None,
        kind: Kind | None = None,
        branches: dict[int, Step] | None = None,
    ) -> None:
        self.convert, self.inner, self.kind, self.branches = convert, inner, kind, branches or {}
        self.fields: dict[str, tuple[str, Step | None]] = {}
        self.dropped: dict[str, Any] = {}
        """Defaults of fields that the other side's schema does not have."""

    def of(self, value: Any) -> Any:
        """The value, comparable."""
        if value is None:
            return None
        if self.branches:
            return self.branches[value.index].of(value.value)
        if self.kind is not None:
            return Typed(self.kind, value if self.inner is None else self.inner.of(value))
        if self.convert is not None:
            return self.convert(value)
        if self.inner is not None:
            step = self.inner.of
            return list(map(step, value)) if isinstance(value, list) else {n: step(one) for n, one in value.items()}
        return dict(self._entries(value))

    def _entries(self, value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        for name, inner in value.items():
            called, step = self.fields.get(name, (name, None))
            found = inner if step is None else step.of(inner)
            if name not in self.dropped or not same(found, self.dropped[name]):
                yield called, found

    def below(self) -> Iterator[Step]:
        """The steps of what is inside."""
        yield from (step for _, step in self.fields.values() if step is not None)
        yield from self.branches.values()
        if self.inner is not None:
            yield self.inner

    @property
    def acts(self) -> bool:
        """Whether it changes anything by itself."""
        renames = any(name != called for name, (called, _) in self.fields.items())
        return bool(self.convert or self.kind or self.branches or self.dropped or renames)

    @property
    def is_flat(self) -> bool:
        """Whether it says nothing but names and promotions of the outermost fields."""
        plain = not (self.dropped or self.kind or self.convert or self.branches or self.inner)
        return plain and all(step.convert is as_float for step in self.below())


class Evolution(NamedTuple):
    """From production's writer schema to the candidate's; a step is None where values stay as they are."""

    changes: dict[str, list[str]]
    """Paths by kind; of kinds that there are."""
    production: Step | None
    shadow: Step | None
    typed: bool = False
    """Whether the steps take values as they are written (`avro_types.as_written`)."""

    def in_arrow(self, ours: pa.RecordBatch, theirs: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch] | None:
        """Columns of both sides, comparable; None where only rows can be made so."""
        if self.typed or not all(step is None or step.is_flat for step in (self.production, self.shadow)):
            return None
        one, other = _columns(self.production, ours), _columns(self.shadow, theirs)
        return None if one is None or other is None else (one, other)


NONE = Evolution({}, None, None)


def _columns(step: Step | None, batch: pa.RecordBatch) -> pa.RecordBatch | None:
    if step is None:
        return batch
    names, columns = [], []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        called, inner = step.fields.get(name, (name, None))
        names.append(called)
        if inner is None or not pa.types.is_integer(column.type):
            columns.append(column)
            continue
        try:
            columns.append(column.cast(pa.float64()))
        except pa.ArrowInvalid:  # of an int beyond 2⁵³, which rows know how to compare
            return None
    return pa.RecordBatch.from_arrays(columns, names=names)


def evolution(production: ParsedSchema, shadow: ParsedSchema) -> Evolution:
    """What lies between two parsed writer schemas; they may be one and the same."""
    if production is shadow and not has_unions(production):
        return NONE
    types = Types(production), Types(shadow)
    walk = _Walk(types, typed=False)
    steps = walk.both(production, shadow, "")
    if walk.needs_types:
        walk = _Walk(types, typed=True)
        steps = walk.both(production, shadow, "")
    ours, theirs = map(pruned, steps)
    return Evolution({kind: paths for kind, paths in walk.changes.items() if paths}, ours, theirs, walk.needs_types)


def pruned(step: Step | None) -> Step | None:
    """The step without what changes nothing; None if that is all of it. Steps of recursive types are circles."""
    if step is None:
        return None
    every: list[Step] = [step]
    known = {id(step)}
    for one in every:
        new = [below for below in one.below() if id(below) not in known]
        known.update(map(id, new))
        every += {id(below): below for below in new}.values()
    acting = {id(one) for one in every if one.acts}
    while more := {id(one) for one in every if id(one) not in acting and any(id(b) in acting for b in one.below())}:
        acting |= more
    for one in every:
        one.fields = {
            name: (called, inner if id(inner) in acting else None)
            for name, (called, inner) in one.fields.items()
            if called != name or id(inner) in acting
        }
        one.inner = one.inner if id(one.inner) in acting else None
    return step if id(step) in acting else None


_Steps = tuple[Step | None, Step | None]


class _Walk:
    """One walk over two schemas, side by side. `typed`: of values as they are written."""

    def __init__(self, types: tuple[Types, Types], typed: bool) -> None:
        self.changes: dict[str, list[str]] = {kind: [] for kind in KINDS}
        self.needs_types = typed
        self._typed, self._types = typed, types
        self._records: dict[tuple[str, str], tuple[Step, Step]] = {}
        self._changes: dict[tuple[str, str], tuple[str, dict[str, list[str]]]] = {}
        self._own: dict[int, _Walk] = {}

    def both(self, ours: Any, theirs: Any, path: str) -> _Steps:
        """The steps of two schemas at one place."""
        (one, several), (other, also_several) = self._types[0].branches(ours), self._types[1].branches(theirs)
        if several or also_several:
            return self._unions((one, several), (other, also_several), path)
        if not one and not other:
            return None, None
        if not one or not other:  # null, of which nothing else is compared
            return self._alone(0, ours), self._alone(1, theirs)
        return self._one_type(one[0][1], other[0][1], path)

    def _one_type(self, ours: _Type, theirs: _Type, path: str) -> _Steps:
        if are_one(ours, theirs) or promotes(ours, theirs) or promotes(theirs, ours):
            return self._alike(ours, theirs, path)
        self.changes["retyped"].append(path)
        self.needs_types = True
        steps = self._alone(0, ours), self._alone(1, theirs)
        if kind_of(ours) == kind_of(theirs) == "record":  # of two names: what a rule may look into all the same
            steps = self._of_records(ours, theirs, path)
        one, two = (Step(None, step, _kind(one)) for step, one in zip(steps, (ours, theirs), strict=True))
        return one, two

    def _alike(self, ours: _Type, theirs: _Type, path: str) -> _Steps:
        """Of two types of which a reader takes one for the other."""
        kind, other = kind_of(ours), kind_of(theirs)
        if kind == other == "record":
            return self._of_records(ours, theirs, path)
        if kind == other and kind in ("array", "map"):
            inside = "items" if kind == "array" else "values"
            one, two = self.both(ours[inside], theirs[inside], f"{path}.*" if path else "*")
            return one and Step(inner=one), two and Step(inner=two)
        logical = logical_of(ours) or logical_of(theirs)
        if logical_of(ours) != logical_of(theirs):
            self.changes["logical"].append(path)
        if kind != other:
            self.changes["promoted"].append(path)
        if logical:
            convert, other_convert, as_written = conversions(ours, theirs)
            self.needs_types |= as_written
            return (convert and Step(convert), other_convert and Step(other_convert)) if self._typed else (None, None)
        promote = {"string": Step(str.encode), "int": Step(as_float), "long": Step(as_float)}
        if kind == other or (kind in NUMBERS and NUMBERS[kind] == NUMBERS[other]):
            return None, None
        return promote.get(kind), promote.get(other)

    def _of_records(self, ours: _Type, theirs: _Type, path: str) -> tuple[Step, Step]:
        key = ours["name"], theirs["name"]
        if key in self._records:  # a record inside itself, or once more
            self._again(key, path)
            return self._records[key]
        steps = self._records[key] = Step(), Step()
        begin = {kind: len(paths) for kind, paths in self.changes.items()}
        left = {field["name"]: field for field in theirs["fields"]}
        names = {one["name"] for one in ours["fields"]}
        for field in ours["fields"]:
            name, at = field["name"], f"{path}.{field['name']}" if path else field["name"]
            partner = _partner(field, left, names)
            if partner is None:
                self.changes["removed"].append(at)
                self._one_sided(0, steps[0], field)
                continue
            del left[partner["name"]]
            one, two = self.both(field["type"], partner["type"], at)
            if partner["name"] != name:
                self.changes["renamed"].append(at)
            steps[0].fields[name] = name, one
            steps[1].fields[partner["name"]] = name, two
        self.changes["added"] += [f"{path}.{name}" if path else name for name in left]
        for field in left.values():
            self._one_sided(1, steps[1], field)
        self._changes[key] = path, {kind: paths[begin[kind] :] for kind, paths in self.changes.items()}
        return steps

    def _again(self, key: tuple[str, str], path: str) -> None:
        """Tell of the changes in a record at another path of it; of one inside itself they are told once."""
        first, changes = self._changes.get(key, ("", {}))
        for kind, paths in changes.items():
            room = PATHS_MAX - len(self.changes[kind])
            names = (one[len(first) :].lstrip(".") for one in paths[:room])
            self.changes[kind] += [f"{path}.{name}" if name else path for name in names]

    def _one_sided(self, side: int, step: Step, field: _Type) -> None:
        """Of a field that the other side's schema does not have, for whose values a reader takes the default."""
        name, alone = field["name"], self._alone(side, field["type"])
        step.fields[name] = name, alone
        if "default" in field:
            self.needs_types |= not self._types[side].is_plain(field["type"])
            with suppress(KeyError, TypeError, ValueError, AttributeError):  # not one that fits: none
                default = default_of(field["type"], field["default"], self._types[side])
                step.dropped[name] = default if alone is None else alone.of(default)

    def _alone(self, side: int, schema: Any) -> Step | None:
        """The step of values without a partner: that of their own schema on both sides."""
        if not self._typed:
            return None
        walk = self._own.get(side) or _Walk((self._types[side], self._types[side]), typed=True)
        self._own[side] = walk
        return walk.both(schema, schema, "")[0]

    # ---------------------------------------------------------------- several types

    def _unions(self, ours: tuple[_Types, bool], theirs: tuple[_Types, bool], path: str) -> _Steps:
        self.needs_types = True
        pairs = partners(ours[0], theirs[0])
        types = dict(ours[0]), dict(theirs[0])
        steps: tuple[dict[int, Step | None], dict[int, Step | None]] = {}, {}
        keys: tuple[dict[int, str], dict[int, str]] = {}, {}
        for pair in pairs:
            if any(one != pair and (one[0] == pair[0] or one[1] == pair[1]) for one in pairs):
                # A type with several partners is compared with each as both are written.
                found: _Steps = None, None
                key = None
                self.changes["promoted"] += [path] * (path not in self.changes["promoted"])
            else:
                found = self._one_type(types[0][pair[0]], types[1][pair[1]], path)
                key = f"{pair[0]} {pair[1]}"
            for side in (0, 1):
                steps[side][pair[side]] = found[side]
                keys[side][pair[side]] = key or str(types[side][pair[side]]["type"])
        made = []
        for side, several in enumerate((ours[1], theirs[1])):
            by_place = {}
            for place, schema in types[side].items():
                step = steps[side][place] if place in steps[side] else self._alone(side, schema)
                own = frozenset(pair[1 - side] for pair in pairs if pair[side] == place)
                key = keys[side].get(place, f"{place} of {side}")
                by_place[place] = Step(None, step, _kind(schema, place, own, key))
            made.append(Step(branches=by_place) if several else next(iter(by_place.values()), None))
        return made[0], made[1]


def _kind(schema: _Type, place: int = 0, partners: frozenset[int] = frozenset(), key: str = "") -> Kind:
    is_named = kind_of(schema) in NAMED
    return Kind(schema["name"] if is_named else schema["type"], is_named, place, partners, key)


def _partner(field: dict[str, Any], theirs: dict[str, Any], own_names: set[str]) -> dict[str, Any] | None:
    """The field of that name, else the one that an alias of either says to be it."""
    name, aliases = field["name"], field.get("aliases", ())
    if name in theirs:
        same_name: dict[str, Any] = theirs[name]
        return same_name
    for other, partner in theirs.items():
        if other not in own_names and (other in aliases or name in partner.get("aliases", ())):
            found: dict[str, Any] = partner
            return found
    return None
