"""Checks of the candidate's values, pair by pair, beside production's failures of the same check.

A candidate that fails where production fails is no worse than production. So beside the failures of the candidate
(`<kind>:<path>`) these pairs are counted:

==================  ============================================================================================
figure              pairs
==================  ============================================================================================
neither:<path>      no side has a value: null, range and category do not apply
absent:<path>       no side has the field: its type does not apply
both:<kind>:<path>  both sides fail; for null that is `neither`
==================  ============================================================================================
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from shadowstream.compare.comparer import Comparing
from shadowstream.compare.differences import ABSENT
from shadowstream.config import Check
from shadowstream.errors import RecordError
from shadowstream.joiner.accounting.field_presence import NEITHER, is_nothing
from shadowstream.records import Side

LACKING, BOTH = "absent:", "both:"
_Mask = npt.NDArray[np.bool_]
_TYPES: dict[str, tuple[type, ...]] = {
    "number": (int, float),
    "integer": (int,),
    "string": (str,),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


def checked(
    check: Check, compare: Comparing, production: Sequence[bytes | None], shadow: Sequence[Any], names: Sequence[str]
) -> dict[str, _Mask]:
    """Return the masks of one check, by figure. `production`: whole encoded values; `shadow`: decoded at the path.

    Production's values are decoded only for pairs in which the candidate has no value or fails.
    """
    size = len(shadow)
    readable = _mask(size, (not isinstance(value, RecordError) for value in shadow))
    fails = {kind: _mask(size, (_fails(check, kind, value) for value in shadow)) & readable for kind in check.kinds}
    suspect = np.zeros(size, np.bool_)
    for where in fails.values():
        suspect |= where
    rows = np.flatnonzero(suspect).tolist()
    other = compare.fields(Side.PRODUCTION, [production[row] for row in rows]).at(names) if rows else ()
    empty, lacking = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
    empty[rows] = [is_nothing(shadow[row]) and is_nothing(value) for row, value in zip(rows, other, strict=True)]
    lacking[rows] = [shadow[row] is ABSENT and value is ABSENT for row, value in zip(rows, other, strict=True)]
    found = {f"checked:{check.path}": readable}
    if fails.keys() - {"schema"}:
        found[NEITHER + check.path] = empty
    if "schema" in fails:
        found[LACKING + check.path] = lacking
    for kind, where in fails.items():
        counted = where & ~empty if kind in ("range", "category") else where
        found[f"{kind}:{check.path}"] = counted
        if kind != "null":
            both = np.zeros(size, np.bool_)
            both[rows] = [not isinstance(value, RecordError) and _fails(check, kind, value) for value in other]
            found[f"{BOTH}{kind}:{check.path}"] = both & counted
    return found


def _mask(size: int, values: Any) -> _Mask:
    return np.fromiter(values, np.bool_, size)


def _fails(check: Check, kind: str, value: Any) -> bool:
    """Return whether a value fails a kind of check; an absent value fails a range and a category."""
    nothing = is_nothing(value)
    if kind == "null":
        return nothing
    if kind == "schema":
        if value is ABSENT:
            return True
        wanted = _TYPES[check.type or ""]
        return value is not None and (not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted))
    if nothing:
        return True
    if kind == "category":
        return not any(type(value) is type(one) and value == one for one in check.categories)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    return not (check.low is None or value >= check.low) or not (check.high is None or value <= check.high)
