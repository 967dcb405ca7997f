"""Cost of one act, measured in a process of its own: CPU time, and memory beyond what the process had before.

The parent has imported the package, so that a child pays for the act alone. The kernel ends a child at `CPU_S` of CPU
time, or refuses it more than `SPACE_BYTES` beyond what it has.
"""

import contextlib
import json
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

CPU_S = 3
SPACE_BYTES = 500_000_000
_HANG_S = 60


class Cost(NamedTuple):
    """What an act came to: its outcome, CPU seconds, and megabytes."""

    outcome: str
    cpu_s: float
    megabytes: float


def measured(act: Callable[[], str]) -> Cost:
    """Run an act in a child process; its outcome is what it returns, or the name of the error it raises."""
    near, far = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(near)
        os.write(far, json.dumps(_act(act)).encode())
        os._exit(0)
    os.close(far)
    with open(near, "rb") as pipe:
        written = pipe.read()
    _, status, used = os.wait4(pid, 0)
    if os.WIFSIGNALED(status) or not written:
        ended = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"exit {status}"
        return Cost(f"ended by {ended}", used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3)
    return Cost(*json.loads(written))


def _act(act: Callable[[], str]) -> tuple[str, float, float]:
    space = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize() + SPACE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.alarm(_HANG_S)
    with contextlib.suppress(OSError):  # some kernels do not let the peak be reset; it then only grows
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    before, began = _peak_kb(), time.process_time()
    try:
        outcome = act()
    except BaseException as error:  # noqa: BLE001 - its kind is the outcome
        outcome = f"{type(error).__name__}: {error}"[:200]
    return outcome, time.process_time() - began, (_peak_kb() - before) / 1e3


def _peak_kb() -> int:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise AssertionError("this kernel does not tell the peak of a process")
