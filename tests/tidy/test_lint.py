"""Ruff and mypy have nothing to say: the same three commands as `make lint`."""

import re
import subprocess
import sys
import tomllib
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


def test_types_are_skipped_only_of_libraries_that_the_package_does_not_import() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]["overrides"]
    skipped = {name.partition(".")[0] for one in settings if one.get("follow_imports") for name in one["module"]}
    assert skipped
    for path in (ROOT / "shadowstream").rglob("*.py"):
        imported = re.findall(r"^\s*(?:import|from) (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert not skipped & set(imported), path
