"""A record that waits or has met its partner, alone and as one of many in columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import compress, repeat
from typing import Any, NamedTuple, cast

from shadowstream.joiner.intake.header_fields import HeaderInfo
from shadowstream.records import InputCoordinate, Partition


class PendingRecord(NamedTuple):
    """One record that waits or has met its partner.

    `at` is the input that it came from, where a header says so; `revision` (short) only on the shadow side; `origin`
    is its own partition and offset where it was read from a copy (repartition); `header_info` holds values of headers.
    """

    offset: int
    time_ms: int
    value: bytes | None
    key: bytes | None
    at: InputCoordinate | None = None
    revision: str | None = None
    origin: tuple[Partition, int] | None = None
    header_info: HeaderInfo | None = None

    @property
    def warm(self) -> bool:
        """Whether its header says that the candidate had not got its state together."""
        return self.header_info is not None and self.header_info.warm


_ALWAYS = 4
"""So many columns are there even if all their values are None."""
_row = partial(
    tuple.__new__, PendingRecord
)  # a fifth of the cost of calling the class: a batch makes a thousand of them


class PendingColumns:
    """Many rows as columns in the order of `PendingRecord`'s fields; a column that is None is so for each row.

    >>> rows = Rows([7, 8], [1, 2], [b"a", None], [b"k", b"l"])
    >>> rows.row(1)
    Row(offset=8, time_ms=2, value=None, key=b'l', at=None, revision=None, origin=None, aside=None)
    >>> Rows.of(rows.rows()).where([False, True]).offsets
    [8]
    """

    __slots__ = ("columns",)

    def __init__(self, *columns: Sequence[Any] | None) -> None:
        self.columns = (*columns, *repeat(None, len(PendingRecord._fields) - len(columns)))

    @classmethod
    def of(cls, rows: Sequence[PendingRecord]) -> PendingColumns:
        """Rows as columns."""
        if not rows:
            return cls((), (), (), ())
        columns = enumerate(zip(*rows, strict=True))
        return cls(*(one if n < _ALWAYS or one.count(None) < len(one) else None for n, one in columns))

    @classmethod
    def joined(cls, parts: Sequence[PendingColumns]) -> PendingColumns:
        """The rows of all parts, at least one, behind one another."""
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
        return self.columns[4]

    @property
    def revisions(self) -> Sequence[str | None] | None:
        return self.columns[5]

    @property
    def header_infos(self) -> Sequence[HeaderInfo | None] | None:
        return self.columns[7]

    def row(self, i: int) -> PendingRecord:
        """The i-th row."""
        return _row([None if column is None else column[i] for column in self.columns])

    def rows(self) -> list[PendingRecord]:
        """All of them one by one."""
        return list(map(_row, zip(*(repeat(None) if column is None else column for column in self.columns))))  # noqa: B905  the repeated ones have no end

    def bare(self) -> PendingColumns:
        """Without their values and keys, which are most of what they take."""
        return PendingColumns(*self.columns[:2], None, None, *self.columns[_ALWAYS:])

    def without_values(self) -> PendingColumns:
        """Their values lie elsewhere (`with_values`)."""
        return PendingColumns(*self.columns[:2], None, *self.columns[3:])

    def with_values(self, values: Sequence[bytes | None]) -> PendingColumns:
        """The same rows with these values."""
        return PendingColumns(*self.columns[:2], values, *self.columns[3:])

    def part(self, begin: int, end: int) -> PendingColumns:
        """Those from `begin` up to `end`."""
        if begin == 0 and end >= len(self):
            return self
        return PendingColumns(*(None if column is None else column[begin:end] for column in self.columns))

    def where(self, mask: Iterable[object]) -> PendingColumns:
        """Those at which the mask is true."""
        chosen = list(mask)
        return PendingColumns(*(None if column is None else list(compress(column, chosen)) for column in self.columns))


def _joined(columns: Sequence[Sequence[Any] | None], parts: Sequence[PendingColumns]) -> Sequence[Any] | None:
    if all(column is None for column in columns):
        return None
    joined: list[Any] = []
    for column, part in zip(columns, parts, strict=True):
        joined += repeat(None, len(part)) if column is None else column
    return joined
