"""Entries added to the text of a config file, so that all other lines stay as they are, comments included.

The YAML parser gives the place of each value in the text. A new entry is one line in flow style behind the last entry
of its section; a section that is not there comes behind the last one. The caller loads the new text and compares it
with what was wanted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from shadowstream.paths import parse_path
from shadowstream.yaml_flow import flow

_STEP = "  "


class Entry(NamedTuple):
    """An entry of the config. `where`: the keys of its section. A rule replaces the one of its path, and an entry of a
    section that is no list replaces the section. `comment`: a line before a new entry of a list in block style."""

    where: tuple[str, ...]
    value: Mapping[str, Any]
    is_list: bool = True
    comment: str = ""


class _Change(NamedTuple):
    begin: int
    end: int
    text: str


def with_entries(text: str, entries: Iterable[Entry]) -> str:
    """Return the text of a valid config file with these entries.

    >>> print(with_entries("name: t\\ncompare:\\n  rules:  # of the team\\n  - {path: a, ignore: true}\\n", [
    ...     Entry(("compare", "rules"), {"path": "b", "atol": 0.001})]), end="")
    name: t
    compare:
      rules:  # of the team
      - {path: a, ignore: true}
      - {path: b, atol: 0.001}
    """
    for entry in entries:
        change = _change(text, yaml.compose(text, Loader=yaml.SafeLoader), entry)
        newline = "\r\n" if "\r\n" in text else "\n"
        text = text[: change.begin] + change.text.replace("\n", newline) + text[change.end :]
    return text


def _change(text: str, root: Any, entry: Entry) -> _Change:
    node = root
    for depth, name in enumerate(entry.where):
        found = next((pair for pair in node.value if pair[0].value == name), None)
        if found is None:
            return _new_section(text, node, entry.where[depth:], entry)
        key, node = found
        if isinstance(node, yaml.ScalarNode):  # the section is empty
            inner = entry.where[depth + 1 :]
            return _Change(_after_colon(text, key), _end(node, text), f" {_in_flow(inner, entry)}")
    if not entry.is_list:
        return _Change(node.start_mark.index, _end(node, text), flow(entry.value))
    return _in_list(text, node, entry)


def _in_list(text: str, node: yaml.SequenceNode, entry: Entry) -> _Change:
    same = next((item for item in node.value if _is_same(item, entry.value)), None)
    if same is not None:
        return _Change(same.start_mark.index, _end(same, text), flow(entry.value))
    if node.flow_style:
        at = _end(node.value[-1], text) if node.value else node.start_mark.index + 1
        return _Change(at, at, (", " if node.value else "") + flow(entry.value))
    at = _line_end(text, _end(node, text))
    return _Change(at, at, _lines(" " * node.start_mark.column, entry))


def _new_section(text: str, node: yaml.MappingNode, names: Sequence[str], entry: Entry) -> _Change:
    if node.flow_style:
        at = _end(node.value[-1][1], text) if node.value else node.start_mark.index + 1
        return _Change(at, at, (", " if node.value else "") + _in_flow(names, entry)[1:-1])
    at, indent = _comments_end(text, _end(node, text), node.start_mark.column), " " * node.start_mark.column
    if not entry.is_list:
        return _Change(at, at, f"\n{indent}{names[0]}: {flow(entry.value)}")
    heads = "".join(f"\n{indent}{_STEP * depth}{name}:" for depth, name in enumerate(names))
    return _Change(at, at, heads + _lines(indent + _STEP * len(names), entry))


def _lines(indent: str, entry: Entry) -> str:
    comment = f"\n{indent}# {entry.comment}" if entry.comment else ""
    return f"{comment}\n{indent}- {flow(entry.value)}"


def _in_flow(names: Sequence[str], entry: Entry) -> str:
    """Return the entry in the sections that are missing, on one line."""
    inner = f"[{flow(entry.value)}]" if entry.is_list else flow(entry.value)
    for name in reversed(names):
        inner = f"{{{name}: {inner}}}"
    return inner


def _is_same(item: yaml.Node, value: Mapping[str, Any]) -> bool:
    """Whether an item is a rule of the same path."""
    if "path" not in value or "name" in value or not isinstance(item, yaml.MappingNode):
        return False
    paths = [one.value for key, one in item.value if key.value == "path"]
    return any("$" not in path[1:] and parse_path(path) == parse_path(value["path"]) for path in paths)


def _end(node: yaml.Node, text: str) -> int:
    """Return the end of a value in the text; that of a block ends with its last value, not with the next token."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last, text)
    end = int(node.end_mark.index)
    return len(text[:end].rstrip()) if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">") else end


def _line_end(text: str, at: int) -> int:
    """Return the end of the line, behind a comment on it."""
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    return end - 1 if text[end - 1 : end] == "\r" else end


def _comments_end(text: str, at: int, column: int) -> int:
    """Return the end of the line, and of the comments below it that are indented deeper than a section's keys.

    Such comments, as entries that are commented out, belong to the section above.
    """
    deeper = re.compile(rf"(?:(?:\r?\n[ \t]*)*\r?\n {{{column + 1},}}#[^\r\n]*)*")
    found = deeper.match(text, _line_end(text, at))
    assert found is not None, "the pattern matches the empty text"
    return found.end()


def _after_colon(text: str, key: yaml.Node) -> int:
    return text.index(":", key.end_mark.index) + 1
