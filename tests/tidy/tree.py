"""The tree of packages and modules in docs/architecture.md, made from the first sentences of their docstrings.

`make docs` writes it (`python -m tests.tidy.tree`); `tests/tidy/test_tree.py` compares.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- tree: begin (make docs) -->", "<!-- tree: end -->"

# Packages of which the page shows no modules: each is one subject, and its own docstring says which.
CLOSED = ("demo", "testing")


@cache
def summary(text: str) -> str:
    """Return the first sentence of a module's docstring, or an empty text.

    >>> summary('"Reads a file. It keeps no copy."')
    'Reads a file.'
    """
    paragraph = (ast.get_docstring(ast.parse(text)) or "").partition("\n\n")[0]
    sentence, stop, _ = " ".join(paragraph.split()).replace("``", "`").partition(". ")
    return sentence + stop.strip()


def packages(package: Path) -> Iterator[Path]:
    """Yield a package and all packages below it, closed ones without what is below them."""
    yield package
    if package.name not in CLOSED:
        for folder in sorted(package.iterdir()):
            if (folder / "__init__.py").exists():
                yield from packages(folder)


def modules(package: Path) -> list[Path]:
    """Return the modules of a package, without its own file; none of a closed package."""
    if package.name in CLOSED:
        return []
    return sorted(file for file in package.glob("*.py") if file.name != "__init__.py")


def tree(root: Path) -> str:
    """Return the tree as Markdown: a table of all packages, then a table of modules for each package."""
    every = list(packages(root / "shadowstream"))
    lines = ["| package | holds |", "|---|---|"]
    for package in every:
        lines.append(_row(f"{package.relative_to(root).as_posix()}/", package / "__init__.py"))
    for package in every:
        if files := modules(package):
            lines += ["", f"### {package.relative_to(root).as_posix()}/", "", "| module | holds |", "|---|---|"]
            lines += [_row(file.name, file) for file in files]
    return "\n".join(lines)


def _row(name: str, file: Path) -> str:
    return f"| `{name}` | {summary(file.read_text('utf-8')).replace('|', chr(92) + '|')} |"


def page_with(text: str, root: Path = ROOT) -> str:
    """Return the page with the tree of today between its two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tree(root)}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page_with(PAGE.read_text("utf-8")), "utf-8")
