"""docs/python.md: the names that `import shadowstream` gives, from their docstrings and signatures.

`make docs` writes it (`python -m tests.docs.api_page`); `tests/docs/test_generated_pages.py` compares.
"""

import ast
import inspect
import json
from collections.abc import Iterator
from textwrap import dedent
from typing import Any

import shadowstream
from tests.docs.markdown import ROOT, escaped

PAGE = ROOT / "docs" / "python.md"
HEAD = """\
# Python API

Made from the docstrings by `python -m tests.docs.api_page`; a test compares. These names are stable; all others may
change without notice. A program that reads topics by itself finds their fields in [topics](topics.md).
"""
TOPICS = {"DiffRow": "diff", "DriftEvent": "drift", "Verdict": "verdict"}
"""Records that people read, with the topics whose schemas document their fields."""
PYTEST = """
## In pytest

The package brings a plugin for tests on a real Kafka (extra `testing`). Its fixtures:

| fixture | gives |
|---|---|
"""


def page() -> str:
    """Return the page."""
    return HEAD + "".join(map(section, shadowstream.__all__)) + PYTEST + "".join(fixtures())


def section(name: str) -> str:
    """Return the section of one name: its signature or fields, and its docstring."""
    item = getattr(shadowstream, name)
    text = f"\n## {name}\n\n"
    if not inspect.isclass(item):
        lines = ast.unparse(ast.parse(dedent(inspect.getsource(item))).body[0]).splitlines()
        signature = next(line for line in lines if line.startswith("def "))
        return f"{text}```text\n{signature} ...\n```\n\n{_paragraphs(item)}\n"
    rows = "".join(f"| `{field}` | `{kind}` | {escaped(means)} |\n" for field, kind, means in fields(item))
    return f"{text}{_paragraphs(item)}\n\n| field | type | meaning |\n|---|---|---|\n{rows}"


def fields(item: type[Any]) -> Iterator[tuple[str, str, str]]:
    """Yield each field of a class with its type and its meaning: the docstring below it, or that of its schema."""
    topic = item.__module__ == "shadowstream.public_records" and ROOT / "schemas" / f"{TOPICS[item.__name__]}.avsc"
    documented = json.loads(topic.read_text("utf-8"))["fields"] if topic else []
    docs = {"at": "the record itself: topic, partition and offset"} | {
        one["name"]: one.get("doc", "") for one in documented
    }
    (tree,) = ast.parse(dedent(inspect.getsource(item))).body
    assert isinstance(tree, ast.ClassDef)
    for node, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign):
            below = after.value if isinstance(after, ast.Expr) else None
            means = below.value if isinstance(below, ast.Constant) else ""
            name = ast.unparse(node.target)
            yield name, ast.unparse(node.annotation).replace("|", "\\|"), str(means) or docs.get(name, "")


def fixtures() -> Iterator[str]:
    """Yield a row for each fixture of the pytest plugin."""
    source = (ROOT / "shadowstream" / "testing" / "pytest_plugin.py").read_text("utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and any("fixture" in ast.unparse(one) for one in node.decorator_list):
            yield f"| `{node.name}` | {escaped(ast.get_docstring(node) or '')} |\n"


def _paragraphs(item: Any) -> str:
    """The docstring; paragraphs that are indented stand as they are."""
    parts = (inspect.getdoc(item) or "").split("\n\n")
    return "\n\n".join(f"```text\n{dedent(part)}\n```" if part.startswith("    ") else escaped(part) for part in parts)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
