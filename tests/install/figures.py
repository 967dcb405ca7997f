"""Sizes of installations, and the CPU of each command's start, as the tables of docs/install.md.

    python -m tests.install.figures [CHECKOUT]      CHECKOUT: an older one, whose starts stand beside

`make install-figures` writes them. Sizes are those of the files that the installed packages list, without
bytecode; they belong to one platform. A start is what a fresh process spends on loading what a command runs, the
least of several.
"""

import os
import platform
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from shadowstream.cli.commands import COMMANDS
from tests.helm.test_runtime_lock import PYPROJECT, installed_closure, runtime_lock
from tests.install.packages import ROOT

PAGE = ROOT / "docs" / "install.md"
MB = 1_000_000
LARGEST = 6
TRIES = 3
ROLES = {"run": "runner", "join": "joiner", "judge": "judge", "labels": "labels"}
MORE = {word: [f"shadowstream.kafka.roles.{role}"] for word, role in ROLES.items()}
MORE["judge"].append("shadowstream.judge.drift.river_adwin")
MORE["web"] = ["shadowstream.web.server"]
"""What a command loads only when it begins."""
_LOOK = "import resource, sys; u = resource.getrusage(0); print(len(sys.modules), u.ru_utime + u.ru_stime)"


def size(name: str) -> int:
    """The bytes of a package's files; shadowstream's own are those of the tree, for here it is a link to it."""
    if name == "shadowstream":
        tree = [*(ROOT / name).rglob("*"), *(ROOT / "schemas").rglob("*")]
        return sum(path.stat().st_size for path in tree if path.is_file() and path.suffix != ".pyc")
    paths = {Path(str(file.locate())) for file in distribution(name).files or ()}
    return sum(path.stat().st_size for path in paths if path.is_file() and path.suffix != ".pyc")


def sizes() -> str:
    """The table of sizes: without an extra, and with each one what it adds."""
    always = {*installed_closure(runtime_lock.roots_of(PYPROJECT, [])), "shadowstream"}
    rows = [f"| (none) | {_mb(always)} | {_largest(always)} |"]
    for extra in tomllib.loads(PYPROJECT)["project"]["optional-dependencies"]:
        if extra not in ("dev", "testing"):
            added = installed_closure(runtime_lock.roots_of(PYPROJECT, [extra])) - always
            rows.append(f"| `{extra}` | +{_mb(added)} | {_largest(added)} |")
    return "\n".join(["| extra | MB | the largest, MB |", "|---|--:|---|", *rows])


def _mb(names: set[str]) -> str:
    return f"{sum(map(size, names)) / MB:.0f}"


def _largest(names: set[str]) -> str:
    found = sorted(((size(name), name) for name in names), reverse=True)[:LARGEST]
    return ", ".join(f"{name} {bytes_ / MB:.0f}" for bytes_, name in found if bytes_ >= MB)


def start(word: str, tree: Path) -> tuple[int, float]:
    """Modules and CPU seconds of a fresh process that has loaded what a command runs."""
    modules = [f"shadowstream.cli.{COMMANDS[word].module}", *MORE.get(word, [])]
    code = f"import shadowstream.cli, {', '.join(modules)}; {_LOOK}"
    env = {**os.environ, "PYTHONPATH": str(tree)}
    spent = []
    for _ in range(TRIES):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tree, env=env, capture_output=True, text=True, check=True
        )
        count, cpu_s = done.stdout.split()
        spent.append((float(cpu_s), int(count)))
    least = min(spent)
    return least[1], least[0]


def starts(before: Path | None) -> str:
    """The table of starts; with an older checkout, its CPU beside."""
    head = ["command", "CPU s", "modules", *(["CPU s before"] if before else [])]
    rows = []
    for word in COMMANDS:
        count, cpu_s = start(word, ROOT)
        row = [f"`{word}`", f"{cpu_s:.2f}", str(count), *([_before(word, before)] if before else [])]
        rows.append(f"| {' | '.join(row)} |")
    return "\n".join([f"| {' | '.join(head)} |", "|---" + "|--:" * (len(head) - 1) + "|", *rows])


def _before(word: str, tree: Path) -> str:
    """CPU seconds of a start in an older tree; nothing where it has no such command."""
    is_there = (tree / "shadowstream" / "cli" / f"{COMMANDS[word].module}.py").is_file()
    return f"{start(word, tree)[1]:.2f}" if is_there else ""


def written(page: str, name: str, table: str) -> str:
    """The page with a table between its marks."""
    first, begun, rest = page.partition(f"<!-- {name}: begin (make install-figures) -->\n")
    _, ended, last = rest.partition(f"<!-- {name}: end -->")
    assert begun, f"no mark of {name}"
    assert ended, f"no end of {name}"
    where = f"{platform.system()} {platform.machine()}, Python {'.'.join(platform.python_version_tuple()[:2])}"
    return f"{first}{begun}\n{table}\n\nMeasured on {where}.\n\n{ended}{last}"


if __name__ == "__main__":
    older = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
    PAGE.write_text(written(written(PAGE.read_text("utf-8"), "sizes", sizes()), "starts", starts(older)), "utf-8")
