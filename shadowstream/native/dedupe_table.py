"""The ring of a dedupe window, looked up and entered by the kernel in one call a batch (dedupe.h)."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shadowstream.native.library import Kernel, address

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.uint32]


class Repeats(NamedTuple):
    """Index of each repeat, and content and offset of the record before it with its hash; ascending."""

    at: Ints
    before: Ints
    before_at: Ints


class RingColumns(NamedTuple):
    """The arrays of a ring, of one size that is a power of two."""

    hashes: Ints
    contents: Ints
    offsets: Ints
    before: Numbers
    newest: Numbers


class _Window(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in RingColumns._fields),
        *((name, ctypes.c_int64) for name in ("mask", "span", "taken", "kept_from")),
    )


class DedupeTable:
    """The kernel's calls on one ring. The arrays are the caller's; the counts `taken` and `kept_from` go both ways."""

    def __init__(self, kernel: Kernel, columns: RingColumns, span: int) -> None:
        self._call = kernel.function("repeats", ctypes.c_int64, 9)
        self._columns = columns  # kept alive
        self._window = _Window(*(address(column) for column in columns), len(columns.hashes) - 1, span, 0, 1)
        self._found = ctypes.c_int64()

    def enter(self, columns: Sequence[Ints], taken: int, kept_from: int) -> tuple[int, int, int, Repeats]:
        """Enter hashes, contents and offsets, as many as fit; return their number, `taken`, `kept_from`, repeats."""
        size, window = len(columns[0]), self._window
        window.taken, window.kept_from = taken, kept_from
        made = np.empty((3, size), np.int64)
        entered = self._call(
            *(ctypes.byref(window), size, *map(address, columns)),
            *(address(row) for row in made),
            ctypes.byref(self._found),
        )
        found = self._found.value
        return entered, window.taken, window.kept_from, Repeats(*(row[:found] for row in made))
