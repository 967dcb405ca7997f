"""The part of requirements.lock that some requirements need: what the image installs, with the lock's own hashes.

    python helm/image/runtime_lock.py requirements.lock pyproject.toml all > runtime.lock
    python helm/image/runtime_lock.py requirements.lock pyproject.toml --build > build.lock

The lock says below each package who asked for it (`# via`); from the packages that pyproject.toml names for the given
extras (or for building) everything that they asked for is followed. Only the standard library is needed.
"""

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

_NESTED = re.compile(r"(?P<name>[\w.-]+)\[(?P<extras>[^]]+)\]")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def name_of(requirement: str) -> str:
    """The normalised name at the beginning of a requirement.

    >>> name_of("Faust_Streaming[fast]>=0.15.2")
    'faust-streaming'
    """
    found = _NAME.match(requirement)
    if found is None:
        raise ValueError(f"{requirement!r} is no requirement")
    return re.sub(r"[-_.]+", "-", found.group()).lower()


def parts_of(lock: str) -> list[tuple[str, str, set[str]]]:
    """Each entry of the lock as (name, text, names of those who asked for it)."""
    found = []
    for text in re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE):
        if text.strip() and not text.startswith("#"):
            said = text.partition("# via")[2].replace("#", " ").split()
            found.append((name_of(text), text, {name_of(word) for word in said if _NAME.match(word)}))
    return found


def subset(lock: str, roots: Iterable[str]) -> str:
    """The entries of `roots` and of everything that these asked for; raises `ValueError` for a root not in the lock."""
    parts = parts_of(lock)
    wanted = {name_of(root) for root in roots}
    if unknown := wanted - {name for name, _, _ in parts}:
        raise ValueError(f"not in the lock: {', '.join(sorted(unknown))}; make lock writes it anew")
    while more := {name for name, _, askers in parts if askers & wanted} - wanted:
        wanted |= more
    return "".join(text for name, text, _ in parts if name in wanted)


def roots_of(pyproject: str, extras: Iterable[str]) -> list[str]:
    """What pyproject.toml asks for with these extras and those they include; `--build` for what builds the package."""
    known = tomllib.loads(pyproject)
    project, extras = known["project"], list(extras)
    if "--build" in extras:
        return list(known["build-system"]["requires"])
    roots = list(project["dependencies"])
    for extra in extras:  # it grows by those included
        for root in project["optional-dependencies"][extra]:
            nested = _NESTED.fullmatch(root)
            if nested and name_of(nested["name"]) == name_of(project["name"]):
                extras += [one for one in re.split(r"\s*,\s*", nested["extras"]) if one not in extras]
            else:
                roots.append(root)
    return roots


if __name__ == "__main__":
    lock_path, pyproject_path, *chosen = sys.argv[1:]
    print(subset(Path(lock_path).read_text(), roots_of(Path(pyproject_path).read_text(), chosen)), end="")
