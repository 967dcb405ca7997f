"""Two writer schemas of one kind of value: what lies between them, and how values of both are made comparable.

Production and candidate may write with different schemas, and either may change its own in mid-stream. By Avro's own
rules of resolution (specification, "Schema Resolution" and "Aliases") some of that is no difference of values:

=========  ======================================================================================================
change     what follows
=========  ======================================================================================================
renamed    a field of which one schema says by an alias what the other calls it: the candidate's has production's name
promoted   numbers of two types (int, long, float, double): an int beside a float becomes one
added      a field of the candidate's schema only: its value is extra (`compare.added_fields`)
removed    a field of production's schema only: its value is missing
=========  ======================================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa

from shadowstream.codecs.numbers import promoted
from shadowstream.codecs.schemas import ParsedSchema

KINDS = ("added", "removed", "promoted", "renamed")
_NUMBERS = {"int": 0, "long": 0, "float": 1, "double": 1}


class Step(NamedTuple):
    """What becomes of a value of one side: an int a float, fields their names, and what is inside of it."""

    promote: bool = False
    fields: dict[str, tuple[str, Step | None]] = {}  # noqa: RUF012  a default that nobody changes
    inner: Step | None = None

    def of(self, value: Any) -> Any:
        """The value, comparable."""
        if self.promote and type(value) is int:
            return promoted(value)
        if self.fields and isinstance(value, dict):
            return dict(self._entries(value))
        if self.inner is not None and isinstance(value, list):
            return [self.inner.of(one) for one in value]
        if self.inner is not None and isinstance(value, dict):
            return {name: self.inner.of(one) for name, one in value.items()}
        return value

    def _entries(self, value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        for name, inner in value.items():
            called, step = self.fields.get(name, (name, None))
            yield called, inner if step is None else step.of(inner)

    @property
    def is_flat(self) -> bool:
        """Whether it says nothing but names and types of the outermost fields."""
        return self.inner is None and all(
            step is None or not (step.fields or step.inner) for _, step in self.fields.values()
        )


class Evolution(NamedTuple):
    """From production's writer schema to the candidate's; a step is None where values stay as they are."""

    changes: dict[str, list[str]]
    """Paths by kind; of kinds that there are."""
    production: Step | None
    shadow: Step | None

    def in_arrow(self, ours: pa.RecordBatch, theirs: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch] | None:
        """Columns of both sides, comparable; None where only rows can be made so."""
        if not all(step is None or step.is_flat for step in (self.production, self.shadow)):
            return None
        try:
            return _columns(self.production, ours), _columns(self.shadow, theirs)
        except pa.ArrowInvalid:  # an int that no double is
            return None


NONE = Evolution({}, None, None)


def _columns(step: Step | None, batch: pa.RecordBatch) -> pa.RecordBatch:
    if step is None:
        return batch
    names, columns = [], []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        called, inner = step.fields.get(name, (name, None))
        promoted = inner is not None and inner.promote and pa.types.is_integer(column.type)
        names.append(called)
        columns.append(column.cast(pa.float64()) if promoted else column)
    return pa.RecordBatch.from_arrays(columns, names=names)


def evolution(production: ParsedSchema, shadow: ParsedSchema) -> Evolution:
    """What lies between two parsed writer schemas."""
    walk = _Walk(production, shadow)
    ours, theirs = walk.both(production, shadow, "")
    return Evolution({kind: paths for kind, paths in walk.changes.items() if paths}, ours, theirs)


class _Walk:
    """One walk over two schemas, side by side."""

    def __init__(self, *schemas: ParsedSchema) -> None:
        self.changes: dict[str, list[str]] = {kind: [] for kind in KINDS}
        self._named = tuple(dict(one.get("__named_schemas", {})) if isinstance(one, dict) else {} for one in schemas)
        self._open: set[tuple[str, str]] = set()

    def both(self, ours: Any, theirs: Any, path: str) -> tuple[Step | None, Step | None]:
        ours, theirs = self._only(ours, 0), self._only(theirs, 1)
        if ours is None or theirs is None:
            return None, None
        kind, other = ours["type"], theirs["type"]
        if kind in _NUMBERS and other in _NUMBERS and not (ours.get("logicalType") or theirs.get("logicalType")):
            return self._numbers(kind, other, path)
        if kind == other == "record":
            return self._records(ours, theirs, path)
        if kind == other and kind in ("array", "map"):
            inside = "items" if kind == "array" else "values"
            one, two = self.both(ours[inside], theirs[inside], f"{path}.*" if path else "*")
            return (None if one is None else Step(inner=one)), (None if two is None else Step(inner=two))
        return None, None

    def _only(self, schema: Any, side: int) -> dict[str, Any] | None:
        """The one type that is not null, by its definition; None where there are several."""
        if isinstance(schema, list):
            some = [one for one in schema if one != "null"]
            return self._only(some[0], side) if len(some) == 1 else None
        if isinstance(schema, str):
            named: dict[str, Any] = self._named[side].get(schema, {"type": schema})
            return named
        if isinstance(schema["type"], dict | list):
            return self._only(schema["type"], side)
        if "name" in schema:
            self._named[side].setdefault(schema["name"], schema)
        found: dict[str, Any] = schema
        return found

    def _numbers(self, kind: str, other: str, path: str) -> tuple[Step | None, Step | None]:
        if kind == other:
            return None, None
        self.changes["promoted"].append(path)
        if _NUMBERS[kind] == _NUMBERS[other]:
            return None, None
        promote = Step(promote=True)
        return (promote, None) if _NUMBERS[kind] < _NUMBERS[other] else (None, promote)

    def _records(self, ours: dict[str, Any], theirs: dict[str, Any], path: str) -> tuple[Step | None, Step | None]:
        names = ours["name"], theirs["name"]
        if names in self._open:  # a record inside itself: told as it is, and not made comparable again
            return None, None
        self._open.add(names)
        steps: tuple[dict[str, Any], dict[str, Any]] = {}, {}
        left = {field["name"]: field for field in theirs["fields"]}
        for field in ours["fields"]:
            at = f"{path}.{field['name']}" if path else field["name"]
            partner = _partner(field, left, {one["name"] for one in ours["fields"]})
            if partner is None:
                self.changes["removed"].append(at)
                continue
            del left[partner["name"]]
            one, two = self.both(field["type"], partner["type"], at)
            if partner["name"] != field["name"]:
                self.changes["renamed"].append(at)
            if one is not None:
                steps[0][field["name"]] = field["name"], one
            if two is not None or partner["name"] != field["name"]:
                steps[1][partner["name"]] = field["name"], two
        self.changes["added"] += [f"{path}.{name}" if path else name for name in left]
        self._open.discard(names)
        return (Step(fields=steps[0]) if steps[0] else None), (Step(fields=steps[1]) if steps[1] else None)


def _partner(field: dict[str, Any], theirs: dict[str, Any], own_names: set[str]) -> dict[str, Any] | None:
    """The field of that name, else the one that an alias of either says to be it."""
    name, aliases = field["name"], field.get("aliases", ())
    if name in theirs:
        same: dict[str, Any] = theirs[name]
        return same
    for other, partner in theirs.items():
        if other not in own_names and (other in aliases or name in partner.get("aliases", ())):
            found: dict[str, Any] = partner
            return found
    return None
