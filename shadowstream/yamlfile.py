"""Parser of YAML text to plain data, with the line of every value and all errors of the text at once.

It supports a closed subset of YAML 1.2, since a config needs no more and an error should name its line:

- scalars by the 1.2 core schema: ``yes`` and ``1:30`` are texts, ``1e-6`` is a number; only finite numbers;
- no anchors, aliases, merge keys or tags, one document, no key twice;
- ``${VAR}``, ``${VAR:-default}`` and ``${VAR:?message}`` in values, never in keys; ``$$`` is a dollar sign, and in a
  key only ``$${`` is ``${``. As in a shell, the forms with a colon treat an empty variable as unset. A plain
  (unquoted) scalar that consists of a single variable is parsed again as a scalar, so ``grace_ms: ${GRACE}`` is a
  number; it never becomes a list or mapping.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from shadowstream.yaml_flow import as_key

BYTES_MAX = 200_000
EVENTS_MAX = 5_000  # each takes 20 µs; a config has some hundred
_PROBLEMS_MAX = 50
DEPTH_MAX = 32

KeyPath = tuple[str | int, ...]
"""Keys and list indexes from the root to a value."""

_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<how>:-|:\?)(?P<rest>[^{}]*))?\}|\$\{")
_KEY_VARIABLE = re.compile(r"(?<!\$)\$\{")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_LONG = 100
_BREAK = re.compile("[\r\n\x85\u2028\u2029\ufeff]")  # these move the column otherwise
_DIGITS_MAX = 30
_TEXT_TAGS = {None, "!", "tag:yaml.org,2002:str"}


class Problem(NamedTuple):
    """One error of a config: its place, its description and the remedy."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (f"{self.file}:{self.line}", self.key, self.message) if part)


def dotted(where: KeyPath) -> str:
    """Return the notation of a place for people.

    >>> dotted(("compare", "rules", 0, "path"))
    'compare.rules[0].path'
    """
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


@dataclass(slots=True)
class Document:
    """The content of a file. Keyed by place, with ``()`` as the root: `lines`, and scalars before (`raw`) and after
    (`texts`) substitution."""

    data: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    raw: dict[KeyPath, str] = field(default_factory=dict)
    texts: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[tuple[int, KeyPath, str]] = field(default_factory=list)


class _Unreadable(Exception):
    """The text cannot be parsed beyond this point."""

    def __init__(self, line: int, where: KeyPath, message: str) -> None:
        super().__init__(message)
        self.problem = (line, where, message)


def read(path: Path, environ: Mapping[str, str]) -> Document:
    """Read a file of at most `BYTES_MAX` bytes. Never raises for the content of the file: see `Document.problems`."""
    document = Document(lines={(): 1})
    try:
        with path.open("rb") as file:
            content = file.read(BYTES_MAX + 1)
        if len(content) > BYTES_MAX:
            raise _Unreadable(1, (), f"is larger than {BYTES_MAX} bytes; a config is a few kB, is this the right file?")
        document = parse(content.decode("utf-8-sig"), environ)
    except _Unreadable as unreadable:
        document.problems.append(unreadable.problem)
    except OSError as error:
        document.problems.append((1, (), f"cannot be read: {error.strerror}; give the path of the trial's YAML file"))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        document.problems.append((line, (), f"is not UTF-8 at byte {error.start}; save it as UTF-8"))
    return document


def parse(text: str, environ: Mapping[str, str]) -> Document:
    """Parse YAML text.

    >>> document = parse("grace_ms: ${GRACE:-500}", {})
    >>> document.data, document.lines[("grace_ms",)]
    ({'grace_ms': 500}, 1)
    """
    document = Document(lines={(): 1})
    builder = _Builder(document, environ, _bounded(yaml.parse(text, Loader=_Loader)))
    try:
        _count_events(text)
        document.data = builder.document()
    except _Unreadable as unreadable:
        document.problems.append(unreadable.problem)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = ", ".join(part for part in (error.context, error.problem) if part)
        line = mark.line + 1 if mark else 1
        if any("${" in source_line for source_line in text.split("\n")[line - 1 : line]):
            message += "; inside { } or [ ] a ${VAR} needs quotes, or a line of its own outside of them"
        document.problems.append((line, (), f"is not YAML: {message}"))
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        document.problems.append((line, (), f"is not YAML: character U+{error.character:04X} is not allowed"))
    return document


class _Loader(yaml.SafeLoader):
    """Loader that refuses deep nesting before it looks for the end of what begins there."""

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:
        if self.flow_level > DEPTH_MAX:
            raise _Unreadable(self.line + 1, (), f"is nested deeper than {DEPTH_MAX} levels")
        super().fetch_flow_collection_start(TokenClass)

    def forward(self, length: int = 1) -> None:
        """Pass a long part of a line at once: the base class passes one character at a time, in 1 µs."""
        if length < _LONG or _BREAK.search(self.prefix(length + 1), 0, length):
            super().forward(length)
        else:
            self.pointer, self.index, self.column = self.pointer + length, self.index + length, self.column + length


def _count_events(text: str) -> None:
    """Raise `_Unreadable` for a text of more than `EVENTS_MAX` values, where it is long enough to hold so many.

    It is counted by PyYAML's parser in C, if that is installed, since the one in Python takes ten times as long. The
    latter reads every text: its messages are better, and the two differ in rare forms.
    """
    if len(text) > EVENTS_MAX and yaml.__with_libyaml__:
        depth = 0
        with suppress(yaml.YAMLError):
            for event in _bounded(yaml.parse(text, Loader=yaml.CSafeLoader)):
                depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
                if depth > DEPTH_MAX:  # the loader refuses it, and knows where
                    return


def _bounded(events: Iterator[yaml.Event]) -> Iterator[yaml.Event]:
    for n, event in enumerate(events):
        if n >= EVENTS_MAX:
            raise _Unreadable(_line(event), (), f"holds more than {EVENTS_MAX} values; is this the right file?")
        yield event


def _line(event: yaml.Event) -> int:
    """Return the line that an event begins in, counted from 1."""
    return event.start_mark.line + 1 if event.start_mark else 1


class _Builder:
    """Builder of data from events by recursive descent; `DEPTH_MAX` bounds the descent, `EVENTS_MAX` all else."""

    def __init__(self, document: Document, environ: Mapping[str, str], events: Iterator[yaml.Event]) -> None:
        self._document = document
        self._environ = environ
        self._events = events

    def document(self) -> Any:
        event = self._next(yaml.StreamStartEvent, yaml.DocumentStartEvent)
        if isinstance(event, yaml.StreamEndEvent):
            raise _Unreadable(1, (), "is empty; it needs at least name, inputs, production.outputs and candidate")
        data = self._node(event, ())
        more = self._next(yaml.DocumentEndEvent)
        if isinstance(more, yaml.DocumentStartEvent):
            self._problem(more, (), "a second document begins here; one file holds one trial")
        return data

    def _next(self, *passed: type[yaml.Event]) -> yaml.Event:
        for event in self._events:
            if not isinstance(event, passed):
                return event
        raise AssertionError("the YAML parser ended without an end event")

    def _problem(self, event: yaml.Event, where: KeyPath, message: str) -> None:
        self._document.problems.append((_line(event), where, message))
        if len(self._document.problems) >= _PROBLEMS_MAX:
            raise _Unreadable(_line(event), where, f"has {_PROBLEMS_MAX} errors up to here; the rest was not read")

    def _node(self, event: yaml.Event, where: KeyPath) -> Any:
        if len(where) > DEPTH_MAX:
            raise _Unreadable(_line(event), where[:3], f"is nested deeper than {DEPTH_MAX} levels")
        if isinstance(event, yaml.AliasEvent):
            raise _Unreadable(_line(event), where, f"aliases (*{event.anchor}) are not supported; repeat it")
        assert isinstance(event, yaml.NodeEvent)
        if event.anchor is not None:
            self._problem(event, where, f"anchors (&{event.anchor}) are not supported; remove it")
        self._document.lines.setdefault(where, _line(event))
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, where)
        assert isinstance(event, yaml.CollectionStartEvent)
        if event.tag not in (None, "!"):
            self._problem(event, where, f"tags ({event.tag}) are not supported; remove it")
        return self._sequence(where) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(where)

    def _sequence(self, where: KeyPath) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, (*where, len(items))))
        return items

    def _mapping(self, where: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise _Unreadable(_line(event), where, "a key must be a plain word")
            key = event.value.replace("$${", "${")
            here = (*where, key)
            if _KEY_VARIABLE.search(event.value):
                self._problem(event, here, "variables are not allowed in keys; write the key out, and $${ for ${ in it")
            if key in mapping:
                first = self._document.lines[here]
                self._problem(event, here, f"occurs twice, first in line {first}; remove one of them")
                self._skip(next(self._events))
                continue
            self._document.lines[here] = _line(event)
            mapping[key] = self._node(next(self._events), here)
        return mapping

    def _skip(self, event: yaml.Event) -> None:
        depth = 0
        while True:
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth == 0:
                return
            event = next(self._events)

    def _scalar(self, event: yaml.ScalarEvent, where: KeyPath) -> Any:
        self._document.raw[where] = event.value
        if event.tag not in _TEXT_TAGS:
            self._problem(event, where, f"tags ({event.tag}) are not supported; remove it")
        try:
            text, whole = _substitute(event.value, self._environ)
            self._document.texts[where] = text
            plain = event.tag is None and not event.style
            return _resolve(text) if plain and (whole or text == event.value) else text
        except ValueError as error:
            self._problem(event, where, str(error))
            return UnusableValue()


class UnusableValue:
    """Placeholder for a value with a reported problem; further problems of it are consequences."""


def _substitute(text: str, environ: Mapping[str, str]) -> tuple[str, bool]:
    """Return the text with its variables substituted, and whether it was a single variable. Raises ValueError."""

    def value(match: re.Match[str]) -> str:
        if match.group() == "$$":
            return "$"
        name, how, rest = match.group("name", "how", "rest")
        if name is None:
            raise ValueError(
                "has a broken ${…}; use ${VAR}, ${VAR:-default} or ${VAR:?message}, and $$ for a dollar sign"
            )
        content = environ.get(name)
        if how and not content:
            if how == ":?":
                raise ValueError(f"variable {name} is not set: {rest or 'it is required'}")
            content = rest
        if content is None:
            raise ValueError(f"variable {name} is not set; set it, or write ${{{name}:-default}}")
        if len(content.splitlines()) > 1 or content.endswith(("\n", "\r")):
            raise ValueError(f"variable {name} contains a line break, which is not allowed; use one line")
        return content

    match = _VARIABLE.fullmatch(text)
    return _VARIABLE.sub(value, text), match is not None and match.group() != "$$"


def _resolve(text: str) -> Any:
    """Return a plain scalar by the core schema of YAML 1.2. Raises ValueError for an infinite or unusable number."""
    if text in _WORDS:
        return _WORDS[text]
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is not a finite number; give one")
    if _INT.fullmatch(text):
        if len(text) > _DIGITS_MAX:
            raise ValueError(f"a whole number of {len(text)} digits is not usable")
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if _FLOAT.fullmatch(text):
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise ValueError(f"{text} is too large for a number")
        return number
    return text


class _Quoted(str):
    """A text that must stand in quotes, so that what its variable holds is no number."""

    __slots__ = ()


class _Writer(yaml.SafeDumper):
    """Writer of what this module reads: YAML 1.2, without aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(writer: yaml.SafeDumper, text: str) -> yaml.Node:
    quoted = isinstance(text, _Quoted) or _resolve(text) != text
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style='"' if quoted else None)


_Writer.add_representer(str, _text)
_Writer.add_representer(_Quoted, _text)


def as_written(document: Document) -> Any:
    r"""Return the data of a document without problems, with each ``${VAR}`` and ``$$`` as the file has it.

    >>> document = parse('login: {sasl.password: "${P:-0123}"}\nrate: ${R:-5}', {})
    >>> print(written(as_written(document)), end="")
    login:
      sasl.password: "${P:-0123}"
    rate: ${R:-5}
    """
    return _as_written(document, document.data, ())


def _as_written(document: Document, data: Any, where: KeyPath) -> Any:
    if isinstance(data, dict):
        return {as_key(name): _as_written(document, item, (*where, name)) for name, item in data.items()}
    if isinstance(data, list):
        return [_as_written(document, item, (*where, at)) for at, item in enumerate(data)]
    raw = document.raw.get(where, "")
    if "$" not in raw:
        return data
    return _Quoted(raw) if isinstance(data, str) else raw


def written(data: Any) -> str:
    """Return data as YAML text that `parse` reads back: one key a line, keys in their order."""
    return yaml.dump(data, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=100)
