"""Presence of a path in a decoded value, as rules read it, and the fields of a value.

Elements of a list that a rule compares by key are named by that key, as in the paths of their differences.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from shadowstream.compare import lists
from shadowstream.compare.rules import RuleSet, Spot
from shadowstream.compare.watched_paths import Names
from shadowstream.paths import join_path

DEPTH_MAX = 8
ELEMENTS_MAX = 8
"""Maximum elements of a list that are examined for names of fields."""


def holds(value: Any, names: Names, rules: RuleSet) -> bool:
    """Whether a value has a part at a path, null included; a star stands for any existing name.

    >>> value = {"items": [{"price": 1}], "user": {"zip": None}}
    >>> [holds(value, names, RuleSet()) for names in (["items", None, "price"], ["user", "zip"], ["user", "zpi"])]
    [True, True, False]
    """
    if names == [None] and not isinstance(value, dict | list | tuple):
        return True  # a star reaches a bare value too (`RuleSet.bare`)
    return _holds(value, names, rules.root)


def _holds(value: Any, names: Names, spot: Spot) -> bool:
    if not names:
        return True
    first, rest = names[0], names[1:]
    return any(
        _holds(child, rest, spot.step(name)) for name, child in _children(value, spot) if first is None or first == name
    )


def _children(value: Any, spot: Spot) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, child in value.items():
            yield str(name), child
    elif isinstance(value, list | tuple):
        keyed = spot.own.key if spot.own is not None and isinstance(value, list) else None
        if keyed is not None:
            elements, _ = lists.by_key(value, [], keyed)
            for name, index, _ in elements:
                if index is not None:
                    yield name, value[index]
        for index, child in enumerate(value):
            yield str(index), child


def fields(value: Any) -> Iterator[str]:
    """The paths of the innermost fields; elements of lists appear as a star.

    >>> list(fields({"user": {"zip": "a"}, "items": [{"price": 1}, {"price": 2}], "score": 0.5}))
    ['user.zip', 'items.*.price', 'score']
    """
    return iter(dict.fromkeys(_leaves(value, ())))


@lru_cache(4_096)
def _escaped(name: str) -> str:
    return join_path([name])


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[str]:
    inner: Sequence[tuple[str, Any]] = ()
    if len(path) < DEPTH_MAX:
        if isinstance(value, dict):
            inner = [(_escaped(str(name)), child) for name, child in value.items()]
        elif isinstance(value, list | tuple):
            inner = [("*", child) for child in value[:ELEMENTS_MAX]]
    for name, child in inner:
        yield from _leaves(child, (*path, name))
    if not inner and path:
        yield ".".join(path)
