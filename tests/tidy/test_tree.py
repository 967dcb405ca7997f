"""docs/architecture.md shows the packages and modules that exist, each with the sentence of its docstring."""

import re
from pathlib import Path

import pytest

from tests.tidy import tree


def test_the_page_shows_the_tree_of_today() -> None:
    text = tree.PAGE.read_text("utf-8")
    assert text.count(tree.BEGIN) == text.count(tree.END) == 1
    assert tree.page_with(text) == text, "run: make docs"


def test_each_module_has_a_docstring_to_show() -> None:
    files = sorted((tree.ROOT / "shadowstream").rglob("*.py"))
    assert [file.relative_to(tree.ROOT).as_posix() for file in files if not tree.summary(file.read_text("utf-8"))] == []


def test_no_package_or_module_is_left_out_beside_the_closed_ones() -> None:
    shown = tree.tree(tree.ROOT)
    rows = set(re.findall(r"^\| `(\S+)` \|", shown, re.MULTILINE))
    for file in (tree.ROOT / "shadowstream").rglob("*.py"):
        path = file.relative_to(tree.ROOT)
        if not any(part in tree.CLOSED for part in path.parent.parts):
            package = f"{path.parent.as_posix()}/"
            assert package in rows
            assert path.name in rows or path.name == "__init__.py"
            assert path.name == "__init__.py" or f"### {package}" in shown


@pytest.fixture
def house(tmp_path: Path) -> Path:
    for path, text in {
        "shadowstream/__init__.py": '"""The door. It re-exports."""',
        "shadowstream/a.py": '"""First of\ntwo lines.\n\nMore."""',
        "shadowstream/joiner/__init__.py": '"""Matches a|b."""',
        "shadowstream/joiner/task.py": '"""One task"""',
        "shadowstream/testing/__init__.py": '"""Tests."""',
        "shadowstream/testing/broker.py": '"""A broker."""',
        "shadowstream/data/readme.txt": "",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    return tmp_path


def test_the_tree_has_each_package_and_the_modules_of_open_ones(house: Path) -> None:
    assert tree.tree(house).splitlines() == [
        *("| package | holds |", "|---|---|"),
        *("| `shadowstream/` | The door. |", "| `shadowstream/joiner/` | Matches a\\|b. |"),
        "| `shadowstream/testing/` | Tests. |",
        *("", "### shadowstream/", "", "| module | holds |", "|---|---|", "| `a.py` | First of two lines. |"),
        *("", "### shadowstream/joiner/", "", "| module | holds |", "|---|---|", "| `task.py` | One task |"),
    ]


def test_a_new_module_changes_the_page(house: Path) -> None:
    page = tree.page_with(f"# A\n{tree.BEGIN}\nold\n{tree.END}\nB\n", house)
    assert page.startswith("# A\n")
    assert page.endswith(f"{tree.END}\nB\n")
    (house / "shadowstream" / "joiner" / "step.py").write_text('"""A step."""', "utf-8")
    assert tree.page_with(page, house) != page
