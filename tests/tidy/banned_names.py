"""Banned words in identifiers, counted per word; the recorded counts can only shrink.

`python -m tests.tidy.banned_names` (or `make banned-names`) records the counts of today's code in `banned_names.json`.
The command refuses to record a count that has grown. docs/glossary.md has the words to use instead.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.tidy.house import Source

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("banned_names.json")

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


def identifiers(tree: ast.AST) -> Iterator[str]:
    """Yield each identifier as often as it occurs: definitions, uses, parameters, keywords, imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.alias):
            yield from (*node.name.split("."), *filter(None, [node.asname]))
        elif field := _FIELDS.get(type(node)):
            value = getattr(node, field)
            if isinstance(value, str):
                yield from value.split(".")
            else:
                yield from value or ()


def counts(sources: Iterable[Source]) -> dict[str, int]:
    """Count the identifiers of shipped code that hold each banned word; every banned word has an entry."""
    found = Counter(dict.fromkeys(BANNED, 0))
    for source in sources:
        if not source.is_ours:
            continue
        for identifier, times in Counter(identifiers(source.tree)).items():
            words = words_of(identifier)
            for word in BANNED:
                if f"_{word}_" in words and source.path not in ALLOWED.get(word, ()):
                    found[word] += times
    return dict(found)


def differences(found: dict[str, int], recorded: dict[str, int]) -> list[str]:
    """Return one sentence for each count that has grown, and for each that has shrunk and is not recorded yet."""
    sentences = []
    for word in sorted(found.keys() | recorded.keys()):
        now, before = found.get(word, 0), recorded.get(word, 0)
        if now > before:
            sentences.append(f"{word}: {now} identifiers, at most {before}: choose a word of docs/glossary.md")
        elif now < before:
            sentences.append(f"{word}: {now} identifiers, {before} recorded: run `make banned-names`")
    return sentences


def recorded_counts() -> dict[str, int]:
    """Read the recorded counts."""
    recorded: dict[str, int] = json.loads(RECORD.read_text("utf-8"))
    return recorded


def shrunk(found: dict[str, int], recorded: dict[str, int]) -> dict[str, int]:
    """Return the counts to record; raise ValueError with the words whose count has grown."""
    grown = [word for word in found if found[word] > recorded.get(word, 0)]
    if grown:
        raise ValueError("; ".join(sentence for sentence in differences(found, recorded) if "at most" in sentence))
    return found


def shipped_sources() -> list[Source]:
    """Return the sources of the package."""
    files = sorted((ROOT / "shadowstream").rglob("*.py"))
    return [Source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")) for path in files]


def main() -> int:
    """Record the counts of today's code. Return 1, with nothing written, where a count has grown."""
    try:
        found = shrunk(counts(shipped_sources()), recorded_counts())
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    RECORD.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", "utf-8")
    print(f"{RECORD.name}: {sum(found.values())} identifiers left")
    return 0


if __name__ == "__main__":
    sys.exit(main())
