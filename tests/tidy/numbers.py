"""Figures of the house: modules and lines by package, imports against the order, cycles, and the largest things.

`python -m tests.tidy.numbers [FOLDER]` prints them for this tree, or for another checkout.
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.tidy import banned_names, house, rooms
from tests.tidy.house import Source

ROOT = Path(__file__).resolve().parents[2]


def sources(root: Path, folder: str) -> list[Source]:
    """Return the Python sources below a folder of a checkout."""
    paths = sorted((root / folder).rglob("*.py"))
    return [Source(path.relative_to(root).as_posix(), path.read_text("utf-8")) for path in paths]


def attributes(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the number of attributes that each class assigns to `self`, and the name of the class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            stored = (
                one for one in ast.walk(node) if isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Store)
            )
            yield len({one.attr for one in stored if ast.unparse(one.value) == "self"}), node.name


def figures(shipped: list[Source], tests: list[Source]) -> Iterator[str]:
    """Yield the lines of the report."""
    of_package: dict[str, Counter[str]] = {}
    for source in (*shipped, *tests):
        for depth in range(1, min(len(source.path.split("/")), 4)):
            package = "/".join(source.path.split("/")[:depth])
            of_package.setdefault(package, Counter()).update(modules=1, lines=source.text.count("\n"))
    yield f"{'package':44}{'modules':>8}{'lines':>8}"
    yield from (f"{name:44}{n['modules']:8}{n['lines']:8}" for name, n in sorted(of_package.items()))
    modules, imports = rooms.modules_of(shipped), rooms.imports_among(shipped)
    against = [one for source in shipped for one in (*house.one_way(source, modules), *rooms.side_by_side(source))]
    yield f"imports against the order: {len(against)}"
    circles = house.circle(imports), house.circle(rooms.rooms(imports))
    yield f"import cycles of modules: {int(bool(circles[0]))}, of packages: {int(bool(circles[1]))}"
    banned = [word for one in shipped for word in banned_names.banned_words(one)]
    yield f"identifiers on the banned list: {len(banned)} (lag's `behind` is allowed)"
    yield f"largest file: {max((source.text.count(chr(10)), source.path) for source in shipped)}"
    longest = (
        (house.lines_of(one), one.name, source.path) for source in shipped for one in house.functions(source.nodes)
    )
    yield f"longest function: {max(longest)}"
    by_attributes = sorted(((*one, source.path) for source in shipped for one in attributes(source.tree)), reverse=True)
    yield f"most attributes of a class: {by_attributes[:3]}"
    task = [n for n, name, path in by_attributes if (name, path) == ("Task", "shadowstream/joiner/task.py")]
    yield f"attributes of the joiner's task: {task}"


if __name__ == "__main__":
    checkout = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    print("\n".join(figures(sources(checkout, "shadowstream"), sources(checkout, "tests"))))
