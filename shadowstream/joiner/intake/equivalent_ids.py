"""Pairs of records whose ids are equal in meaning, but not in bytes.

Bytes decide first: records with different ids pair only if both lack a partner of their own. So plain ids cost
nothing. Records left unmatched on both sides with one equal form are a pair:

=================================  ==================================================================
bytes of the id                    equal form
=================================  ==================================================================
0x00, a schema id, a body          the body: Confluent framing (Avro, Protobuf, JSON), whose schema ids may differ
0xC3 0x01, a fingerprint, a body   the body: Avro's single objects, likewise
JSON of an object or array,        the same members in any order, with any space between them; none if a name
framed or not                      occurs twice or a value is NaN
anything else                      none
=================================  ==================================================================

Schema ids begin with 1 and are small. Still, whole numbers in eight bytes can look like frames: for such keys,
`identity.equal_ids: bytes` turns the rule off.

Pairs form within one task only. If a partitioner hashes the bytes of a key, such records can be in partitions of
other numbers; the verdict then hints at it (`judge.verdict.identity_fit`).
"""

import json
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Any, NoReturn

from shadowstream.compare.lists import canonical
from shadowstream.config import Config
from shadowstream.joiner.matching.matches import Decision, Pair, Unmatched
from shadowstream.records import Side

FRAME_BYTES = 5
SINGLE_OBJECT = b"\xc3\x01"
SINGLE_OBJECT_BYTES = 10
JSON_BYTES_MAX = 10_000
_JSON_BEGINS = (b"{", b"[")
_SPECIAL_BEGINS = frozenset(b"\x00\xc3{[ \t\n\r\x0b\x0c")
"""First bytes of all ids with another form than their bytes."""


def equal_form(id_: Hashable) -> Hashable | None:
    """Return the form of an id that all ids of equal meaning share; None if its bytes are its only form.

    >>> equal_form(bytes([0, 0, 0, 0, 1]) + b"ab") == equal_form(bytes([0, 0, 0, 0, 2]) + b"ab")
    True
    >>> equal_form(b'{"b": 1, "a": [2]}') == equal_form(bytes([0, 0, 0, 0, 1]) + b'{"a":[2],"b":1}')
    True
    """
    if not isinstance(id_, bytes):
        return None
    body = _body(id_)
    return _of_json(id_) if body is None else _of_json(body) or ("framed", body)


def _body(id_: bytes) -> bytes | None:
    """Return the bytes after a schema's id or fingerprint; None without such a frame."""
    if id_[:2] == b"\x00\x00" and len(id_) > FRAME_BYTES and any(id_[2:FRAME_BYTES]):
        return id_[FRAME_BYTES:]
    if id_[:2] == SINGLE_OBJECT and len(id_) > SINGLE_OBJECT_BYTES:
        return id_[SINGLE_OBJECT_BYTES:]
    return None


def _of_json(text: bytes) -> Hashable | None:
    if len(text) > JSON_BYTES_MAX or not text.lstrip().startswith(_JSON_BEGINS):
        return None
    try:
        # A fraction keeps its digits: two notations of one value may be two ids.
        value = json.loads(text, parse_float=_Fraction, parse_constant=_refuse, object_pairs_hook=_object)
        return "json", canonical(value)
    except (ValueError, RecursionError):
        return None


def spelling_of(config: Config) -> Callable[[bytes], bytes]:
    """Return the function that gives all ids of equal meaning the same bytes, where the config pairs them."""
    return _spelling if config.identity.equal_ids == "meaning" else bytes


def _spelling(id_: bytes) -> bytes:
    """Return the bytes that all ids of equal meaning share; the id itself if its bytes are its only form.

    >>> _spelling(b'{"b": 1, "a": [2]}') == _spelling(bytes([0, 0, 0, 0, 1]) + b'{"a":[2],"b":1}'), _spelling(b"k")
    (True, b'k')
    """
    if id_ and id_[0] not in _SPECIAL_BEGINS:
        return id_
    body = _body(id_)
    text = id_ if body is None else body
    if _of_json(text) is None:
        return text
    value = json.loads(text, parse_float=_Fraction, object_pairs_hook=_object)
    return _ordered(value).encode("utf-8", "surrogatepass")


def _ordered(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{','.join(f'{name!r}:{_ordered(value[name])}' for name in sorted(value))}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_ordered, value))}]"
    return f"{type(value).__name__}:{value!r}"


class _Fraction(str):
    """The digits of a fraction, distinct from a text."""


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise ValueError("a name occurs twice")
    return found


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def pair_equal_ids(decisions: Iterable[Decision]) -> list[Decision]:
    """Replace unmatched records of production and of the candidate that share an equal form by pairs."""
    found = list(decisions)
    waiting: dict[Hashable, tuple[deque[int], deque[int]]] = {}
    for n, decision in enumerate(found):
        if isinstance(decision, Unmatched) and decision.side is not Side.TWIN:
            meaning = equal_form(decision.id)
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
