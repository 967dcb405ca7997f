"""Ruff and mypy have nothing to say: the same three commands as `make lint`."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ["ruff check .", "ruff format --check .", "mypy --strict shadowstream"]


@pytest.mark.parametrize("command", COMMANDS)
def test_lint_has_nothing_to_say(command: str) -> None:
    words = command.split()
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_the_makefile_runs_the_same_commands() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"$(BIN)/{command}\n" in makefile, command


def test_pre_commit_runs_the_same_commands() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert [hook["entry"] for hook in hooks] == [f".venv/bin/{command}" for command in COMMANDS]
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    assert all(hook["language"] == "system" and hook["pass_filenames"] is False for hook in hooks)
