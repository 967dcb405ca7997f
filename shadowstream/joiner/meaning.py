"""Ids that mean the same in other bytes: looked at only where a record is left without a partner.

Bytes decide first, so two ids that differ never meet while either has a partner of its own, and what is plain costs
nothing. What is left alone on both sides under one meaning is a pair:

=================================  =================================================
an id of the bytes                 means
=================================  =================================================
0x00, four bytes, the rest         the rest: Confluent framing, whose schema ids may differ
JSON of an object or array         the same members in any order, whatever the space between them
anything else                      its bytes, and nothing beside them
=================================  =================================================

Pairs meet in one task only: where a partitioner hashes the bytes of a key, such records can lie in partitions of other
numbers. There the verdict hints at it (`judge.identities`).
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Hashable, Iterable
from decimal import Decimal
from typing import Any

from shadowstream.joiner.pairing import Alone, Decision, Pair
from shadowstream.records import Side

FRAME_BYTES = 5
JSON_BYTES_MAX = 10_000
_JSON_BEGINS = (b"{", b"[")


def meaning_of(id_: Hashable) -> Hashable | None:
    """What an id means beside its bytes; None where nothing.

    >>> meaning_of(bytes([0, 0, 0, 0, 1]) + b"ab") == meaning_of(bytes([0, 0, 0, 0, 2]) + b"ab")
    True
    >>> meaning_of(b'{"b": 1, "a": [2]}')
    ('json', '{"a":[2],"b":1}')
    """
    if not isinstance(id_, bytes):
        return None
    if id_[:1] == b"\x00":
        return ("framed", id_[FRAME_BYTES:]) if len(id_) > FRAME_BYTES else None
    if len(id_) > JSON_BYTES_MAX or not id_.lstrip().startswith(_JSON_BEGINS):
        return None
    try:
        # A fraction stays as it is written: two of one value in other digits may be two ids.
        value = json.loads(id_, parse_float=Decimal)
        return "json", json.dumps(value, sort_keys=True, separators=(",", ":"), default=_fraction)
    except (ValueError, RecursionError):
        return None


def _fraction(value: Any) -> dict[str, str]:
    return {"fraction": str(value)}


def meeting(decisions: Iterable[Decision]) -> list[Decision]:
    """The decisions, in which records of production and of the candidate that are left alone under one meaning are
    pairs."""
    found = list(decisions)
    waiting: dict[Hashable, tuple[deque[int], deque[int]]] = {}
    for n, decision in enumerate(found):
        if isinstance(decision, Alone) and decision.side is not Side.TWIN:
            meaning = meaning_of(decision.id)
            if meaning is not None:
                waiting.setdefault(meaning, (deque(), deque()))[decision.side].append(n)
    gone: set[int] = set()
    for production, shadow in waiting.values():
        for p, s in zip(production, shadow, strict=False):
            first, second = found[p], found[s]
            if isinstance(first, Alone) and isinstance(second, Alone):
                found[min(p, s)] = Pair(first.row, second.row, first.twin, False, first.id)
                gone.add(max(p, s))
    return [decision for n, decision in enumerate(found) if n not in gone] if gone else found
