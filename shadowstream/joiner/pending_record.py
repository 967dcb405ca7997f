"""Pending and matched records, as single rows and as columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import compress, repeat
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from shadowstream.compare.record_parts import PartColumns
from shadowstream.joiner.intake.header_fields import HeaderFields
from shadowstream.native.hashed import Hashed
from shadowstream.native.library import Measured
from shadowstream.records import InputCoordinate, Partition


class PendingRecord(NamedTuple):
    """One record that waits for its partner or has found it.

    `at` is its input, if a header names it. Only records of the shadow side have a `revision` (the short form).
    `origin` is the partition and offset of the original, if the record was read from a copy (repartition).
    """

    offset: int
    time_ms: int
    value: bytes | None
    key: bytes | None
    at: InputCoordinate | None = None
    revision: str | None = None
    origin: tuple[Partition, int] | None = None
    header_fields: HeaderFields | None = None

    @property
    def warm(self) -> bool:
        """Whether the candidate wrote it before its state was complete."""
        return self.header_fields is not None and self.header_fields.warm


_ALWAYS = 4  # the number of columns that are kept even if all their values are None
_row = partial(tuple.__new__, PendingRecord)  # a fifth of the cost of calling the class, a thousand times a batch


class PendingColumns:
    """Many rows as columns, in the order of `PendingRecord`'s fields; a None stands for a column of None.

    >>> rows = PendingColumns([7, 8], [1, 2], [b"a", None], [b"k", b"l"])
    >>> rows.row(1)[:4], PendingColumns.of(rows.rows()).where([False, True]).offsets
    ((8, 2, None, b'l'), [8])
    """

    __slots__ = ("columns", "hashed", "measured")

    def __init__(self, *columns: Sequence[Any] | npt.NDArray[Any] | None) -> None:
        self.columns: tuple[Any, ...] = (*columns, *repeat(None, len(PendingRecord._fields) - len(columns)))
        self.hashed: Hashed | None = None
        """The rows' ids with their hashes, where intake made them; other rows made of these have none."""
        self.measured: Measured | None = None
        """The hashes and lengths of the rows' values, likewise."""

    @classmethod
    def of(cls, rows: Sequence[PendingRecord]) -> PendingColumns:
        if not rows:
            return cls((), (), (), ())
        columns = enumerate(zip(*rows, strict=True))
        return cls(*(one if n < _ALWAYS or one.count(None) < len(one) else None for n, one in columns))

    @classmethod
    def joined(cls, parts: Sequence[PendingColumns]) -> PendingColumns:
        """Concatenate parts, at least one."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(_joined(column, parts) for column in zip(*(part.columns for part in parts), strict=True)))

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def offsets(self) -> Sequence[int]:
        return cast("Sequence[int]", self.columns[0])

    @property
    def times_ms(self) -> Sequence[int]:
        return cast("Sequence[int]", self.columns[1])

    @property
    def values(self) -> Sequence[bytes | None]:
        return cast("Sequence[bytes | None]", self.columns[2])

    @property
    def keys(self) -> Sequence[bytes | None]:
        return cast("Sequence[bytes | None]", self.columns[3])

    @property
    def ats(self) -> Sequence[InputCoordinate | None] | None:
        return cast("Sequence[InputCoordinate | None] | None", self.columns[4])

    @property
    def revisions(self) -> Sequence[str | None] | None:
        return cast("Sequence[str | None] | None", self.columns[5])

    @property
    def origins(self) -> Sequence[tuple[Partition, int] | None] | None:
        return cast("Sequence[tuple[Partition, int] | None] | None", self.columns[6])

    @property
    def header_fields(self) -> Sequence[HeaderFields | None] | None:
        return cast("Sequence[HeaderFields | None] | None", self.columns[7])

    @property
    def parts(self) -> PartColumns:
        """The parts beside the values, as they are compared."""
        fields = self.header_fields
        return PartColumns(self.keys, None if fields is None else [one.compared if one else () for one in fields])

    def row(self, i: int) -> PendingRecord:
        return _row([None if column is None else column[i] for column in self.columns])

    def rows(self) -> list[PendingRecord]:
        return list(map(_row, zip(*(repeat(None) if column is None else column for column in self.columns))))  # noqa: B905  the repeated ones have no end

    def bare(self) -> PendingColumns:
        """Return the rows without their values and keys, which take the most memory."""
        return PendingColumns(*self.columns[:2], None, None, *self.columns[_ALWAYS:])

    def without_values(self) -> PendingColumns:
        """Return the rows without their values, which are stored elsewhere."""
        return PendingColumns(*self.columns[:2], None, *self.columns[3:])

    def with_values(self, values: Sequence[bytes | None]) -> PendingColumns:
        return PendingColumns(*self.columns[:2], values, *self.columns[3:])

    def with_keys(self, keys: Sequence[Any] | None) -> PendingColumns:
        return PendingColumns(*self.columns[:3], keys, *self.columns[4:])

    def part(self, begin: int, end: int) -> PendingColumns:
        if begin == 0 and end >= len(self):
            return self
        return PendingColumns(*(None if column is None else column[begin:end] for column in self.columns))

    def at(self, places: Sequence[int]) -> PendingColumns:
        """Return the rows at some places, in order."""
        return PendingColumns(*(None if column is None else [column[i] for i in places] for column in self.columns))

    def where(self, mask: Iterable[object]) -> PendingColumns:
        """Return the rows at which `mask` is true; columns that are arrays stay so, by a mask that is one."""
        chosen = mask if isinstance(mask, np.ndarray) else list(mask)
        return PendingColumns(*(_where(column, chosen) for column in self.columns))


def _where(column: Sequence[Any] | npt.NDArray[Any] | None, mask: Any) -> Sequence[Any] | None:
    if isinstance(column, np.ndarray):
        return cast("Sequence[Any]", column[mask])
    return None if column is None else list(compress(column, mask))


def _joined(columns: Sequence[Sequence[Any] | None], parts: Sequence[PendingColumns]) -> Sequence[Any] | None:
    if all(column is None for column in columns):
        return None
    joined: list[Any] = []
    for column, part in zip(columns, parts, strict=True):
        joined += repeat(None, len(part)) if column is None else column
    return joined
