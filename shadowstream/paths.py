r"""Paths to parts of a value, as a config names them in rules, identity, labels, dimensions, checks, redaction, means
and criteria.

A path names fields and list indices from the outside in, by dots: ``items.0.price``. A ``*`` stands for any one name
or index. A dot, a backslash or a lone star inside a name is escaped by a backslash: ``a\.b`` is one name. As in
JSONPath ``items[0]`` and ``items[*]`` are ``items.0`` and ``items.*``; ``$`` is the whole value, and is optional before
a path. ``$.`` is the field with the empty name.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from shadowstream.errors import ConfigError

_NAME = re.compile(r"(?:\\.|[^.\\])*", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_TO_ESCAPE = re.compile(r"[.\\]|^\*$|\[(?=(?:\d+|\*)\])")
_INDEXED = re.compile(r"((?:\\.|[^\\\[])*)((?:\[(?:\d+|\*)\])+)", re.DOTALL)
_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")
NAMES_MAX = 1_000
"""Names of one path: ten times the levels that a value may have."""
_SHOWN_MAX = 60
ROOT = "$"
STAR = None
ABSENT = object()
"""The value of an absent field."""
KEY_PART, HEADERS_PART, ORDER_PART = "$key", "$headers", "$order"
"""The names of the parts of a record beside its value, as paths of rules and of differences begin with them."""


def parse_path(text: str) -> list[str | None]:
    """Return the names of a path, None for a star.

    Raises `ConfigError` for a backslash that escapes nothing, and beyond `NAMES_MAX` names.

    >>> parse_path(r"items.*.unit\\.price")
    ['items', None, 'unit.price']
    >>> parse_path("$.items[0].price"), parse_path("$")
    (['items', '0', 'price'], [])
    """
    names: list[str | None] = []
    if text in ("", ROOT):  # a difference of whole values has the path ""
        return names
    begin = len(ROOT) + (text[1] == ".") if text.startswith((f"{ROOT}.", f"{ROOT}[")) else 0
    while True:
        match = _NAME.match(text, begin)
        end = match.end() if match else begin
        if end < len(text) and text[end] != ".":
            raise ConfigError(f"path {text!r}: ends in a backslash; write \\\\ for a backslash in a name")
        names += _part(text[begin:end])
        if len(names) > NAMES_MAX:
            raise ConfigError(f"path {text[:_SHOWN_MAX]!r}…: has more than {NAMES_MAX:,} names; name the field itself")
        if end == len(text):
            return names
        begin = end + 1


def _part(part: str) -> list[str | None]:
    """Return the names between two dots: a name, and the indexes in brackets after it."""
    indexed = _INDEXED.fullmatch(part)
    if indexed is None:
        return [STAR if part == "*" else _ESCAPED.sub(r"\1", part)]
    indexes: list[str | None] = [STAR if index == "*" else index for index in indexed[2][1:-1].split("][")]
    return [*_part(indexed[1]), *indexes] if indexed[1] else indexes


def parse_one(text: str) -> list[str]:
    """Return the names of a path that leads to a single value. Raises `ConfigError` for a star, which leads to several.

    >>> parse_one("items[0].price"), parse_one(r"\\*")
    (['items', '0', 'price'], ['*'])
    """
    parsed = parse_path(text)
    names = [name for name in parsed if name is not None]
    if len(names) < len(parsed):
        raise ConfigError(f"path {text!r}: a star names several values, and a single one is needed here; name it")
    return names


def names_several(path: str) -> bool:
    """Return whether a path has a star, and so may lead to several values of one record."""
    return STAR in parse_path(path)


def join_path(names: Iterable[str | None]) -> str:
    """Return the text of a path, with escapes for ambiguous names; None is a star.

    >>> join_path(["items", "0", "unit.price"])
    'items.0.unit\\\\.price'
    """
    escaped = ["*" if name is STAR else _TO_ESCAPE.sub(r"\\\g<0>", name) for name in names]
    if escaped == [""]:
        return f"{ROOT}."
    if escaped[:1] == [ROOT] or (escaped and escaped[0].startswith(f"{ROOT}[")):
        escaped[0] = "\\" + escaped[0]
    return ".".join(escaped)


def leaves(value: Any, depth_max: int, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each part below nested objects that is no object itself, with its names, of which there are `depth_max`
    at most.

    >>> list(leaves({"a": 1, "b": {"c": [2], "d": {"e": 3}}}, 2))
    [(('a',), 1), (('b', 'c'), [2])]
    """
    if not isinstance(value, Mapping):
        if names:
            yield names, value
    elif len(names) < depth_max:
        for name, part in value.items():
            yield from leaves(part, depth_max, (*names, str(name)))


def value_at(value: Any, names: Sequence[str]) -> Any:
    """Return the part of a decoded value at a path without stars, null included; `ABSENT` if there is none.

    >>> value_at({"items": [{"unit.price": 3}]}, parse_one(r"items[0].unit\\.price"))
    3
    >>> [value_at([1, 2], [name]) is ABSENT for name in ("1", "2", "01", "-1", "x")]
    [False, True, True, True, True]
    """
    for name in names:
        if isinstance(value, Mapping):
            if name not in value:
                return ABSENT
            value = value[name]
        elif isinstance(value, list | tuple) and _INDEX.fullmatch(name) and int(name) < len(value):
            value = value[int(name)]
        else:
            return ABSENT
    return value


def without(value: Any, names: Sequence[str]) -> Any:
    """Return a decoded value without its part at a path, which becomes null in a list; the value itself stays as it is.

    >>> whole = {"id": 1, "out": [{"score": 0.5, "at": 7}]}
    >>> without(whole, ["out", "0", "score"]), without(whole, ["out", "0"]), without(whole, ["none"]) is whole
    ({'id': 1, 'out': [{'at': 7}]}, {'id': 1, 'out': [None]}, True)
    """
    if not names or value_at(value, names) is ABSENT:
        return value
    name, *below = names
    if isinstance(value, Mapping):
        kept = {key: inner for key, inner in value.items() if below or key != name}
        return {**kept, name: without(value[name], below)} if below else kept
    changed = list(value)
    changed[int(name)] = without(value[int(name)], below) if below else None
    return changed
