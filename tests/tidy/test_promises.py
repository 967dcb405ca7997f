"""A promise of the documents names the test that holds it, and that test exists."""

import ast
import re
from pathlib import Path

from tests.tidy.house import functions

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
BARE_NAME = re.compile(r"`(test_\w+)(?:\.py)?`")
PLACE = re.compile(r"`((?:tests|shadowstream|bench|helm|docs|schemas)/[\w/-][\w./-]*)[`:]")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def lacking(text: str, root: Path) -> list[str]:
    """The tests that a text names and that do not stand under `root`."""
    found = []
    for path, name in NAMED.findall(text):
        file = root / path
        tree = ast.parse(file.read_text("utf-8")) if file.exists() else ast.Module([], [])
        if name not in {node.name for node in functions(ast.walk(tree))}:
            found.append(f"{path}::{name}")
    return found


def promises(text: str) -> dict[str, str]:
    """The sections of the third level by title, with their text: each is a promise, but for those that name limits."""
    sections = (section.partition("\n") for section in re.split(r"^### ", text, flags=re.MULTILINE)[1:])
    found = {title.strip(): re.split(r"^## ", body, flags=re.MULTILINE)[0] for title, _, body in sections}
    return {title: body for title, body in found.items() if not title.startswith("Limits of ")}


def test_every_promise_of_exactly_once_is_held_by_a_test_that_exists() -> None:
    text = (ROOT / "docs" / "exactly-once.md").read_text("utf-8")
    promised = promises(text)
    assert len(promised) > 40
    assert [title for title, body in promised.items() if not NAMED.search(body.partition("Held by:")[2])] == []
    assert lacking(text, ROOT) == []


def test_a_promise_without_a_test_is_seen() -> None:
    text = (
        "# A\n## B\n### One\nx\n\nHeld by:\n- `tests/a.py::test_a`\n\n### Two\nHeld by:\n\n## C\n`tests/a.py::test_a`\n"
    )
    assert {title: bool(NAMED.search(body)) for title, body in promises(text).items()} == {"One": True, "Two": False}


def all_tests(root: Path) -> set[str]:
    """Names of all tests and of the files that hold them."""
    names: set[str] = set()
    for file in (root / "tests").rglob("test_*.py"):
        names |= {file.stem, *re.findall(r"^(?:async )?def (test_\w+)", file.read_text("utf-8"), re.MULTILINE)}
    return names


def test_every_test_and_every_file_that_a_document_names_exists() -> None:
    known, found = all_tests(ROOT), 0
    for document in DOCUMENTS:
        text = document.read_text("utf-8")
        tests, places = BARE_NAME.findall(text), PLACE.findall(text)
        assert lacking(text, ROOT) == [], document.name
        assert [name for name in tests if name not in known] == [], document.name
        assert [place for place in places if not (ROOT / place).exists()] == [], document.name
        found += len(tests)
    assert found > 10


def test_a_test_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text("def test_one() -> None: ...\n", "utf-8")
    text = "`tests/test_a.py::test_one` `tests/test_a.py::test_two` `tests/test_b.py::test_one`"
    assert lacking(text, tmp_path) == ["tests/test_a.py::test_two", "tests/test_b.py::test_one"]
