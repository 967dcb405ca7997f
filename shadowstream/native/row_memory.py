"""Objects of rows at numbered slots, which the kernel moves without touching them (rows.h)."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np
import numpy.typing as npt

from shadowstream.native.library import Kernel, address

Slots = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]


class RowMemory:
    """The kernel's calls on columns of objects."""

    def __init__(self, kernel: Kernel) -> None:
        library = ctypes.PyDLL(str(kernel.path))  # objects of Python change their place while its lock is held
        self._fetch, self._exchange = library.shadowstream_rows_fetch, library.shadowstream_rows_exchange
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        self._fetch.argtypes, self._fetch.restype = (pointer, number, pointer, number, pointer, number), None
        self._exchange.argtypes, self._exchange.restype = (pointer, number, pointer, number, pointer), number

    def fetch(self, slots: Slots, numbers: npt.NDArray[np.int64], column: Objects) -> None:
        """Ask for rows before they are read: it changes nothing but the time that this takes."""
        rows = min(len(numbers), len(column))
        given = address(numbers), numbers.strides[0], column.ctypes.data, rows
        self._fetch(*given, address(slots), len(slots))

    def take(self, slots: Slots, column: Objects) -> Objects:
        """Return the objects at slots, and leave None there. Raises IndexError for a slot beyond the column."""
        taken = np.full(len(slots), None, np.object_)
        self.exchange(slots, column, taken)
        return taken

    def exchange(self, slots: Slots, column: Objects, other: Objects) -> None:
        """Exchange the objects at slots, each given once, with `other`. Raises IndexError as `take` does."""
        done = self._exchange(column.ctypes.data, len(column), address(slots), len(slots), other.ctypes.data)
        if done != len(slots):
            raise IndexError(f"slot {slots[done]} of {len(column)}")


@cache
def memory_of(kernel: Kernel) -> RowMemory:
    """The calls of a kernel, bound once: a process may have hundreds of tasks, each with a buffer for each side."""
    return RowMemory(kernel)
