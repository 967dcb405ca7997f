"""`python -m tests.fuzz`: foreign bytes by chance against every reader, for some time. Exit code 1 for any finding.

Each reader runs in a process of its own, with a bound of memory. A watchdog ends it when one input takes more than a
second of CPU time. Bytes that crash, hang or swell a reader are written to `tests/fuzz/cases`, and tests read them.
"""

import argparse
import contextlib
import hashlib
import mmap
import os
import random
import resource
import signal
import struct
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.changes import SIZE_MAX, changed
from tests.fuzz.targets import TARGETS

CASES = Path(__file__).with_name("cases")
HANG_CPU_S, MEMORY_BYTES = 1.0, 500_000_000
_HEAD = struct.Struct("<QQ")  # inputs so far, and bytes of the present one
_TURN_S = 5.0


class Finding(NamedTuple):
    """Bytes that a reader must not answer so."""

    target: str
    why: str
    value: bytes


def run_one(name: str, value: bytes) -> str | None:
    """Give bytes to a reader; return what is wrong with its answer, None if nothing is."""
    target = TARGETS[name]
    began = time.process_time()
    try:
        target.read(value)
    except MemoryError:
        return "took more memory than it may"
    except target.answers:
        pass
    except BaseException as error:  # noqa: BLE001 - any other error is what is looked for
        return f"raised {type(error).__name__}: {error}"[:300]
    took_s = time.process_time() - began
    return f"took {took_s:.1f} CPU s" if took_s > HANG_CPU_S else None


class _Child:
    """A process that gives bytes to one reader until its time is over; the present bytes are in shared memory."""

    def __init__(self, name: str, seed: int, seconds: float) -> None:
        self.name = name
        self.shared = mmap.mmap(-1, _HEAD.size + SIZE_MAX)
        near, far = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            with contextlib.suppress(BaseException):
                os.write(far, (self._fuzz(random.Random(seed), seconds) or "").encode())
            os._exit(0)
        os.close(far)
        self._pipe = near

    def _fuzz(self, chance: random.Random, seconds: float) -> str | None:
        space = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (space, space))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        examples = TARGETS[self.name].examples
        for example in examples:  # what is made once for each schema is no hang
            run_one(self.name, example)
        ends, count = time.monotonic() + seconds, 0
        while time.monotonic() < ends:
            value = changed(chance, examples)
            count += 1
            self.shared[: _HEAD.size + len(value)] = _HEAD.pack(count, len(value)) + value
            if why := run_one(self.name, value):
                return why
        return None

    @property
    def present(self) -> tuple[int, bytes]:
        count, length = _HEAD.unpack(self.shared[: _HEAD.size])
        return count, self.shared[_HEAD.size : _HEAD.size + length]

    def watch(self) -> tuple[int, Finding | None]:
        """Wait for its end; return the inputs it tried, and what it found."""
        count, since = -1, 0.0
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            now_count, cpu_s = self.present[0], _cpu_s(self.pid)
            if now_count != count:
                count, since = now_count, cpu_s
            elif count and cpu_s - since > 2 * HANG_CPU_S:
                os.kill(self.pid, signal.SIGKILL)
                _, status = os.waitpid(self.pid, 0)
                os.close(self._pipe)
                return count, Finding(self.name, f"took more than {HANG_CPU_S} CPU s", self.present[1])
            time.sleep(0.05)
        with open(self._pipe, "rb") as pipe:
            why = pipe.read().decode()
        if os.WIFSIGNALED(status):
            why = f"ended by {signal.Signals(os.WTERMSIG(status)).name}"
        count, value = self.present
        return count, Finding(self.name, why, value) if why else None


def _cpu_s(pid: int) -> float:
    with contextlib.suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def fuzz(seconds: float, seed: int) -> tuple[dict[str, int], list[Finding]]:
    """Give bytes to all readers in turns, for so many seconds of time; return the inputs of each, and the findings."""
    tried = dict.fromkeys(TARGETS, 0)
    findings: list[Finding] = []
    ends, turn = time.monotonic() + seconds, 0
    while (left := ends - time.monotonic()) > 0 or turn == 0:
        share = max(0.05, min(_TURN_S, left / len(TARGETS)))
        for name in TARGETS:
            count, finding = _Child(name, hash((seed, turn)) & 0xFFFFFFFF, share).watch()
            tried[name] += count
            if finding is not None:
                findings.append(finding)
        turn += 1
    return tried, findings


def keep(finding: Finding) -> Path:
    """Write the bytes of a finding to the cases that the tests read."""
    digest = hashlib.sha256(finding.value).hexdigest()[:12]
    path = CASES / f"{finding.target.replace(' ', '_')}-{digest}.bin"
    path.write_bytes(finding.value)
    return path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tried, findings = fuzz(options.seconds, options.seed)
    for name, count in tried.items():
        print(f"{count:>10,}  {name}")
    kinds = {(one.target, one.why): one for one in findings}
    for one in kinds.values():
        print(f"FOUND {one.target}: {one.why}: {keep(one).name}")
    print(f"{sum(tried.values()):,} inputs, {len(findings)} findings of {len(kinds)} kinds, seed {options.seed}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
