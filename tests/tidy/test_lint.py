"""Ruff and mypy have nothing to say: the same three commands as `make lint`."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "command",
    ["ruff check .", "ruff format --check .", "mypy --strict shadowstream"],
)
def test_lint_has_nothing_to_say(command: str) -> None:
    words = command.split()
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_the_makefile_runs_the_same_commands() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in ("ruff check .", "ruff format --check .", "mypy --strict shadowstream"):
        assert f"$(BIN)/{command}\n" in makefile, command
