"""What a process of the cast shows of itself, in memory that outlives it: the phase it is in, and what it waits for.

A file mapped by the process and by whoever watches it. The kernel keeps what was written before a kill -9, so that the
phase at death is read after the death and not guessed at before.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Literal, get_args

from shadowstream.health import Phase

PHASES: tuple[Phase, ...] = get_args(Phase)
Waiting = Literal["not", "stopped", "held"]
_WAITING: tuple[Waiting, ...] = get_args(Waiting)
_PHASE, _WAITS, _PARDON, _HOLD, _COMMITS, _SIZE = 0, 1, 2, 3, 8, 16


class PhaseMap:
    """One process's; `make` for the watcher, which also resets it, and `PhaseMap(path)` for the process."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE)

    @classmethod
    def make(cls, path: Path) -> PhaseMap:
        path.write_bytes(bytes(_SIZE))
        return cls(path)

    @property
    def phase(self) -> Phase:
        return PHASES[self._map[_PHASE]]

    @phase.setter
    def phase(self, phase: Phase) -> None:
        self._map[_PHASE] = PHASES.index(phase)

    @property
    def commits(self) -> int:
        """Commits of this process that have returned."""
        return int(struct.unpack_from("<Q", self._map, _COMMITS)[0])

    @commits.setter
    def commits(self, commits: int) -> None:
        struct.pack_into("<Q", self._map, _COMMITS, commits)

    @property
    def waits(self) -> Waiting:
        """Whether it has stopped itself (SIGSTOP), or has come to where it shall hold still."""
        return _WAITING[self._map[_WAITS]]

    @waits.setter
    def waits(self, waits: Waiting) -> None:
        self._map[_WAITS] = _WAITING.index(waits)

    @property
    def fault_cancelled(self) -> bool:
        """Its fate no longer holds."""
        return bool(self._map[_PARDON])

    def cancel_fault(self) -> None:
        self._map[_PARDON] = 1

    @property
    def hold(self) -> Phase | None:
        """Where it shall hold still when it next comes there."""
        return PHASES[self._map[_HOLD] - 1] if self._map[_HOLD] else None

    @hold.setter
    def hold(self, phase: Phase | None) -> None:
        self._map[_HOLD] = PHASES.index(phase) + 1 if phase else 0

    def close(self) -> None:
        self._map.close()
