"""Conditions of a measurement: commit, day, machine, its load and speed, and the build of Python."""

import os
import platform
import subprocess
import sysconfig
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DATA_PATH = "codecs", "compare", "joiner", "kafka", "protocol", "runner", "worker"
"""Packages through which every record goes: a change of one may change each figure."""
KEYS = 1_000_000


def conditions() -> dict[str, Any]:
    """Return the conditions of a measurement that begins now."""
    return {
        "commit": _git("rev-parse", "--short=12", "HEAD") or None,
        "changed_files": len(
            _git(
                "status", "--porcelain", "--", "shadowstream", "bench/*.py", "bench/engines", "bench/java"
            ).splitlines()
        ),
        "day": datetime.now(UTC).date().isoformat(),
        "machine": f"{_cpu()}, {os.cpu_count()} cores, {_memory_gb():.0f} GB, {platform.system()}",
        "load": round(os.getloadavg()[0], 1),
        "reference_ms": round(_reference_ms(), 1),
        "python": f"{platform.python_implementation()} {platform.python_version()}, {_build()}",
    }


def sentence(found: dict[str, Any]) -> str:
    """The conditions in words, for a page."""
    count = found["changed_files"]
    changed = f" with {count} changed file{'s' if count > 1 else ''}" if count else ""
    return (
        f"Measured on {found['day']} at commit `{found['commit']}`{changed}: {found['machine']}, load {found['load']} "
        f"at the start, {found['python']}; a dict of {KEYS:,} keys takes {found['reference_ms']:g} ms here."
    )


def since(found: dict[str, Any]) -> str:
    """How many commits have changed the data path since a measurement, in words."""
    paths = [f"shadowstream/{name}" for name in DATA_PATH]
    count = _git("rev-list", "--count", f"{found['commit']}..HEAD", "--", *paths)
    if not count:
        return f"The last measurement is of commit {found['commit']}, which this clone does not have."
    commits = "no commit has" if count == "0" else "1 commit has" if count == "1" else f"{count} commits have"
    return (
        f"The last measurement is of commit {found['commit']} ({found['day']}); {commits} changed the data path since."
    )


def _git(*words: str) -> str:
    """The output of git; empty where there is no git, no repository or no such commit."""
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def _reference_ms() -> float:
    """CPU ms of a fixed piece of Python, the least of three: the machine's speed at that time."""
    took = []
    for _ in range(3):
        began = time.process_time()
        dict.fromkeys(map(str, range(KEYS)))
        took.append(time.process_time() - began)
    return min(took) * 1_000


def _build() -> str:
    """The compiler of Python, and whether it is an optimised build: this makes a difference of 10 to 20 %."""
    options = sysconfig.get_config_var("CONFIG_ARGS") or ""
    optimised = [word for word, flag in (("PGO", "--enable-optimizations"), ("LTO", "--with-lto")) if flag in options]
    return f"{platform.python_compiler()}, {'with ' + ' and '.join(optimised) if optimised else 'without PGO and LTO'}"
