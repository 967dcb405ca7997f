"""Rules of packages: roles stand side by side, and the rooms of a package form no circle."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.tidy.house import Source, below, imports_of, shipped_imports

ROOT = Path(__file__).resolve().parents[2]
# Roles that stand side by side: none imports another. What two of them share is in shadowstream.protocol.
SIDE_BY_SIDE = ("shadowstream.runner", "shadowstream.joiner", "shadowstream.judge", "shadowstream.labels")

# Folders of tests that run whole roles, or check something else than a package.
NO_PACKAGE = {
    "bench",
    "bombs",
    "chaos",
    "fuzz",
    "contracts",
    "docs",
    "helm",
    "install",
    "memory",
    "metrics",
    "pipeline",
    "rollouts",
    "schemas",
    "secured",
    "simulation",
    "tidy",
}


def mirrors(source: Source) -> Iterator[str]:
    """A folder of tests has the name of the package that it tests."""
    top, *folders, file = Path(source.path).parts
    package = Path("shadowstream", *folders)
    exists = (ROOT / package).is_dir() or (ROOT / f"{package}.py").is_file()
    if top == "tests" and file.startswith("test_") and not exists and not {*folders[:1]} & NO_PACKAGE:
        yield source.at(1, f"there is no package {package}: a folder of tests mirrors the tree")


def side_by_side(source: Source) -> Iterator[str]:
    """No role imports another."""
    own = next((role for role in SIDE_BY_SIDE if below(source.module, role)), None)
    if own is None:
        return
    for line, module, name in imports_of(source):
        target = f"{module}.{name}" if name else module
        other = next((role for role in SIDE_BY_SIDE if role != own and below(target, role)), None)
        if other is not None:
            yield source.at(line, f"{own} imports {other}: move what both need into shadowstream.protocol")


def modules_of(found: Iterable[Source]) -> set[str]:
    """The shipped modules among sources."""
    return {source.module for source in found if source.is_shipped}


def imports_among(found: Iterable[Source]) -> dict[str, set[str]]:
    """Imports of shipped modules by shipped modules."""
    found = tuple(found)
    modules = modules_of(found)
    return {
        source.module: {target for _, target in shipped_imports(source, modules)} - {source.module}
        for source in found
        if source.is_shipped
    }


def room_of(module: str) -> str | None:
    """The room of a module: the package inside a package of the house. None for a module that is in no room.

    >>> room_of("shadowstream.joiner.intake.dedupe"), room_of("shadowstream.joiner.task")
    ('shadowstream.joiner.intake', None)
    """
    parts = module.split(".")
    return ".".join(parts[:3]) if len(parts) > 3 else None


def rooms(imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """Imports between rooms of one package, given those between modules.

    >>> rooms({"s.a.b.x": {"s.a.c.y", "s.a.z", "s.d.e.f"}, "s.a.c.y": set()})
    {'s.a.b': {'s.a.c'}, 's.a.c': set()}
    """
    found: dict[str, set[str]] = {}
    for module, targets in imports.items():
        if (room := room_of(module)) is None:
            continue
        there = {other for target in targets if (other := room_of(target)) not in (None, room)}
        near = {other for other in there if other and other.rpartition(".")[0] == room.rpartition(".")[0]}
        found.setdefault(room, set()).update(near)
    return found
