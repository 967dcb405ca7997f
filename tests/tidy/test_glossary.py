"""Each term of docs/glossary.md names code or a config key that exists, and each banned word has a better one."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, get_args

import pytest
from pydantic import BaseModel

from shadowstream.config import Config
from tests.tidy.banned_names import BANNED

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "glossary.md"
TERMS_MIN = 55
NAME = re.compile(r"`([^`]+)`")


class Term(NamedTuple):
    """One row of the glossary: `names` are the dotted paths and config keys of its last column."""

    term: str
    meaning: str
    names: list[str]


def rows(text: str, columns: int) -> Iterator[list[str]]:
    """Yield the cells of each table row with so many columns, heads and rules left out."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == columns and cells[0] not in ("term", "not"):
            yield cells


def terms(text: str) -> list[Term]:
    """Return the terms of a page."""
    return [Term(term, meaning, NAME.findall(names)) for term, meaning, names in rows(text, 3)]


def code_exists(dotted: str, root: Path) -> bool:
    """Return whether a dotted path names a package, a module, or a name that a module's top or a class defines."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        path = root.joinpath(*parts[:cut])
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if file.exists():
            body: list[ast.stmt] = ast.parse(file.read_text("utf-8")).body
            for name in parts[cut:]:
                node = defined(body).get(name)
                if node is None:
                    return False
                body = node.body if isinstance(node, ast.ClassDef) else []
            return True
    return False


def defined(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    """Return the statements of a body by the names that they define."""
    found: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id: node for target in targets if isinstance(target, ast.Name)}
    return found


def key_exists(key: str) -> bool:
    """Return whether the config has a key; lists and optional sections are entered without a sign."""
    model: type[BaseModel] | None = Config
    for name in key.split("."):
        if model is None or name not in model.model_fields:
            return False
        model = next(models_in(model.model_fields[name].annotation), None)
    return True


def models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the models that a type annotation holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)


def exists(name: str, root: Path = ROOT) -> bool:
    return code_exists(name, root) if name.startswith("shadowstream.") else key_exists(name)


def moved_to(name: str, root: Path = ROOT) -> list[str]:
    """Return the modules that define the last part of a name: where the thing may have moved."""
    last = name.rpartition(".")[2]
    found = []
    for file in sorted((root / "shadowstream").rglob("*.py")):
        if file.stem == last or last in defined(ast.parse(file.read_text("utf-8")).body):
            found.append(file.relative_to(root).as_posix())
    return found


def test_each_term_names_code_or_a_config_key_that_exists() -> None:
    found = terms(PAGE.read_text("utf-8"))
    lost = [f"{term.term}: {name}" for term in found for name in term.names if not exists(name)]
    hints = [f"{row}; now perhaps in {moved_to(row.rpartition(': ')[2])}" for row in lost]
    assert not lost, "\n".join(hints)


def test_each_term_has_one_row_one_meaning_and_a_name() -> None:
    found = terms(PAGE.read_text("utf-8"))
    assert len(found) >= TERMS_MIN
    assert len({term.term.casefold() for term in found}) == len(found)
    assert [term.term for term in found if not term.meaning or not term.names] == []


def test_each_banned_word_has_a_better_one() -> None:
    words = [cells[0].strip("`") for cells in rows(PAGE.read_text("utf-8"), 2)]
    assert sorted(words) == sorted(BANNED)


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("shadowstream.judge", True),
        ("shadowstream.judge.step", True),
        ("shadowstream.judge.step.JudgeStep", True),
        ("shadowstream.judge.step.JudgeStep.evaluate", True),
        ("shadowstream.protocol.headers.PACKED_HEADER", True),
        ("shadowstream.judge.attic", False),
        ("shadowstream.judge.step.Attic", False),
        ("shadowstream.judge.step.JudgeStep.attic", False),
        ("judge.window_ms", True),
        ("compare.rules.atol", True),
        ("twin.topic", True),
        ("judge.attic", False),
        ("judge.window_ms.attic", False),
    ],
)
def test_a_name_that_does_not_exist_is_found(name: str, there: bool) -> None:
    assert exists(name) is there
