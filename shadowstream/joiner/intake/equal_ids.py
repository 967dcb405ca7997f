"""Ids that mean the same in other bytes: looked at only where a record is left without a partner.

Bytes decide first, so two ids that differ never meet while either has a partner of its own, and what is plain costs
nothing. What is left alone on both sides under one meaning is a pair:

=================================  ==================================================================
an id of the bytes                 means
=================================  ==================================================================
0x00, a schema id, a body          the body: Confluent framing (Avro, Protobuf, JSON), whose schema ids may differ
0xC3 0x01, a fingerprint, a body   the body: Avro's single objects, likewise
JSON of an object or array,        the same members in any order, whatever the space between them; a name that comes
framed or not                      twice, or NaN, means nothing
anything else                      its bytes, and nothing beside them
=================================  ==================================================================

Schema ids begin with 1 and are small. Whole numbers in eight bytes can look like frames all the same: for such keys
`identity.equal_ids: bytes` leaves it at the bytes.

Pairs meet in one task only: where a partitioner hashes the bytes of a key, such records can lie in partitions of other
numbers. There the verdict hints at it (`judge.verdict.identity_fit`).
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Hashable, Iterable
from typing import Any, NoReturn

from shadowstream.compare.lists import canonical
from shadowstream.joiner.matching.matches import Decision, Pair, Unmatched
from shadowstream.records import Side

FRAME_BYTES = 5
SINGLE_OBJECT = b"\xc3\x01"
SINGLE_OBJECT_BYTES = 10
JSON_BYTES_MAX = 10_000
_JSON_BEGINS = (b"{", b"[")


def meaning_of(id_: Hashable) -> Hashable | None:
    """What an id means beside its bytes; None where nothing.

    >>> meaning_of(bytes([0, 0, 0, 0, 1]) + b"ab") == meaning_of(bytes([0, 0, 0, 0, 2]) + b"ab")
    True
    >>> meaning_of(b'{"b": 1, "a": [2]}') == meaning_of(bytes([0, 0, 0, 0, 1]) + b'{"a":[2],"b":1}')
    True
    """
    if not isinstance(id_, bytes):
        return None
    body = _body(id_)
    if body is None:
        return _of_json(id_)
    return _of_json(body) or ("framed", body)


def _body(id_: bytes) -> bytes | None:
    """What stands behind a schema's id or fingerprint; None where there is no such frame."""
    if id_[:2] == b"\x00\x00" and len(id_) > FRAME_BYTES and any(id_[2:FRAME_BYTES]):
        return id_[FRAME_BYTES:]
    if id_[:2] == SINGLE_OBJECT and len(id_) > SINGLE_OBJECT_BYTES:
        return id_[SINGLE_OBJECT_BYTES:]
    return None


def _of_json(text: bytes) -> Hashable | None:
    if len(text) > JSON_BYTES_MAX or not text.lstrip().startswith(_JSON_BEGINS):
        return None
    try:
        # A fraction stays as it is written: two of one value in other digits may be two ids.
        value = json.loads(text, parse_float=_Fraction, parse_constant=_refuse, object_pairs_hook=_object)
        return "json", canonical(value)
    except (ValueError, RecursionError):
        return None


class _Fraction(str):
    """The digits of a fraction, which are no text."""


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise ValueError("a name comes twice")
    return found


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def meeting(decisions: Iterable[Decision]) -> list[Decision]:
    """The decisions, in which records of production and of the candidate that are left alone under one meaning are
    pairs."""
    found = list(decisions)
    waiting: dict[Hashable, tuple[deque[int], deque[int]]] = {}
    for n, decision in enumerate(found):
        if isinstance(decision, Unmatched) and decision.side is not Side.TWIN:
            meaning = meaning_of(decision.id)
            if meaning is not None:
                waiting.setdefault(meaning, (deque(), deque()))[decision.side].append(n)
    gone: set[int] = set()
    for production, shadow in waiting.values():
        for p, s in zip(production, shadow, strict=False):
            first, second = found[p], found[s]
            if isinstance(first, Unmatched) and isinstance(second, Unmatched):
                found[min(p, s)] = Pair(first.row, second.row, first.twin, False, first.id)
                gone.add(max(p, s))
    return [decision for n, decision in enumerate(found) if n not in gone] if gone else found
