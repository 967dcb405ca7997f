"""CPU and memory of a process from /proc, and what an engine tells while it runs."""

import json
import os
import queue
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TICK = os.sysconf("SC_CLK_TCK")
LOOK_S = 0.05
STEADY_FROM = 0.25
"""The steady rate leaves out the first quarter of the pairs: start-up, imports, the JIT's warm-up."""


class EngineFailed(Exception):
    """The engine ended without a result; says why."""


def cpu_s(pid: int) -> float:
    """User and system seconds of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICK


def rss_peak_mb(pid: int) -> float:
    """The most memory that the process has had since it was started, MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def core_wait_s(pid: int) -> float:
    """Seconds for which the main thread of a process could have run, and another process had the core."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


class Usage:
    """Percent of a core that a process has used, and waited for, since this object was made."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._began = time.monotonic(), cpu_s(pid), core_wait_s(pid)

    def _percent(self, now_s: float, before_s: float) -> float:
        return 100 * (now_s - before_s) / (time.monotonic() - self._began[0])

    def cpu_percent(self) -> float:
        return self._percent(cpu_s(self._pid), self._began[1])

    def core_wait_percent(self) -> float:
        return self._percent(core_wait_s(self._pid), self._began[2])


@dataclass
class Run:
    """What one run of an engine took and found."""

    cpu_s: float = 0.0
    wall_s: float = 0.0
    rss_mb: float = 0.0
    broker_cpu_s: float = 0.0
    steady: float | None = None
    found: dict[str, Any] = field(default_factory=dict)


def steady_rate(told: list[tuple[int, float]], pairs: int) -> float | None:
    """Pairs per CPU second from `STEADY_FROM` of the pairs on.

    >>> steady_rate([(0, 1.0), (25, 3.0), (60, 3.5), (100, 4.0)], 100)
    75.0
    """
    rest = [one for one in told if one[0] >= STEADY_FROM * pairs]
    if len(rest) < 2 or rest[-1][1] <= rest[0][1]:
        return None
    return (rest[-1][0] - rest[0][0]) / (rest[-1][1] - rest[0][1])


def run(command: list[str], env: dict[str, str], log: Path, broker_pid: int, pairs: int, limit_s: float) -> Run:
    """Run an engine to its end. Raises `EngineFailed`."""
    before, began = cpu_s(broker_pid), time.monotonic()
    result, told = Run(), []
    with log.open("wb") as errors:
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=errors, text=True)
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(process, lines), daemon=True).start()
    # A child that has ended and is not yet waited for keeps its figures: wait only once they have been read.
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        result.rss_mb = max(result.rss_mb, _or_zero(rss_peak_mb, process.pid))
        if time.monotonic() - began > limit_s:
            process.kill()
        time.sleep(LOOK_S)
    result.cpu_s, result.wall_s = cpu_s(process.pid), time.monotonic() - began
    code = process.wait()
    time.sleep(LOOK_S)
    while not lines.empty():
        words = json.loads(lines.get())
        if "found" in words:
            result.found = words["found"]
        else:
            told.append((words["pairs"], words["cpu_s"]))
    if code or not result.found:
        tail = log.read_text("utf-8", "replace")[-1_500:]
        raise EngineFailed(f"exit code {code} after {result.wall_s:.0f} s, told {told[-1:]}\n{tail}")
    result.broker_cpu_s = cpu_s(broker_pid) - before
    result.steady = steady_rate(told, pairs)
    return result


def _or_zero(look: Any, pid: int) -> float:
    try:
        return float(look(pid))
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def _read(process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            lines.put(line)
