"""Differences between two writer schemas of one kind of value, and the steps that make their values comparable.

Production and candidate may write with different schemas, and either may change its own schema while the trial runs.
By Avro's own rules of resolution (specification, "Schema Resolution" and "Aliases"), some of these changes are no
difference of values:

=========  ======================================================================================================
change     effect
=========  ======================================================================================================
renamed    an alias in one schema names a field of the other: the candidate's field gets production's name
promoted   numbers of two types (int, long, float, double): an int beside a float becomes the equal float;
           a text beside bytes becomes its bytes in UTF-8
added      a field of the candidate's schema only: its value is extra (`compare.added_fields`), its default is not
removed    a field of production's schema only: its value is missing, its default is not
retyped    no reader resolves one type to the other: each value is `Typed`, and differs by its type
logical    a logical type on one side only: both values are compared in their written form
=========  ======================================================================================================

A reader drops everything that its schema does not have: fields, symbols of an enum, digits. The comparison drops
nothing. So these are differences: a removed field, a symbol that the other schema reads as its default, and an int
that no double equals.

Two values of the same schema are `Typed` as well if it has a union of several types.
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
    has_unions,
    is_same_type,
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
"""Maximum paths of each kind of change, for records that occur at several paths."""
KINDS = ("added", "removed", "promoted", "renamed", "retyped", "logical")
_Type = dict[str, Any]
_Types = list[tuple[int, _Type]]


class Step:
    """The conversion of one side's value: of its number or text, its fields, its elements, or its type."""

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
        """Defaults of fields that are missing in the other side's schema."""

    def of(self, value: Any) -> Any:
        """Convert a value to its comparable form."""
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
            return list(map(step, value)) if isinstance(value, list) else {n: step(item) for n, item in value.items()}
        return dict(self._entries(value))

    def _entries(self, value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        for name, inner in value.items():
            new_name, step = self.fields.get(name, (name, None))
            converted = inner if step is None else step.of(inner)
            if name not in self.dropped or not same(converted, self.dropped[name]):
                yield new_name, converted

    def below(self) -> Iterator[Step]:
        yield from (step for _, step in self.fields.values() if step is not None)
        yield from self.branches.values()
        if self.inner is not None:
            yield self.inner

    @property
    def acts(self) -> bool:
        """Whether this step itself changes anything, without its nested steps."""
        renames = any(name != new_name for name, (new_name, _) in self.fields.items())
        return bool(self.convert or self.kind or self.branches or self.dropped or renames)

    @property
    def is_flat(self) -> bool:
        """Whether the step only renames and promotes the outermost fields."""
        plain = not (self.dropped or self.kind or self.convert or self.branches or self.inner)
        return plain and all(step.convert is as_float for step in self.below())


class Evolution(NamedTuple):
    """The changes from production's writer schema to the candidate's. A step is None if values stay unchanged."""

    changes: dict[str, list[str]]
    """Paths by kind of change, for the kinds that occur."""
    production: Step | None
    shadow: Step | None
    typed: bool = False
    """Whether the steps need values in their written form (`avro_types.as_written`)."""

    def in_arrow(
        self, production: pa.RecordBatch, shadow: pa.RecordBatch
    ) -> tuple[pa.RecordBatch, pa.RecordBatch] | None:
        """Comparable columns of both sides; None if only rows can be made comparable."""
        if self.typed or not all(step is None or step.is_flat for step in (self.production, self.shadow)):
            return None
        production_columns, shadow_columns = _columns(self.production, production), _columns(self.shadow, shadow)
        return None if production_columns is None or shadow_columns is None else (production_columns, shadow_columns)


NONE = Evolution({}, None, None)


def _columns(step: Step | None, batch: pa.RecordBatch) -> pa.RecordBatch | None:
    if step is None:
        return batch
    names, columns = [], []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        new_name, inner = step.fields.get(name, (name, None))
        names.append(new_name)
        if inner is None or not pa.types.is_integer(column.type):
            columns.append(column)
            continue
        try:
            columns.append(column.cast(pa.float64()))
        except pa.ArrowInvalid:  # an int beyond 2⁵³, which only rows can compare
            return None
    return pa.RecordBatch.from_arrays(columns, names=names)


def evolution(production: ParsedSchema, shadow: ParsedSchema) -> Evolution:
    """The changes between two parsed writer schemas, which may be the same schema."""
    if production is shadow and not has_unions(production):
        return NONE
    types = Types(production), Types(shadow)
    walk = _Walk(types, typed=False)
    steps = walk.steps(production, shadow, "")
    if walk.needs_types:
        walk = _Walk(types, typed=True)
        steps = walk.steps(production, shadow, "")
    production_step, shadow_step = map(pruned, steps)
    return Evolution(
        {kind: paths for kind, paths in walk.changes.items() if paths}, production_step, shadow_step, walk.needs_types
    )


def pruned(step: Step | None) -> Step | None:
    """The step without parts that change nothing; None if nothing is left. Steps of recursive types form cycles."""
    if step is None:
        return None
    every: list[Step] = [step]
    known = {id(step)}
    for reached in every:
        new = [below for below in reached.below() if id(below) not in known]
        known.update(map(id, new))
        every += {id(below): below for below in new}.values()
    acting = {id(reached) for reached in every if reached.acts}
    while more := {
        id(reached) for reached in every if id(reached) not in acting and any(id(b) in acting for b in reached.below())
    }:
        acting |= more
    for reached in every:
        reached.fields = {
            name: (new_name, inner if id(inner) in acting else None)
            for name, (new_name, inner) in reached.fields.items()
            if new_name != name or id(inner) in acting
        }
        reached.inner = reached.inner if id(reached.inner) in acting else None
    return step if id(step) in acting else None


_Steps = tuple[Step | None, Step | None]


class _Walk:
    """A parallel walk over two schemas. With `typed`, values keep their written form."""

    def __init__(self, types: tuple[Types, Types], typed: bool) -> None:
        self.changes: dict[str, list[str]] = {kind: [] for kind in KINDS}
        self.needs_types = typed
        self._typed, self._types = typed, types
        self._records: dict[tuple[str, str], tuple[Step, Step]] = {}
        self._changes: dict[tuple[str, str], tuple[str, dict[str, list[str]]]] = {}
        self._own: dict[int, _Walk] = {}

    def steps(self, production: Any, shadow: Any, path: str) -> _Steps:
        types, several = self._types[0].branches(production)
        shadow_types, shadow_several = self._types[1].branches(shadow)
        if several or shadow_several:
            return self._unions((types, several), (shadow_types, shadow_several), path)
        if not types and not shadow_types:
            return None, None
        if not types or not shadow_types:  # one side is always null, so nothing else is compared
            return self._own_step(0, production), self._own_step(1, shadow)
        return self._single_types(types[0][1], shadow_types[0][1], path)

    def _single_types(self, production: _Type, shadow: _Type, path: str) -> _Steps:
        if is_same_type(production, shadow) or promotes(production, shadow) or promotes(shadow, production):
            return self._alike(production, shadow, path)
        self.changes["retyped"].append(path)
        self.needs_types = True
        steps: _Steps = self._own_step(0, production), self._own_step(1, shadow)
        if kind_of(production) == kind_of(shadow) == "record":  # two names; a rule may still look into the records
            steps = self._of_records(production, shadow, path)
        return Step(None, steps[0], _kind(production)), Step(None, steps[1], _kind(shadow))

    def _alike(self, production: _Type, shadow: _Type, path: str) -> _Steps:
        """The steps of two types of which a reader resolves one to the other."""
        kind, shadow_kind = kind_of(production), kind_of(shadow)
        if kind == shadow_kind == "record":
            return self._of_records(production, shadow, path)
        if kind == shadow_kind and kind in ("array", "map"):
            inside = "items" if kind == "array" else "values"
            step, shadow_step = self.steps(production[inside], shadow[inside], f"{path}.*" if path else "*")
            return step and Step(inner=step), shadow_step and Step(inner=shadow_step)
        logical = logical_of(production) or logical_of(shadow)
        if logical_of(production) != logical_of(shadow):
            self.changes["logical"].append(path)
        if kind != shadow_kind:
            self.changes["promoted"].append(path)
        if logical:
            convert, shadow_convert, as_written = conversions(production, shadow)
            self.needs_types |= as_written
            return (convert and Step(convert), shadow_convert and Step(shadow_convert)) if self._typed else (None, None)
        promote = {"string": Step(str.encode), "int": Step(as_float), "long": Step(as_float)}
        if kind == shadow_kind or (kind in NUMBERS and NUMBERS[kind] == NUMBERS[shadow_kind]):
            return None, None
        return promote.get(kind), promote.get(shadow_kind)

    def _of_records(self, production: _Type, shadow: _Type, path: str) -> tuple[Step, Step]:
        key = production["name"], shadow["name"]
        if key in self._records:  # a recursive record, or one that occurs at several paths
            self._repeat_changes(key, path)
            return self._records[key]
        steps = self._records[key] = Step(), Step()
        begin = {kind: len(paths) for kind, paths in self.changes.items()}
        left = {field["name"]: field for field in shadow["fields"]}
        names = {field["name"] for field in production["fields"]}
        for field in production["fields"]:
            name, field_path = field["name"], f"{path}.{field['name']}" if path else field["name"]
            partner = _partner(field, left, names)
            if partner is None:
                self.changes["removed"].append(field_path)
                self._unmatched_field(0, steps[0], field)
                continue
            del left[partner["name"]]
            step, shadow_step = self.steps(field["type"], partner["type"], field_path)
            if partner["name"] != name:
                self.changes["renamed"].append(field_path)
            steps[0].fields[name] = name, step
            steps[1].fields[partner["name"]] = name, shadow_step
        self.changes["added"] += [f"{path}.{name}" if path else name for name in left]
        for field in left.values():
            self._unmatched_field(1, steps[1], field)
        self._changes[key] = path, {kind: paths[begin[kind] :] for kind, paths in self.changes.items()}
        return steps

    def _repeat_changes(self, key: tuple[str, str], path: str) -> None:
        """Report the changes in a record at another of its paths; inside itself, a record's changes are reported
        once."""
        first, changes = self._changes.get(key, ("", {}))
        for kind, paths in changes.items():
            room = PATHS_MAX - len(self.changes[kind])
            names = (changed[len(first) :].lstrip(".") for changed in paths[:room])
            self.changes[kind] += [f"{path}.{name}" if name else path for name in names]

    def _unmatched_field(self, side: int, step: Step, field: _Type) -> None:
        """The step of a field that the other side's schema lacks; a reader takes the default for its values."""
        name, own_step = field["name"], self._own_step(side, field["type"])
        step.fields[name] = name, own_step
        if "default" in field:
            self.needs_types |= not self._types[side].is_plain(field["type"])
            # A default that does not fit the schema counts as none.
            with suppress(KeyError, TypeError, ValueError, AttributeError):
                default = default_of(field["type"], field["default"], self._types[side])
                step.dropped[name] = default if own_step is None else own_step.of(default)

    def _own_step(self, side: int, schema: Any) -> Step | None:
        """The step of values without a partner: the one between their own schema and itself."""
        if not self._typed:
            return None
        walk = self._own.get(side) or _Walk((self._types[side], self._types[side]), typed=True)
        self._own[side] = walk
        return walk.steps(schema, schema, "")[0]

    def _unions(self, production: tuple[_Types, bool], shadow: tuple[_Types, bool], path: str) -> _Steps:
        self.needs_types = True
        pairs = partners(production[0], shadow[0])
        types = dict(production[0]), dict(shadow[0])
        steps: tuple[dict[int, Step | None], dict[int, Step | None]] = {}, {}
        keys: tuple[dict[int, str], dict[int, str]] = {}, {}
        for pair in pairs:
            if any(rival != pair and (rival[0] == pair[0] or rival[1] == pair[1]) for rival in pairs):
                # A type with several partners is compared with each partner, both in their written form.
                pair_steps: _Steps = None, None
                key = None
                self.changes["promoted"] += [path] * (path not in self.changes["promoted"])
            else:
                pair_steps = self._single_types(types[0][pair[0]], types[1][pair[1]], path)
                key = f"{pair[0]} {pair[1]}"
            for side in (0, 1):
                steps[side][pair[side]] = pair_steps[side]
                keys[side][pair[side]] = key or str(types[side][pair[side]]["type"])
        made = []
        for side, several in enumerate((production[1], shadow[1])):
            by_place = {}
            for place, schema in types[side].items():
                step = steps[side][place] if place in steps[side] else self._own_step(side, schema)
                own = frozenset(pair[1 - side] for pair in pairs if pair[side] == place)
                key = keys[side].get(place, f"{place} of {side}")
                by_place[place] = Step(None, step, _kind(schema, place, own, key))
            made.append(Step(branches=by_place) if several else next(iter(by_place.values()), None))
        return made[0], made[1]


def _kind(schema: _Type, place: int = 0, partners: frozenset[int] = frozenset(), key: str = "") -> Kind:
    is_named = kind_of(schema) in NAMED
    return Kind(schema["name"] if is_named else schema["type"], is_named, place, partners, key)


def _partner(field: _Type, fields: dict[str, _Type], own_names: set[str]) -> _Type | None:
    """The field of the same name, else the field that an alias on either side identifies."""
    name, aliases = field["name"], field.get("aliases", ())
    if name in fields:
        return fields[name]
    for candidate, partner in fields.items():
        if candidate not in own_names and (candidate in aliases or name in partner.get("aliases", ())):
            return partner
    return None
