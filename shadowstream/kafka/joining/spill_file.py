"""The file of `limits.overflow: spill`: values of waiting records, for as long as the process lives.

It has no name from the moment it is made, where the system can do so, and nobody else may read it: like the process's
memory it is gone with the process, and a restart reads what waits from its topics.
"""

from __future__ import annotations

import os
import tempfile
from bisect import bisect_left
from collections.abc import Sequence

from shadowstream.errors import ConfigError, StoreError

WRITTEN_AT_ONCE = 64
"""So many values are joined for a write: a write a value costs more than they do, all of a run would take its memory
twice."""


class SpillFile:
    """See `shadowstream.joiner.matching.spilled_values.Spill`. `bound` in bytes, `folder` None: that of the system.

    Raises `ConfigError` where no file can be made there.
    """

    def __init__(self, folder: str | None, bound: int) -> None:
        try:
            self._file = tempfile.TemporaryFile("w+b", buffering=0, dir=folder)  # noqa: SIM115  it lives as we do
        except OSError as error:
            raise ConfigError(
                f"limits.spill_dir: no file can be made in {folder or tempfile.gettempdir()}: {error}"
            ) from error
        self._bound, self._end = bound, 0
        self._gaps: list[tuple[int, int]] = []
        """Begin and end of what has been freed below the file's end, in order and never side by side."""
        self.refused = ""
        """Why the last `put` found no room; empty where it did."""

    @property
    def size(self) -> int:
        """How long the file is, bytes: what lies in it and the gaps between."""
        return self._end

    def put(self, pieces: Sequence[bytes], size: int) -> int | None:
        """Into the first gap that is large enough, else at the end."""
        at = next((n for n, (begin, end) in enumerate(self._gaps) if end - begin >= size), None)
        begin = self._end if at is None else self._gaps[at][0]
        if at is None and begin + size > self._bound:
            self.refused = "limits.spill_bytes_max"
            return None
        try:
            self._write(begin, pieces)
        except OSError as error:
            self.refused = os.strerror(error.errno or 0)
            os.ftruncate(self._file.fileno(), self._end)
            return None
        self.refused = ""
        if at is None:
            self._end += size
        elif self._gaps[at][1] == begin + size:
            del self._gaps[at]
        else:
            self._gaps[at] = (begin + size, self._gaps[at][1])
        return begin

    def _write(self, begin: int, pieces: Sequence[bytes]) -> None:
        for n in range(0, len(pieces), WRITTEN_AT_ONCE):
            left = memoryview(b"".join(pieces[n : n + WRITTEN_AT_ONCE]))
            while left:
                written = os.pwrite(self._file.fileno(), left, begin)
                begin, left = begin + written, left[written:]

    def get(self, begin: int, size: int) -> bytes:
        """As `Spill.get`."""
        found = b""
        while len(found) < size:
            try:
                more = os.pread(self._file.fileno(), size - len(found), begin + len(found))
            except OSError as error:
                raise StoreError(f"spilled values cannot be read again: {error}") from error
            if not more:
                raise StoreError(f"spilled values are gone: {size} bytes at {begin} of {self._end}")
            found += more
        return found

    def free(self, begin: int, size: int) -> None:
        """The gap joins those beside it; at the end the file is cut, which gives the disk its room back."""
        end, at = begin + size, bisect_left(self._gaps, (begin, 0))
        if at < len(self._gaps) and self._gaps[at][0] == end:
            end = self._gaps.pop(at)[1]
        if at and self._gaps[at - 1][1] == begin:
            begin = self._gaps.pop(at - 1)[0]
            at -= 1
        if end == self._end:
            self._end = begin
            os.ftruncate(self._file.fileno(), begin)
        else:
            self._gaps.insert(at, (begin, end))

    def clear(self) -> None:
        """Nothing of what lies here is needed any more."""
        self._gaps, self._end, self.refused = [], 0, ""
        os.ftruncate(self._file.fileno(), 0)
