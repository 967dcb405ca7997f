"""Rules on Arrow columns: the level of each pair that columns can decide, and `UNKNOWN` for the others.

Every decision here equals the decision of `by_value`. Columns decide equality of any flat or nested value, ignored
paths, and tolerances of numbers (for ints, only far enough from the bound for doubles). A pair that differs under
any other rule, or inside a list or a map, is left to `by_value`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shadowstream.codecs.columns import as_numpy, whole_numbers
from shadowstream.compare.by_column import Levels, doubtful, float_levels, is_numeric, where
from shadowstream.compare.by_value import level_of
from shadowstream.compare.column_differences import FieldDifferences, Places
from shadowstream.compare.differences import ABSENT
from shadowstream.compare.result import IGNORED, MATCH, MISMATCH
from shadowstream.compare.rules import RuleSet, Spot
from shadowstream.config import Rule

UNKNOWN = 255
"""Above every level, so the maximum over a pair's fields stays unknown if one field is unknown."""
_EXACT_MAX = 2**52
_Mask = npt.NDArray[np.bool_]
_Path = tuple[str, ...]


class FieldLevels(NamedTuple):
    """The levels of one field without named parts that is not equal in all pairs, and its columns."""

    path: _Path
    production: pa.Array
    shadow: pa.Array
    levels: Levels


class ArrowLevels(NamedTuple):
    """The level of each pair of records, or `UNKNOWN`; and those of the fields on which it rests.

    `fields` is None if a field that only one side has may be a mismatch.
    """

    of_pairs: Levels
    fields: list[FieldLevels] | None


def arrow_levels(production: pa.RecordBatch, shadow: pa.RecordBatch, rules: RuleSet) -> ArrowLevels:
    """Compare pairs of records, field by field."""
    levels = np.zeros(production.num_rows, np.uint8)
    found: list[FieldLevels] = []
    production_names, shadow_names = production.schema.names, shadow.schema.names
    for name in (*production_names, *(name for name in shadow_names if name not in production_names)):
        if name in production_names and name in shadow_names:
            spot = rules.root.step(name)
            field_levels = _field(spot, (name,), production.column(name), shadow.column(name), found)
            if field_levels is not None:
                np.maximum(levels, field_levels, out=levels)
        else:
            np.maximum(levels, _one_sided(rules, name, name in production_names), out=levels)
    return ArrowLevels(levels, found if production_names == shadow_names else None)


def _one_sided(rules: RuleSet, name: str, in_production: bool) -> int:
    rule = rules.root.step(name).rule
    if rule is not None and rule.absent_is_null:
        return UNKNOWN
    return level_of(rules, name, *((0, ABSENT) if in_production else (ABSENT, 0)))


def _field(spot: Spot, path: _Path, production: pa.Array, shadow: pa.Array, found: list[FieldLevels]) -> Levels | None:
    """The levels of one field; None if all match. Equal whole columns, the usual case, cost next to nothing. The levels
    of fields without named parts are added to `found`."""
    if pa.types.is_struct(production.type) and pa.types.is_struct(shadow.type) and spot.own is None:
        return _struct(spot, path, production, shadow, found)
    if production.equals(shadow):
        return None
    unequal = _unequal(production, shadow)
    if not unequal.any():
        return None
    levels = _levels(spot, production, shadow, unequal)
    found.append(FieldLevels(path, production, shadow, levels))
    return levels


def _levels(spot: Spot, production: pa.Array, shadow: pa.Array, unequal: _Mask) -> Levels:
    rule = spot.rule
    flat = _class(production.type) == _class(shadow.type) in _FLAT
    if not flat or spot.own is not None or not is_numeric(rule):
        return where(unequal, UNKNOWN)
    if rule is None:
        return where(unequal, MISMATCH)
    if rule.ignore:
        return where(unequal, IGNORED)
    if rule.of_numbers and _class(production.type) in ("float", "int"):
        return _numbers(production, shadow, unequal, rule)
    # A tolerance of texts or times. Few pairs need it; otherwise the field would be ignored.
    return where(unequal, UNKNOWN)


def _struct(spot: Spot, path: _Path, production: pa.Array, shadow: pa.Array, found: list[FieldLevels]) -> Levels | None:
    names = [field.name for field in production.type]
    if names != [field.name for field in shadow.type]:
        return where(_valid(production) | _valid(shadow), UNKNOWN)
    levels = np.zeros(len(production), np.uint8)
    begin = len(found)
    for index, name in enumerate(names):
        below = spot.step(name), (*path, name)
        field_levels = _field(*below, production.field(index), shadow.field(index), found)
        if field_levels is not None:
            np.maximum(levels, field_levels, out=levels)
    if production.null_count or shadow.null_count:
        production_valid, shadow_valid = _valid(production), _valid(shadow)
        levels[~production_valid & ~shadow_valid] = MATCH
        levels[production_valid != shadow_valid] = UNKNOWN
        for field in found[begin:]:  # the parts of a null hold any value
            field.levels[~(production_valid & shadow_valid)] = MATCH
    return levels


def _numbers(production: pa.Array, shadow: pa.Array, unequal: _Mask, rule: Rule) -> Levels:
    both_valid = _valid(production) & _valid(shadow)
    production_doubles, shadow_doubles = _doubles(production), _doubles(shadow)
    of_doubles = float_levels(production_doubles, shadow_doubles, rule)
    levels = where(unequal, MISMATCH)
    if of_doubles is not None:
        levels[both_valid] = of_doubles[both_valid]
    if _class(production.type) == "int":
        # `by_value` compares ints exactly; beyond 2⁵² their doubles and differences are not exact.
        large = (np.abs(production_doubles) > _EXACT_MAX) | (np.abs(shadow_doubles) > _EXACT_MAX)
        levels[(large | (doubtful(production_doubles, shadow_doubles, rule) & both_valid)) & unequal] = UNKNOWN
        levels[~unequal] = MATCH
    return levels


def _doubles(column: pa.Array) -> npt.NDArray[np.float64]:
    return as_numpy(column).astype(np.float64)


_FLAT = frozenset(("int", "float", "text", "bool", "bytes", "date", "time"))


def _class(kind: pa.DataType) -> str:
    """The Python type that `by_value` sees for an Arrow type, or the shape of a nested type."""
    types = pa.types
    for name, is_it in (
        ("int", types.is_integer),
        ("float", types.is_floating),
        ("text", types.is_string),
        ("bool", types.is_boolean),
        ("bytes", types.is_binary),
        ("date", types.is_date32),
        ("time", types.is_timestamp),
        ("struct", types.is_struct),
        ("map", types.is_map),
        ("list", types.is_list),
    ):
        if is_it(kind):
            return name
    return "other"


def _valid(column: pa.Array) -> _Mask:
    if not column.null_count:
        return np.ones(len(column), np.bool_)
    valid: _Mask = as_numpy(column.is_valid())
    return valid


def _unequal(production: pa.Array, shadow: pa.Array) -> _Mask:
    """Mask of the rows that differ: exact for flat columns; for nested ones it may hold more (order of a map's
    keys)."""
    kind, shadow_kind = _class(production.type), _class(shadow.type)
    valid, shadow_valid = _valid(production), _valid(shadow)
    if kind != shadow_kind or kind == "other":
        return valid | shadow_valid
    if kind == "struct":
        unequal = _unequal_structs(production, shadow)
    elif kind in ("list", "map"):
        unequal = _unequal_lists(production, shadow, valid & shadow_valid)
    else:
        unequal = _unequal_flat(kind, production, shadow)
    differ: _Mask = (unequal & valid & shadow_valid) | (valid != shadow_valid)
    return differ


def _unequal_flat(kind: str, production: pa.Array, shadow: pa.Array) -> _Mask:
    if kind == "float":
        production_doubles, shadow_doubles = _doubles(production), _doubles(shadow)
        unequal: _Mask = (production_doubles != shadow_doubles) & ~(
            np.isnan(production_doubles) & np.isnan(shadow_doubles)
        )
        return unequal
    if kind == "time" and production.type != shadow.type:
        production, shadow = production.cast(pa.timestamp("us")), shadow.cast(pa.timestamp("us"))
    if kind in ("int", "date", "time") and not (production.null_count or shadow.null_count):
        differ: _Mask = whole_numbers(production) != whole_numbers(shadow)
    else:
        differ = as_numpy(pc.not_equal(production, shadow))
    return differ


def _unequal_structs(production: pa.Array, shadow: pa.Array) -> _Mask:
    if [field.name for field in production.type] != [field.name for field in shadow.type]:
        return np.ones(len(production), np.bool_)
    unequal = np.zeros(len(production), np.bool_)
    for index in range(production.type.num_fields):
        unequal |= _unequal(production.field(index), shadow.field(index))
    return unequal


def _unequal_lists(production: pa.Array, shadow: pa.Array, both_valid: _Mask) -> _Mask:
    counts, shadow_counts = _counts(production), _counts(shadow)
    unequal: _Mask = (counts != shadow_counts) & both_valid
    keep = both_valid & ~unequal
    if not keep.all():
        mask = _mask_of(keep)
        unequal[keep] = _unequal_lists_of(production.filter(mask), shadow.filter(mask), counts[keep])
        return unequal
    return _unequal_lists_of(production, shadow, counts)


def _mask_of(keep: _Mask) -> pa.Array:
    """An Arrow mask. `pa.array` would import pandas if installed."""
    bits = np.packbits(keep, bitorder="little")
    return pa.BooleanArray.from_buffers(pa.bool_(), len(keep), [None, pa.py_buffer(bits)])


def _unequal_lists_of(production: pa.Array, shadow: pa.Array, counts: npt.NDArray[Any]) -> _Mask:
    """Mask of unequal lists, for lists of pairwise equal lengths without nulls."""
    if pa.types.is_map(production.type):
        inner = _unequal(production.keys, shadow.keys) | _unequal(production.items, shadow.items)
    else:
        inner = _unequal(production.values, shadow.values)
    unequal_before = np.concatenate([[0], np.cumsum(inner)])
    ends = np.cumsum(counts)
    unequal: _Mask = unequal_before[ends] != unequal_before[ends - counts]
    return unequal


def _counts(column: pa.Array) -> npt.NDArray[Any]:
    return np.diff(as_numpy(column.offsets))


def field_differences(fields: Sequence[FieldLevels], levels: Levels, indexes: Places) -> list[FieldDifferences]:
    """Return the differences of the mismatches that differ only in fields that `by_value` would see as the same plain
    Python values. `levels`: of the pairs, none unknown; `indexes`: their places."""
    explained = levels == MISMATCH
    plain = []
    for field in fields:
        if field.production.type == field.shadow.type and _is_plain(field.production.type):
            plain.append(field)
        else:
            explained &= field.levels != MISMATCH
    found = []
    for path, production, shadow, of_field in plain:
        rows = np.flatnonzero((of_field == MISMATCH) & explained)
        if len(rows):
            may_be_null = bool(production.null_count or shadow.null_count)
            values = _values(production, rows), _values(shadow, rows)
            found.append(FieldDifferences(path, indexes[rows], *values, may_be_null))
    return found


def _values(column: pa.Array, rows: Places) -> list[Any]:
    if column.null_count or pa.types.is_string(column.type):
        # `pa.array` would import pandas where it is installed.
        places = pa.Int64Array.from_buffers(pa.int64(), len(rows), [None, pa.py_buffer(rows)])
        return column.take(places).to_pylist()  # type: ignore[no-any-return]  # pyarrow has no types
    return as_numpy(column)[rows].tolist()  # type: ignore[no-any-return]  # as numpy says


def _is_plain(kind: Any) -> bool:
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_string(kind) or types.is_boolean(kind))
