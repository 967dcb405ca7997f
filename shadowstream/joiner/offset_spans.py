"""Sets of offsets as runs of consecutive offsets: most of what waits came one after the other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
_NONE: Numbers = np.empty(0, np.int64)


class Spans(Collection[int]):
    """A set of offsets as spans from `begins` up to, not including, `ends`; they ascend and do not touch.

    >>> spans = Spans.of([7, 3, 4])
    >>> spans.begins.tolist(), spans.ends.tolist(), list(spans), 4 in spans
    ([3, 7], [5, 8], [3, 4, 7], True)
    """

    __slots__ = ("begins", "ends")

    def __init__(self, begins: Numbers = _NONE, ends: Numbers = _NONE) -> None:
        self.begins, self.ends = begins, ends

    @classmethod
    def of(cls, offsets: Iterable[int]) -> Spans:
        """Return the spans of offsets in any order, which may occur more than once."""
        if isinstance(offsets, Spans):
            return offsets
        if not isinstance(offsets, np.ndarray):
            offsets = list(offsets)
            if not offsets:
                return cls()
        array: Numbers = np.asarray(offsets, np.int64)
        return cls.of_sorted(array if (np.diff(array) >= 0).all() else np.sort(array))

    @classmethod
    def of_sorted(cls, offsets: Numbers) -> Spans:
        """Return the spans of offsets that do not descend."""
        if not len(offsets):
            return cls()
        breaks = np.flatnonzero(np.diff(offsets) > 1)
        begins, last = np.concatenate(([0], breaks + 1)), np.concatenate((breaks, [len(offsets) - 1]))
        return cls(offsets[begins], offsets[last] + 1)

    @classmethod
    def union(cls, parts: Iterable[Spans]) -> Spans:
        """Return the offsets that are in any part."""
        some = [part for part in parts if len(part.begins)]
        if len(some) < 2:
            return some[0] if some else cls()
        begins, ends = np.concatenate([one.begins for one in some]), np.concatenate([one.ends for one in some])
        if (np.diff(begins) < 0).any():
            order = np.argsort(begins, kind="stable")
            begins, ends = begins[order], ends[order]
        reached = np.maximum.accumulate(ends)
        apart = np.flatnonzero(begins[1:] > reached[:-1])
        first, last = np.concatenate(([0], apart + 1)), np.concatenate((apart, [len(begins) - 1]))
        return cls(begins[first], reached[last])

    def __len__(self) -> int:
        return int((self.ends - self.begins).sum())

    def __iter__(self) -> Iterator[int]:
        for begin, end in zip(self.begins.tolist(), self.ends.tolist(), strict=True):
            yield from range(begin, end)

    def __contains__(self, offset: object) -> bool:
        at = int(np.searchsorted(self.begins, offset, "right")) - 1  # type: ignore[call-overload]  # an int
        return at >= 0 and bool(offset < self.ends[at])

    @property
    def lowest(self) -> int | None:
        return int(self.begins[0]) if len(self.begins) else None

    def gaps_and_lengths(self) -> Numbers:
        """Return for each span its gap since the end of the previous one (at first since 0), and its length."""
        numbers = np.empty(2 * len(self.begins), np.int64)
        numbers[::2] = self.begins
        numbers[2::2] -= self.ends[:-1]
        numbers[1::2] = self.ends - self.begins
        return numbers
