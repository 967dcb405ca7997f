"""Plants: differences of a chosen kind and size, and the change that each makes to a decoded value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

import numpy as np

from shadowstream.paths import ABSENT, join_path, leaves, parse_one, value_at

FIELDS_MAX = 20
"""Fields in which differences are planted, in their order in the values; the others are named."""
LATE_MS = 60_000
DEPTH_MAX = 8


class Kind(StrEnum):
    """The kinds of difference. `GONE` is null where the schema asks for the field."""

    SHIFTED = "shifted"
    CHANGED = "changed"
    GONE = "gone"
    DROPPED = "dropped"
    LATE = "late"
    DUPLICATED = "duplicated"


OF_RECORDS = (Kind.DROPPED, Kind.LATE, Kind.DUPLICATED)


@dataclass(frozen=True, slots=True)
class Plant:
    """One difference. `path`: of a field. `size`: what a number is shifted by, or milliseconds of a late record.

    `relative`: the size as a share of the field's spread. `slice`: the dimension and value to which it is limited.
    """

    kind: Kind
    path: str | None = None
    size: float | None = None
    relative: float | None = None
    slice: tuple[str, str] | None = None

    @property
    def words(self) -> str:
        """The plant for people.

        >>> Plant(Kind.SHIFTED, "score", 0.0031, 0.01).words, Plant(Kind.LATE, size=60_000).words
        ('score +0.0031 (1 % of its spread)', 'record 60 s late')
        """
        match self.kind:
            case Kind.SHIFTED:
                share = "" if self.relative is None else f" ({100 * self.relative:.3g} % of its spread)"
                text = f"{self.path} {self.size:+.3g}{share}"
            case Kind.LATE:
                text = f"record {(self.size or 0) / 1000:g} s late"
            case Kind.DROPPED | Kind.DUPLICATED:
                text = f"record {self.kind}"
            case _:
                text = f"{self.path} {self.kind}"
        return text if self.slice is None else f"{text}, only {self.slice[0]}={self.slice[1]}"

    def changed(self, value: Any) -> Any:
        """Return a decoded value with the difference; `ABSENT` if it has nothing that can be changed so.

        >>> Plant(Kind.SHIFTED, "a.b", 2).changed({"a": {"b": 1, "c": 0}})
        {'a': {'b': 3, 'c': 0}}
        """
        names = parse_one(self.path or "")
        old = value_at(value, names)
        new = ABSENT if old is ABSENT else self._new(old)
        if new is ABSENT and not (self.kind is Kind.GONE and old is not ABSENT):
            return ABSENT
        return _with(value, names, new)

    def _new(self, old: Any) -> Any:
        if self.kind is Kind.GONE:
            return ABSENT
        if self.kind is Kind.SHIFTED:
            return _shifted(old, self.size or 0.0)
        if isinstance(old, bool):
            return not old
        return f"{old}~" if isinstance(old, str) else ABSENT


def _shifted(old: Any, by: float) -> Any:
    """Return a number with `by` added, a whole one by at least 1; `ABSENT` for anything else."""
    if isinstance(old, bool):
        return ABSENT
    if isinstance(old, int):
        return old + (math.copysign(1, by) if abs(by) < 1 else round(by)).__int__()
    if isinstance(old, Decimal):
        return old + Decimal(by).quantize(Decimal(1).scaleb(int(old.as_tuple().exponent)))
    return float(old) + by if isinstance(old, float) and math.isfinite(old) else ABSENT


def _with(value: Any, names: Sequence[str], new: Any) -> Any:
    """Return a copy of nested objects in which the part at `names` is `new`, or is gone where that is `ABSENT`."""
    name, *rest = names
    copy = dict(value)
    if rest:
        copy[name] = _with(value[name], rest, new)
    elif new is ABSENT:
        del copy[name]
    else:
        copy[name] = new
    return copy


def paths_of(values: Sequence[Any]) -> list[str]:
    """Return the paths of the scalar fields of decoded values, in the order in which they come; lists are left out."""
    scalars = (
        names
        for value in values
        for names, part in leaves(value, DEPTH_MAX)
        if isinstance(part, bool | int | float | Decimal | str)
    )
    return list(dict.fromkeys(map(join_path, scalars)))


def plants_of(values: Sequence[Any], paths: Sequence[str], sizes: Sequence[float]) -> list[Plant]:
    """Return the plants in these fields, as decoded `values` have them, and those of whole records.

    `sizes`: shares of a number's spread (its standard deviation) by which it is shifted.
    """
    plants = []
    for path in paths:
        parts = [part for value in values if (part := value_at(value, parse_one(path))) is not ABSENT]
        numbers = [float(n) for n in parts if isinstance(n, int | float | Decimal) and not isinstance(n, bool)]
        finite = [n for n in numbers if math.isfinite(n)]
        if finite:
            spread = float(np.std(finite)) or abs(finite[0]) or 1.0
            shifts = [Plant(Kind.SHIFTED, path, size * spread, size) for size in sizes]
            whole = all(isinstance(part, int) for part in parts if part is not None)
            plants += [one for n, one in enumerate(shifts) if not whole or n == 0 or abs(one.size or 0) >= 1]
        elif any(isinstance(part, bool | str) for part in parts):
            plants.append(Plant(Kind.CHANGED, path))
        plants.append(Plant(Kind.GONE, path))
    return [*plants, Plant(Kind.DROPPED), Plant(Kind.LATE, size=LATE_MS), Plant(Kind.DUPLICATED)]
