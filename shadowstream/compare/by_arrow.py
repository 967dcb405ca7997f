"""The rules on columns in Arrow: levels of the pairs that columns can decide, and `UNKNOWN` where rows must.

Nothing is decided here that `rows` would decide otherwise: equality of any flat or nested value, ignored paths, and
tolerances of numbers, of ints where they are far enough from the bound for doubles. Where a pair differs under any
other rule, or inside a list or a map, its row is asked.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shadowstream.codecs.columns import as_numpy, whole_numbers
from shadowstream.compare.by_column import Levels, doubtful, float_levels, is_numeric
from shadowstream.compare.by_value import level_of
from shadowstream.compare.differences import ABSENT
from shadowstream.compare.result import IGNORED, MATCH, MISMATCH
from shadowstream.compare.rules import RuleSet, Spot
from shadowstream.config import Rule

UNKNOWN = 255
"""Above every level, so that the gravest of a pair's fields stays unknown if one is."""
_EXACT_MAX = 2**52
_Mask = npt.NDArray[np.bool_]


def arrow_levels(production: pa.RecordBatch, shadow: pa.RecordBatch, rules: RuleSet) -> Levels:
    """The level of each pair of records, or `UNKNOWN`."""
    levels = np.zeros(production.num_rows, np.uint8)
    ours, theirs = production.schema.names, shadow.schema.names
    for name in (*ours, *(name for name in theirs if name not in ours)):
        if name in ours and name in theirs:
            found = _field(rules.root.step(name), production.column(name), shadow.column(name))
            if found is not None:
                np.maximum(levels, found, out=levels)
        else:
            np.maximum(levels, _one_sided(rules, name, name in ours), out=levels)
    return levels


def _one_sided(rules: RuleSet, name: str, in_production: bool) -> int:
    """The level of a field of one schema only."""
    rule = rules.root.step(name).rule
    if rule is not None and rule.absent_is_null:
        return UNKNOWN
    return level_of(rules, name, *((0, ABSENT) if in_production else (ABSENT, 0)))


def _field(spot: Spot, ours: pa.Array, theirs: pa.Array) -> Levels | None:
    """The levels of one field, None for all match. Whole columns that are equal, as most are, cost next to nothing."""
    if pa.types.is_struct(ours.type) and pa.types.is_struct(theirs.type) and spot.own is None:
        return _struct(spot, ours, theirs)
    if ours.equals(theirs):
        return None
    unequal = _unequal(ours, theirs)
    if not unequal.any():
        return None
    rule = spot.rule
    flat = _class(ours.type) == _class(theirs.type) in _FLAT
    if not flat or spot.own is not None or not is_numeric(rule):
        return _where(unequal, UNKNOWN)
    if rule is None:
        return _where(unequal, MISMATCH)
    if rule.ignore:
        return _where(unequal, IGNORED)
    if rule.of_numbers and _class(ours.type) in ("float", "int"):
        return _numbers(ours, theirs, unequal, rule)
    # A tolerance of texts or times: few pairs need it, or the field would be ignored.
    return _where(unequal, UNKNOWN)


def _struct(spot: Spot, ours: pa.Array, theirs: pa.Array) -> Levels | None:
    names = [field.name for field in ours.type]
    if names != [field.name for field in theirs.type]:
        return _where(_valid(ours) | _valid(theirs), UNKNOWN)
    levels = np.zeros(len(ours), np.uint8)
    for place, name in enumerate(names):
        found = _field(spot.step(name), ours.field(place), theirs.field(place))
        if found is not None:
            np.maximum(levels, found, out=levels)
    if ours.null_count or theirs.null_count:
        one, other = _valid(ours), _valid(theirs)
        levels[~one & ~other] = MATCH
        levels[one != other] = UNKNOWN
    return levels


def _numbers(ours: pa.Array, theirs: pa.Array, unequal: _Mask, rule: Rule) -> Levels:
    both = _valid(ours) & _valid(theirs)
    one, other = _doubles(ours), _doubles(theirs)
    found = float_levels(one, other, rule)
    levels = _where(unequal, MISMATCH)
    if found is not None:
        levels[both] = found[both]
    if _class(ours.type) == "int":
        # Ints are exact in rows; beyond 2⁵² their doubles and differences are not.
        large = (np.abs(one) > _EXACT_MAX) | (np.abs(other) > _EXACT_MAX)
        levels[(large | (doubtful(one, other, rule) & both)) & unequal] = UNKNOWN
        levels[~unequal] = MATCH
    return levels


def _doubles(column: pa.Array) -> npt.NDArray[np.float64]:
    return as_numpy(column).astype(np.float64)


def _where(mask: _Mask, level: int) -> Levels:
    levels: Levels = np.where(mask, np.uint8(level), np.uint8(MATCH))
    return levels


# ---------------------------------------------------------------- equality

_FLAT = frozenset(("int", "float", "text", "bool", "bytes", "date", "time"))


def _class(kind: pa.DataType) -> str:
    """The Python type that rows have for an Arrow type, or the shape of a nested one."""
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


def _unequal(ours: pa.Array, theirs: pa.Array) -> _Mask:
    """Where two columns differ: exactly so if they are flat; of nested ones perhaps more (a map's keys in order)."""
    one, other = _class(ours.type), _class(theirs.type)
    valid, also = _valid(ours), _valid(theirs)
    if one != other or one == "other":
        return valid | also
    if one == "struct":
        found = _unequal_structs(ours, theirs)
    elif one in ("list", "map"):
        found = _unequal_lists(ours, theirs, valid & also)
    else:
        found = _unequal_flat(one, ours, theirs)
    differ: _Mask = (found & valid & also) | (valid != also)
    return differ


def _unequal_flat(kind: str, ours: pa.Array, theirs: pa.Array) -> _Mask:
    if kind == "float":
        one, other = _doubles(ours), _doubles(theirs)
        found: _Mask = (one != other) & ~(np.isnan(one) & np.isnan(other))
        return found
    if kind == "time" and ours.type != theirs.type:
        ours, theirs = ours.cast(pa.timestamp("us")), theirs.cast(pa.timestamp("us"))
    if kind in ("int", "date", "time") and not (ours.null_count or theirs.null_count):
        differ: _Mask = whole_numbers(ours) != whole_numbers(theirs)
    else:
        differ = as_numpy(pc.not_equal(ours, theirs))
    return differ


def _unequal_structs(ours: pa.Array, theirs: pa.Array) -> _Mask:
    if [field.name for field in ours.type] != [field.name for field in theirs.type]:
        return np.ones(len(ours), np.bool_)
    found = np.zeros(len(ours), np.bool_)
    for place in range(ours.type.num_fields):
        found |= _unequal(ours.field(place), theirs.field(place))
    return found


def _unequal_lists(ours: pa.Array, theirs: pa.Array, both: _Mask) -> _Mask:
    counts, other_counts = _counts(ours), _counts(theirs)
    found: _Mask = (counts != other_counts) & both
    keep = both & ~found
    if not keep.all():
        found[keep] = _unequal_lists_of(ours.filter(_mask_of(keep)), theirs.filter(_mask_of(keep)), counts[keep])
        return found
    return _unequal_lists_of(ours, theirs, counts)


def _mask_of(keep: _Mask) -> pa.Array:
    """As `pa.array`, which would import pandas where it is installed."""
    bits = np.packbits(keep, bitorder="little")
    return pa.BooleanArray.from_buffers(pa.bool_(), len(keep), [None, pa.py_buffer(bits)])


def _unequal_lists_of(ours: pa.Array, theirs: pa.Array, counts: npt.NDArray[Any]) -> _Mask:
    """Of lists of equal lengths, one by one, and none of them null."""
    if pa.types.is_map(ours.type):
        inner = _unequal(ours.keys, theirs.keys) | _unequal(ours.items, theirs.items)
    else:
        inner = _unequal(ours.values, theirs.values)
    until = np.concatenate([[0], np.cumsum(inner)])
    ends = np.cumsum(counts)
    found: _Mask = until[ends] != until[ends - counts]
    return found


def _counts(column: pa.Array) -> npt.NDArray[Any]:
    return np.diff(as_numpy(column.offsets))
