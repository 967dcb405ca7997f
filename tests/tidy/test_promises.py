"""A promise of the documents names the test that holds it, and that test exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def lacking(text: str, root: Path) -> list[str]:
    """The tests that a text names and that do not stand under `root`."""
    found = []
    for path, name in NAMED.findall(text):
        file = root / path
        tree = ast.parse(file.read_text("utf-8")) if file.exists() else ast.Module([], [])
        if name not in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}:
            found.append(f"{path}::{name}")
    return found


def test_every_promise_of_exactly_once_is_held_by_a_test_that_exists() -> None:
    text = (ROOT / "docs" / "exactly-once.md").read_text("utf-8")
    promised = [line for line in text.splitlines() if line.startswith("| ") and "held by" not in line]
    assert len(promised) > 10
    assert [line for line in promised if not NAMED.search(line)] == []
    assert lacking(text, ROOT) == []


def test_a_test_that_does_not_exist_is_told(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text("def test_one() -> None: ...\n", "utf-8")
    text = "`tests/test_a.py::test_one` `tests/test_a.py::test_two` `tests/test_b.py::test_one`"
    assert lacking(text, tmp_path) == ["tests/test_a.py::test_two", "tests/test_b.py::test_one"]
