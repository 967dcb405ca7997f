"""Reasons of "not yet" and of a reject in the code, as templates: texts with … where a value stands.

They are read from the functions that `verdict.build` and the gate take reasons from, and from all that these call in
the packages of verdict and coverage. `docs/troubleshooting.md` quotes each kind.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("shadowstream/judge/verdict", "shadowstream/judge/coverage", "shadowstream/judge/windows")
ROOTS = (
    *("uncovered", "misfits_by_outcome", "_unproven", "_unfit", "_rejected", "_why", "_pooled", "unmeasured", "doubt"),
    *(
        "_incidents",
        "guard",
        "shown_over",
        "excess",
        "not_shown",
        "not_lately",
        "decide",
        "aged",
        "approved",
        "proven",
        "take",
    ),
)
"""Names of functions from which reasons come. Calls of methods are followed by name too."""
ELSEWHERE = ("shadowstream/cli/answer.py", "shadowstream/kafka/trial/judged_topics.py")
WORDS_MIN = 5
UNITS = "row_of"
"""The function with the words for units and bad units, which stand inside other templates."""
GAP = "…"


def template(node: ast.expr) -> str:
    """Return the text of a string or of an f-string, with a gap for each value; an empty one for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else GAP for part in node.values)
        return "".join(map(str, parts))
    return ""


@cache
def functions() -> dict[str, list[ast.FunctionDef]]:
    """Return the functions and methods of the packages by name."""
    found: dict[str, list[ast.FunctionDef]] = {}
    files = [*(file for package in PACKAGES for file in sorted((ROOT / package).glob("*.py")))]
    for file in [*files, *(ROOT / path for path in ELSEWHERE)]:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, []).append(node)
    return found


def called(node: ast.FunctionDef) -> Iterator[str]:
    """Yield the names that a function calls."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call):
            if isinstance(inner.func, ast.Name):
                yield inner.func.id
            elif isinstance(inner.func, ast.Attribute):
                yield inner.func.attr


@cache
def templates(words_min: int = WORDS_MIN) -> dict[str, str]:
    """Return the templates of at least so many words, each with the function that holds it."""
    open_, seen, found = list(ROOTS), {UNITS}, dict[str, str]()
    while open_:
        name = open_.pop()
        if name in seen:
            continue
        seen.add(name)
        for function in functions().get(name, []):
            open_ += called(function)
            doc = ast.get_docstring(function, clean=False)
            pieces = {
                id(part) for node in ast.walk(function) if isinstance(node, ast.JoinedStr) for part in node.values
            }
            for node in ast.walk(function):
                text = template(node) if isinstance(node, ast.expr) and id(node) not in pieces else ""
                if text != doc and len(re.findall(r"[a-z]{2,}", text)) >= words_min:
                    found.setdefault(text, name)
    return found
