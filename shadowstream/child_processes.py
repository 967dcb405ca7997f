"""Child processes of this process: the command line of a module, and CPU time and memory as the kernel counts them."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
UTIME, STIME, RSS = 11, 12, 21
"""Places after the name of the program in /proc/PID/stat (proc(5))."""


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs a module of an installed package, as `python -m` does.

    Without -P the working folder is first on the path, and a file there could replace any module, unnoticed.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


class Usage(NamedTuple):
    """What processes use: CPU seconds so far, and bytes of memory now."""

    cpu_s: float
    resident_bytes: int


def usage() -> Usage:
    """Return the sum over the children that run now, and over theirs; 0 where the kernel does not list children."""
    cpu_ticks = pages = 0
    for pid in _descendants(os.getpid()):
        with suppress(OSError, ValueError, IndexError):  # it may have ended meanwhile
            fields = (PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            cpu_ticks += int(fields[UTIME]) + int(fields[STIME])
            pages += int(fields[RSS])
    return Usage(cpu_ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE"))


def _descendants(pid: int) -> Iterator[int]:
    for path in (PROC / str(pid) / "task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, path.read_text("utf-8").split()):
                yield child
                yield from _descendants(child)
