"""Another identity under which records without a partner would pair: a key, a header or a field of the value.

An id is proposed if nearly all records of both sides have it, if it is unique on each side, and if at least half of the
records without a partner would find one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from shadowstream.codecs.typed import bare
from shadowstream.errors import RecordError
from shadowstream.paths import join_path, leaves

LEAST_PAIRS = 20
PRESENT = 0.99
UNIQUE = 0.99
PAIRED = 0.5
DEPTH_MAX = 4
FIELDS_MAX = 200


class SingleRecord(NamedTuple):
    """A record without a partner: key, headers (of each name the last) and decoded value."""

    key: bytes | None
    headers: Mapping[str, bytes]
    value: Any


class Identification(NamedTuple):
    """An identity with the number of pairs that it makes of the records read; `entry` as in the config."""

    entry: Mapping[str, str]
    pairs: int


def identities(missing: Sequence[SingleRecord], extra: Sequence[SingleRecord]) -> list[Identification]:
    """Return the identities that pair these records of production and of the candidate, the best first."""
    sides = [_ids(missing), _ids(extra)]
    smaller = min(len(missing), len(extra))
    found = []
    for name in sides[0].keys() & sides[1].keys():
        columns = [side[name] for side in sides]
        whole = zip(columns, (missing, extra), strict=True)
        if any(len(ids) < PRESENT * len(records) or len(set(ids)) < UNIQUE * len(ids) for ids, records in whole):
            continue
        pairs = len(set(columns[0]) & set(columns[1]))
        if pairs >= max(LEAST_PAIRS, PAIRED * smaller):
            kind, where = name
            entry = {"kind": "key"} if kind == "key" else {"kind": "id", kind: where}
            found.append(Identification(entry, pairs))
    return sorted(found, key=lambda one: (-one.pairs, len(str(one.entry)), str(one.entry)))


def _ids(records: Sequence[SingleRecord]) -> dict[tuple[str, str], list[Any]]:
    """Return the possible ids of records by what holds them."""
    found: dict[tuple[str, str], list[Any]] = {}
    for record in records:
        own: list[tuple[tuple[str, str], Any]] = [(("header", name), raw) for name, raw in record.headers.items()]
        if record.key is not None:
            own.append((("key", ""), record.key))
        if not isinstance(record.value, RecordError):
            parts = leaves(bare(record.value), DEPTH_MAX)
            own += [(("path", join_path(names)), (type(part), part)) for names, part in parts if _may_be_id(part)]
        for name, id_ in own:
            if name in found or len(found) < FIELDS_MAX:
                found.setdefault(name, []).append(id_)
    return found


def _may_be_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)
