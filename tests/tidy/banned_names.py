"""Banned words: no identifier holds one. docs/glossary.md has the words to use instead."""

import ast
import re
from collections.abc import Iterable, Iterator

from tests.tidy.house import Source

BANNED = (
    "alone",
    "aside",
    "behind",
    "going",
    "lying",
    "met",
    "most",
    "ours",
    "put_off",
    "said",
    "shelf",
    "theirs",
    "told",
)

# `behind` is the field's word for lag: there it may stay.
ALLOWED = {"behind": ("shadowstream/kafka/client/lag.py",)}

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def words_of(identifier: str) -> str:
    """Return the words of an identifier in lower case, with underscores between and around them.

    >>> words_of("SaidRow"), words_of("_put_off_s")
    ('_said_row_', '_put_off_s_')
    """
    return "_" + _HUMP.sub("_", identifier).lower().strip("_") + "_"


# The fields of syntax nodes that hold identifiers: one name, or a list of names, or None.
_FIELDS = {
    ast.FunctionDef: "name",
    ast.AsyncFunctionDef: "name",
    ast.ClassDef: "name",
    ast.Name: "id",
    ast.Attribute: "attr",
    ast.arg: "arg",
    ast.keyword: "arg",
    ast.ExceptHandler: "name",
    ast.MatchAs: "name",
    ast.MatchStar: "name",
    ast.MatchMapping: "rest",
    ast.MatchClass: "kwd_attrs",
    ast.Global: "names",
    ast.Nonlocal: "names",
    ast.ImportFrom: "module",
}


def identifiers(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield each identifier as often as it occurs: definitions, uses, parameters, keywords, imports."""
    for node in nodes:
        if isinstance(node, ast.alias):
            yield from (*node.name.split("."), *filter(None, [node.asname]))
        elif field := _FIELDS.get(type(node)):
            value = getattr(node, field)
            if isinstance(value, str):
                yield from value.split(".")
            else:
                yield from value or ()


def banned_words(source: Source) -> Iterator[str]:
    """No identifier of the package or its tests holds a banned word."""
    for identifier in sorted(set(identifiers(source.nodes) if not source.path.startswith("bench/") else ())):
        words = words_of(identifier)
        for word in BANNED:
            if f"_{word}_" in words and source.path not in ALLOWED.get(word, ()):
                yield source.at(1, f"{identifier} holds {word!r}: choose a word of docs/glossary.md")
