"""Each supported Python of this machine: an environment from the lock, the tests without a broker, and the demo.

    python -m tests.install.pythons [INTERPRETER ...]      default: those that are found

`make pythons` runs it. Exit code 1 if one fails; it names each that is not on the machine.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.install.packages import ROOT

SUPPORTED = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text("utf-8"))
ROOMS = (
    *("codecs", "compare", "config", "first_config", "handover", "install", "joiner", "judge", "labels", "protocol"),
    *("runner", "sensitivity", "status", "suggest"),
)
DEMO = "--limit 60000"


def version_of(interpreter: str | Path) -> str | None:
    """The version of an interpreter, such as 3.12; None if it does not run."""
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([interpreter, "-c", ask], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def found() -> dict[str, str]:
    """An interpreter for each supported version that this machine has: on the path, or of pyenv."""
    interpreters = {}
    for version in SUPPORTED:
        pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
        candidates = [shutil.which(f"python{version}"), *sorted(map(str, pyenv.glob(f"{version}.*/bin/python3")))]
        working = [one for one in candidates if one and version_of(one) == version]
        interpreters.update({version: working[0]} if working else {})
    return interpreters


def passes(version: str, interpreter: str) -> bool:
    """Whether setup, tests and demo succeed with an interpreter, each in the words of the Makefile."""
    folder = f"build/python-{version}"
    tests = " ".join(f"tests/{room}" for room in ROOMS)
    settings = [f"VENV={folder}", f"PYTHON={interpreter}"]
    for words in (["setup"], ["test", f"PYTEST_ARGS={tests}"], ["demo", f"DEMO_ARGS={DEMO}"]):
        print(f"python {version}: make {' '.join(words)}", file=sys.stderr, flush=True)
        if subprocess.run(["make", *words, *settings], cwd=ROOT, check=False).returncode:
            return False
    return True


def main(interpreters: list[str]) -> int:
    """Try each of these, or each that is found."""
    given = {str(version_of(one)): one for one in interpreters} or found()
    results = {version: passes(version, interpreter) for version, interpreter in given.items()}
    words = {None: "not on this machine", True: "passed", False: "failed"}
    for version in SUPPORTED:
        print(f"python {version}: {words[results.get(version)]}")
    return 0 if results and all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
