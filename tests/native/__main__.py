"""`python -m tests.native`: pairs by chance against the kernel, built with sanitizers, for some time.

Exit code 1 for any finding: an answer that differs from Python's, or an error of memory or arithmetic. `--planted`
plants each fault that kernel.c and avro.h know, one after the other; exit code 1 if no pair shows one of them.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from shadowstream.native.build import FLAGS, NotBuiltError, compiled, compilers, sources
from shadowstream.native.library import Kernel
from tests.native.oracle import Disagreement, run

ROOT = Path(__file__).resolve().parents[2]
SANITIZED = (*FLAGS, "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-DPLANTED")
"""Flags of a build in which faults can be planted; none is until `shadowstream_plant`."""
FAULTS = sorted({int(number) for one in sources() for number in re.findall(r"(?:MUST|WRONG)\((\d+)", one.read_text())})
BATCHES_MAX = 1_000
"""A planted fault that so many batches do not show is not caught."""
FINDING = 1
SEEDS = Path(__file__).with_name("planted.json")
"""For each fault the seed of a batch that shows it."""
SEEDS_APART = 1_000_000


def sanitizer() -> str | None:
    """The library of the address sanitizer, to be loaded before Python; None if the compiler has none."""
    for command in compilers():
        try:
            asked = [*command, "-print-file-name=libasan.so"]
            found = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60).stdout.strip()
        except (OSError, subprocess.TimeoutExpired):
            continue
        if os.path.isabs(found) and Path(found).exists():
            return str(Path(found).resolve())
    return None


def fuzz(kernel: Kernel, first: int, seconds: float) -> Counter[str]:
    """Check batches for so many seconds, at least one."""
    counts: Counter[str] = Counter()
    ends = time.monotonic() + seconds
    while not counts or time.monotonic() < ends:
        counts.update(run(first + counts["batches"], kernel, 1))
    return counts


def catch(kernel: Kernel, fault: int, seeds: Iterable[int]) -> tuple[int, str] | None:
    """The seed that shows a planted fault, and how; None if it does not show. It may crash its process, a fork."""
    near, far = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        kernel._library.shadowstream_plant(fault)
        for seed in seeds:
            os.write(far, f"\n{seed} ".encode())
            try:
                run(seed, kernel, 1)
            except Disagreement as error:
                os.write(far, str(error)[:160].encode())
                os._exit(FINDING)
        os._exit(0)
    os.close(far)
    with open(near, "rb") as pipe:
        seed, _, text = pipe.read().decode("utf-8", "replace").rpartition("\n")[2].partition(" ")
    _, status = os.waitpid(pid, 0)
    return None if status == 0 else (int(seed), text or "an error that the sanitizer sees")


def planted(kernel: Kernel, seeds: range, known: dict[int, int]) -> dict[int, int]:
    """Plant each fault, and look for a batch that shows it; return their seeds. `known`: those to try first."""
    found = {}
    for fault in FAULTS:
        shown = catch(kernel, fault, [*([known[fault]] if fault in known else []), *seeds])
        if shown is not None:
            found[fault] = shown[0]
        print(f"fault {fault}: " + ("NOT CAUGHT" if shown is None else f"seed {shown[0]}: {shown[1]}"), flush=True)
    return found


class NoSanitizerError(Exception):
    """This machine has no C compiler with sanitizers."""


@contextmanager
def sanitized() -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Build the kernel with sanitizers; give a function that runs this module on it. Raises `NoSanitizerError`."""
    asan = sanitizer()
    if asan is None:
        raise NoSanitizerError("the C compiler of this machine has no address sanitizer: install gcc")
    own = {"LD_PRELOAD": asan, "ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sanitized.so")
        try:
            compiled(path, SANITIZED)
        except NotBuiltError as error:
            raise NoSanitizerError(str(error)) from error

        def run_on(*arguments: str, capture: bool = True) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "tests.native", "--library", str(path), *arguments]
            env = os.environ | own
            return subprocess.run(command, cwd=ROOT, env=env, capture_output=capture, text=True, check=False)

        yield run_on


def inside(library: Path, options: argparse.Namespace) -> int:
    """Do the work in a process that has the sanitizer."""
    kernel, first = Kernel(library), options.seed * SEEDS_APART
    kernel.key = np.arange(2, dtype=np.uint64)  # which ids collide must not depend on the process
    try:
        counts = fuzz(kernel, first, options.seconds or (1 if options.planted else 600))
    except Disagreement as error:
        print(f"FOUND {error}")
        return FINDING
    print(", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())), flush=True)
    if options.planted:
        seeds = {int(fault): seed for fault, seed in json.loads(SEEDS.read_text("utf-8")).items()}
        found = planted(kernel, range(first, first + (0 if options.known else BATCHES_MAX)), seeds)
        if options.write:
            SEEDS.write_text(json.dumps(found, indent=0) + "\n", "utf-8")
        return 0 if found.keys() == {*FAULTS} and FAULTS else FINDING
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.native", description=__doc__)
    parser.add_argument("--seconds", type=float, help="default: 600, and 1 before planted faults")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--planted", action="store_true")
    parser.add_argument("--known", action="store_true", help="planted: by the seeds of planted.json only")
    parser.add_argument("--write", action="store_true", help="planted: write the seeds that are found to planted.json")
    parser.add_argument("--library", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.library is not None:
        return inside(options.library, options)
    try:
        with sanitized() as run_on:
            done = run_on(*sys.argv[1:], capture=False)
    except NoSanitizerError as error:
        print(error, file=sys.stderr)
        return FINDING
    return FINDING if done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
