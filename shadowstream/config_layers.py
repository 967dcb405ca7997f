"""Layers of a config: its file, the files that it `extends` and each `preset`, merged into one document.

From the lowest to the highest: presets, extended files in the order in which they are named, the file itself. A file
that several others extend is one layer, below all of them. Of two layers, the higher one wins:

================================  ===================================================================
maps                              merged key by key
named items (`_NAMED`)            items of both; an item replaces the lower one of its name as a whole
redacted paths and headers        items of both: a higher layer adds, and takes none away
any other value, list or null     the higher one's
================================  ===================================================================

`Merged.overridden` holds each value of a lower layer that a higher one replaces, so that nothing is lost silently.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, get_args

from pydantic import ValidationError

from shadowstream.config import Criterion
from shadowstream.config.model import Preset
from shadowstream.errors import ConfigError
from shadowstream.paths import parse_path
from shadowstream.yamlfile import Document, KeyPath, Problem, UnusableValue, dotted, read

FILES_MAX = 20
PRESETS: tuple[str, ...] = get_args(Preset)
_KEYS = ("extends", "preset")
Prepare = Callable[[Document, Path], None]
"""Change of a layer before it is merged, by its folder."""


class Place(NamedTuple):
    """The file and line of a value."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(slots=True)
class Merged:
    """All layers as one. Keyed by place of the merged data, with ``()`` as the root: `places`, and the `raw` text of
    scalars before substitution."""

    data: Any = None
    places: dict[KeyPath, Place] = field(default_factory=dict)
    raw: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    is_whole: bool = True
    """Whether every layer could be read."""
    overridden: list[tuple[KeyPath, Place, Place]] = field(default_factory=list)
    """The key of a value that a layer replaces, its place, and the place of the lower layer's value."""


@dataclass(slots=True)
class _Node:
    """A value and its place; the value of a map or list holds nodes."""

    value: Any
    place: Place
    raw: str | None = None


def merged_layers(document: Document, path: Path, file: str, environ: Mapping[str, str], prepare: Prepare) -> Merged:
    """Merge a config's document, of the file at `path`, with all layers that it names, which are read.

    Never raises for their content: see `Merged.problems`.
    """
    reader = _Reader(environ, prepare)
    reader.take(document, path, file, ())
    merged = Merged(problems=reader.problems, is_whole=reader.is_whole)
    root: _Node | None = None
    for layer in reader.layers:
        root = layer if root is None else _merged(root, layer, (), merged.overridden)
    if root is not None:
        merged.data = _flattened(root, (), merged)
    merged.places.setdefault((), Place(file, 1))
    return merged


class _Reader:
    """Reader of layers, the lowest first."""

    def __init__(self, environ: Mapping[str, str], prepare: Prepare) -> None:
        self.layers: list[_Node] = []
        self.problems: list[Problem] = []
        self.is_whole = True
        self._environ = environ
        self._prepare = prepare
        self._read: set[Path | str] = set()

    def take(self, document: Document, path: Path, file: str, chain: tuple[tuple[Path, str], ...]) -> None:
        """Take a file's document after the layers that it names; `chain` holds the files that led to it."""
        self._prepare(document, path.absolute().parent)
        self.problems += [
            Problem(file, line or document.lines[known_part(where, document.lines)], dotted(where), message)
            for line, where, message in document.problems
        ]
        if isinstance(document.data, dict):
            named = {key: document.data.pop(key) for key in _KEYS if key in document.data}
            for where, name in self._names("preset", named, document, file):
                self._preset(name, Place(file, document.lines[where]), where)
            for where, name in self._names("extends", named, document, file):
                self._extended(Path(name), Place(file, document.lines[where]), where, (*chain, (_real(path), file)))
        elif chain and not document.problems:
            self._refuse(Place(file, 1), (), "expected keys with values; write them as in a trial's config")
        if chain and not isinstance(document.data, dict):
            self.is_whole = False
        elif document.data is not None:
            self.layers.append(_tree(document, file, (), document.data))

    def _names(self, key: str, named: Mapping[str, Any], document: Document, file: str) -> list[tuple[KeyPath, str]]:
        """The texts of `extends` or `preset`, each with its place."""
        value = named.get(key, [])
        items = [((key,), value)] if not isinstance(value, list) else [((key, i), one) for i, one in enumerate(value)]
        texts: list[tuple[KeyPath, str]] = []
        for where, one in items:
            if isinstance(one, str) and one:
                texts.append((where, one))
            elif not isinstance(one, UnusableValue):
                wanted = "a file, or a list of files" if key == "extends" else f"one of {', '.join(PRESETS)}, or a list"
                self._refuse(Place(file, document.lines[where]), where, f"expected {wanted}")
        return texts

    def _refuse(self, place: Place, where: KeyPath, message: str) -> None:
        self.problems.append(Problem(*place, dotted(where), message))
        self.is_whole = False

    def _preset(self, name: str, place: Place, where: KeyPath) -> None:
        if name not in PRESETS:
            self._refuse(place, where, f"there is no preset {name!r}; known are {', '.join(PRESETS)}")
        elif name not in self._read:
            self._read.add(name)
            text = Path(__file__).parent / "presets" / f"{name}.yaml"
            shipped = read(text, {})
            self.layers.append(_tree(shipped, f"preset {name}", (), shipped.data))

    def _extended(self, name: Path, place: Place, where: KeyPath, chain: tuple[tuple[Path, str], ...]) -> None:
        path = chain[-1][0].parent / name
        file = str(Path(place.file).parent / name)
        files = [earlier for earlier, _ in chain]
        if not os.path.isfile(path):  # unlike `Path.is_file`, it takes any text for the name of no file
            self._refuse(place, where, f"there is no file {file}; its path is relative to {place.file}")
        elif (real := _real(path)) in files:
            shown = [text for _, text in chain[files.index(real) :]]
            self._refuse(
                place, where, f"goes round in a circle: {' extends '.join([*shown, file])}; remove one of them"
            )
        elif real not in self._read:
            self._read.add(real)
            if len(self._read) > FILES_MAX:
                self._refuse(
                    place, where, f"more than {FILES_MAX} files and presets extend each other; put them together"
                )
            else:
                self.take(read(path, self._environ), path, file, chain)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # `Path.resolve` raises for a circle of links


def known_part(where: KeyPath, places: Mapping[KeyPath, Any]) -> KeyPath:
    """Return the nearest enclosing place that is known."""
    while where not in places:
        where = where[:-1]
    return where


def _tree(document: Document, file: str, where: KeyPath, value: Any) -> _Node:
    place = Place(file, document.lines[known_part(where, document.lines)])
    if isinstance(value, dict):
        return _Node({name: _tree(document, file, (*where, name), item) for name, item in value.items()}, place)
    if isinstance(value, list):
        return _Node([_tree(document, file, (*where, i), item) for i, item in enumerate(value)], place)
    return _Node(value, place, document.raw.get(where))


def _flattened(node: _Node, where: KeyPath, into: Merged) -> Any:
    """Return a tree's data, and put its places and texts into `into`."""
    into.places[where] = node.place
    if node.raw is not None:
        into.raw[where] = node.raw
    if isinstance(node.value, dict):
        return {name: _flattened(item, (*where, name), into) for name, item in node.value.items()}
    if isinstance(node.value, list):
        return [_flattened(item, (*where, i), into) for i, item in enumerate(node.value)]
    return node.value


def _merged(low: _Node, high: _Node, where: KeyPath, overridden: list[tuple[KeyPath, Place, Place]]) -> _Node:
    if isinstance(low.value, dict) and isinstance(high.value, dict):
        items = dict(low.value)
        for name, item in high.value.items():
            items[name] = _merged(items[name], item, (*where, name), overridden) if name in items else item
        return _Node(items, high.place)
    name_of = _NAMED.get(where)
    if name_of is None or not (isinstance(low.value, list) and isinstance(high.value, list)):
        if _plain(low) != _plain(high):
            overridden.append((where, high.place, low.place))
        return high
    merged = list(low.value)
    places = {name: i for i, item in enumerate(merged) if (name := name_of(_plain(item))) is not None}
    for item in high.value:
        i = places.get(name_of(_plain(item)))
        if i is None:
            merged.append(item)
        else:
            if _plain(merged[i]) != _plain(item):
                overridden.append(((*where, i), item.place, merged[i].place))
            merged[i] = item
    return _Node(merged, high.place)


def _plain(node: _Node) -> Any:
    if isinstance(node.value, dict):
        return {name: _plain(item) for name, item in node.value.items()}
    return [_plain(item) for item in node.value] if isinstance(node.value, list) else node.value


def _key(name: str) -> Callable[[Any], Any]:
    """Return the function that finds an item's name under a key; None where it has none, or is wrong."""

    def named(item: Any) -> Any:
        value = item.get(name) if isinstance(item, dict) else None
        return value if isinstance(value, str) else None

    return named


def _path(item: Any) -> Any:
    path = _key("path")(item)
    try:
        return None if path is None else tuple(parse_path(path))
    except ConfigError:  # the config's check reports it
        return None


def _criterion(item: Any) -> Any:
    try:
        return Criterion.model_validate(item).id
    except ValidationError:
        return None


def _text(item: Any) -> Any:
    return item if isinstance(item, str) else None


_NAMED: dict[KeyPath, Callable[[Any], Any]] = {
    ("judge", "criteria"): _criterion,
    ("compare", "rules"): _path,
    ("compare", "expected"): _key("name"),
    ("compare", "dimensions"): _key("name"),
    ("compare", "checks"): _path,
    ("compare", "distributions"): _path,
    ("compare", "redact", "paths"): _text,
    ("compare", "redact", "headers"): _text,
    ("alerts", "channels"): _key("name"),
}
"""Lists whose items have names, with the function of an item's name."""
