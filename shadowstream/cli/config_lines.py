"""Lines of a config as YAML, each value with the place that it comes from as a comment."""

from collections.abc import Callable, Iterator
from typing import Any

import yaml

from shadowstream.config_layers import Place
from shadowstream.yamlfile import KeyPath

WIDTH = 80
_UNFOLDED = 1_000_000
Origin = Callable[[KeyPath], Place | None]


def yaml_lines(data: Any, origin: Origin) -> list[str]:
    """Return the lines; a comment that would make its line longer than `WIDTH` is in the line above.

    >>> yaml_lines({"a": [1], "b": {}}, {("a", 0): Place("trial.yaml", 7)}.get)
    ['a:', '- 1  # trial.yaml:7', 'b: {}']
    """
    return list(_lines(data, (), "", origin))


def leaves(data: Any, where: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the place of each scalar, and of each empty map or list."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    if not items or not data:
        yield where
        return
    for name, item in items:
        yield from leaves(item, (*where, name))


def _lines(data: Any, where: KeyPath, indent: str, origin: Origin) -> Iterator[str]:
    """Yield the lines of a map or list that is not empty."""
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for name, item in items:
        here = (*where, name)
        if not isinstance(item, dict | list) or not item:
            text = yaml.safe_dump(
                [item] if isinstance(name, int) else {name: item}, width=_UNFOLDED, allow_unicode=True
            )
            yield from _with_comment([indent + line for line in text.rstrip("\n").split("\n")], origin(here), indent)
        elif isinstance(name, int):
            first, *more = _lines(item, here, f"{indent}  ", origin)
            yield f"{indent}- {first[len(indent) + 2 :]}"
            yield from more
        else:
            yield indent + yaml.safe_dump({name: None}, width=_UNFOLDED, allow_unicode=True).partition(" null")[0]
            yield from _lines(item, here, f"{indent}  " if isinstance(item, dict) else indent, origin)


def _with_comment(lines: list[str], place: Place | None, indent: str) -> Iterator[str]:
    if place is None:
        yield from lines
    elif len(lines) == 1 and len(lines[0]) + len(f"  # {place}") <= WIDTH:
        yield f"{lines[0]}  # {place}"
    else:
        yield f"{indent}# {place}"
        yield from lines
