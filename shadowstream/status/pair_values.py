"""Both whole values of a pair, and its input, field by field: redacted as configured, differing fields marked."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from shadowstream.compare.differences import difference
from shadowstream.compare.redact import Redactor
from shadowstream.paths import ABSENT, join_path, parse_path

FIELDS_MAX = 300
"""Fields of a value that are shown."""
DEPTH_MAX = 20
Names = tuple[str, ...]


class FieldOfPair(NamedTuple):
    """A field of both values: JSON of each side, cut at 256 characters, None where it is absent."""

    path: str
    production: str | None
    candidate: str | None
    differs: bool


class FieldOfInput(NamedTuple):
    """A field of an input: its JSON, cut at 256 characters."""

    path: str
    value: str


def fields_of_pair(
    production: Any,
    candidate: Any,
    differing: Iterable[str],
    redactor: Redactor,
    parts: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
) -> tuple[list[FieldOfPair], int]:
    """Return the fields of both values, and the number of those beyond `FIELDS_MAX`. `ABSENT` for a missing value.

    `differing`: paths of the differences of the pair. A field differs if such a path leads to it, into it or around it.
    `parts`: of both records, what is compared beside the values; they come first.
    """
    left, right = (
        dict([*((names, leaf) for names, leaf in _leaves(beside) if leaf != {}), *_leaves(value)])
        for beside, value in zip(parts, (production, candidate), strict=True)
    )
    marked = [parse_path(path) for path in differing]
    known = {names[:n] for names in left for n in range(len(names) + 1)}
    found = []
    for names in dict.fromkeys([*left, *right]):
        new_from = next((n for n in range(len(names)) if names[: n + 1] not in known), None)
        found_here = difference(names, "value", left.get(names, ABSENT), right.get(names, ABSENT))
        one = redactor.difference(found_here, new_from)
        differs = any(_overlap(parse_path(one.path), path) for path in marked)
        found.append(FieldOfPair(one.path, one.production, one.shadow, differs))
    # The differing ones come first where not all are shown.
    if len(found) > FIELDS_MAX:
        found.sort(key=lambda field: not field.differs)
    return found[:FIELDS_MAX], max(0, len(found) - FIELDS_MAX)


def fields_of_input(value: Any, redactor: Redactor) -> tuple[list[FieldOfInput], int]:
    """Return the fields of an input, and the number of those beyond `FIELDS_MAX`.

    The paths of a redaction are those of outputs. An input may hold the same secrets under other names, so a redaction
    covers all of its values.
    """
    found = []
    for names, leaf in _leaves(value):
        text = difference(names, "value", leaf, ABSENT).production or ""
        found.append(FieldOfInput(join_path(redactor.shown_names(names)), redactor.of_input(text)))
    return found[:FIELDS_MAX], max(0, len(found) - FIELDS_MAX)


def _leaves(value: Any, names: Names = ()) -> Iterator[tuple[Names, Any]]:
    if value is ABSENT:
        return
    inner: Sequence[tuple[str, Any]] = ()
    if len(names) < DEPTH_MAX:
        if isinstance(value, Mapping):
            inner = [(str(name), part) for name, part in value.items()]
        elif isinstance(value, list | tuple):
            inner = [(str(index), part) for index, part in enumerate(value)]
    if not inner:
        yield names, value
    for name, part in inner:
        yield from _leaves(part, (*names, name))


def _overlap(names: Sequence[str | None], path: Sequence[str | None]) -> bool:
    return all(one == other for one, other in zip(names, path, strict=False))
