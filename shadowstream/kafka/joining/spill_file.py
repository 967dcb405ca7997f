"""The file of `limits.overflow: spill`: values of pending records, for as long as the process lives.

Where the system can do so, it is created without a name, so no other process can open it. Like the process's memory it
ends with the process; a restart re-reads pending records from their topics.
"""

import os
import tempfile
from bisect import bisect_left
from collections.abc import Sequence

from shadowstream.errors import ConfigError, StoreError

WRITTEN_AT_ONCE = 64
"""Number of values in one write. A write for each value would cost more time; one for a whole run, twice its memory."""


class SpillFile:
    """Implementation of `shadowstream.joiner.matching.spilled_values.Spill` by a temporary file.

    `bound` is in bytes; without `folder` the file is in the system's folder. Raises `ConfigError` if it cannot be made.
    """

    def __init__(self, folder: str | None, bound: int) -> None:
        try:
            self._file = tempfile.TemporaryFile("w+b", buffering=0, dir=folder)  # noqa: SIM115  it lives as long as self
        except OSError as error:
            where = folder or tempfile.gettempdir()
            raise ConfigError(f"limits.spill_dir: no file can be made in {where}: {error}") from error
        self._bound = bound
        self.size = 0  # length of the file in bytes: its values and the gaps between them
        self._gaps: list[tuple[int, int]] = []
        """Begin and end of freed ranges below the file's end, in order and never adjacent."""
        self.refused = ""  # the reason why the last `put` found no room; empty if it did

    def put(self, pieces: Sequence[bytes], size: int) -> int | None:
        """Write into the first gap that is large enough, else at the end."""
        at = next((n for n, (begin, end) in enumerate(self._gaps) if end - begin >= size), None)
        begin = self.size if at is None else self._gaps[at][0]
        if at is None and begin + size > self._bound:
            self.refused = "limits.spill_bytes_max"
            return None
        try:
            self._write(begin, pieces)
        except OSError as error:
            self.refused = os.strerror(error.errno or 0)
            os.ftruncate(self._file.fileno(), self.size)
            return None
        self.refused = ""
        if at is None:
            self.size += size
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
        """Read a stored value. Raises `StoreError` if it cannot be read."""
        found = b""
        while len(found) < size:
            try:
                more = os.pread(self._file.fileno(), size - len(found), begin + len(found))
            except OSError as error:
                raise StoreError(f"spilled values cannot be read again: {error}") from error
            if not more:
                raise StoreError(f"spilled values are gone: {size} bytes at {begin} of {self.size}")
            found += more
        return found

    def free(self, begin: int, size: int) -> None:
        """Free a range: join it with adjacent gaps, or cut the file there if it reaches the end."""
        end, at = begin + size, bisect_left(self._gaps, (begin, 0))
        if at < len(self._gaps) and self._gaps[at][0] == end:
            end = self._gaps.pop(at)[1]
        if at and self._gaps[at - 1][1] == begin:
            begin = self._gaps.pop(at - 1)[0]
            at -= 1
        if end == self.size:
            self.size = begin
            os.ftruncate(self._file.fileno(), begin)
        else:
            self._gaps.insert(at, (begin, end))

    def clear(self) -> None:
        self._gaps, self.size, self.refused = [], 0, ""
        os.ftruncate(self._file.fileno(), 0)
