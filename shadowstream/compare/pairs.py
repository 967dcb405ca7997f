"""Pairs of raw values to results: the one door of the comparison for the joiner."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from operator import ne
from typing import Any, NamedTuple

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.framing import schema_header
from shadowstream.compare.columns import compare_columns
from shadowstream.compare.expected import ExpectedChanges
from shadowstream.compare.result import PLAIN_MATCH, PairResult, Undecodable
from shadowstream.compare.rows import mismatches, whole
from shadowstream.compare.rules import RuleSet
from shadowstream.compare.telling import ABSENT
from shadowstream.errors import RecordError, ShadowstreamBug
from shadowstream.records import Headers, Side

_Values = Sequence[bytes | None]
_Headers = Sequence[Headers]


class Declared(NamedTuple):
    """Declared expected changes, and production's event times, one a pair, by which they expire."""

    changes: ExpectedChanges
    times_ms: Sequence[int]


NONE_DECLARED = Declared(ExpectedChanges(), ())


def compare_pairs(
    production: _Values,
    shadow: _Values,
    production_decoder: Decoder,
    shadow_decoder: Decoder,
    rules: RuleSet,
    headers: tuple[_Headers, _Headers] = ((), ()),
    declared: Declared = NONE_DECLARED,
) -> list[PairResult | Undecodable]:
    """One result a pair, in order.

    Equal bytes are a match and are not decoded, broken or not: both sides said the same. All others are decoded, each
    side by the schema that its own frame names; a value that cannot be is `Undecodable`, also beside a tombstone.
    `headers`, production's and the shadow's, are needed only where they name the schema (`framing.SCHEMA_HEADER`):
    empty, or one entry a value.
    Raises a retriable `BrokerError` while a schema cannot be had; nothing is lost by calling again.

    >>> from shadowstream.codecs.schemas import NoSchemas
    >>> json = Decoder(NoSchemas())
    >>> results = compare_pairs([b'{"n": 1}', b"{"], [b'{"n":1}', b"1"], json, json, RuleSet())
    >>> [result.outcome for result in results]
    ['match', 'undecodable_production']
    """
    production_headers, shadow_headers = headers
    count = len(production)
    if len(shadow) != count or any(len(h) not in (0, count) for h in (production_headers, shadow_headers)):
        raise ShadowstreamBug(f"compare: columns of {count} production values and {len(shadow)} shadow values differ")
    results: list[PairResult | Undecodable] = [PLAIN_MATCH] * count
    places = list(compress(range(count), map(ne, production, shadow)))
    if production_headers or shadow_headers:
        places = _unequal(production, shadow, production_headers, shadow_headers)
    if not places:
        return results
    ours: Sequence[Any] = production_decoder.decode_many(_at(production, places), _at(production_headers, places))
    theirs: Sequence[Any] = shadow_decoder.decode_many(_at(shadow, places), _at(shadow_headers, places))
    odd = {RecordError, type(None)}
    if odd.isdisjoint(map(type, ours)) and odd.isdisjoint(map(type, theirs)):
        comparable: Sequence[int] = range(len(places))
    else:
        left: list[int] = []
        for index, place in enumerate(places):
            settled = _odd(production[place], shadow[place], ours[index], theirs[index])
            if settled is None:
                left.append(index)
            else:
                results[place] = settled
        comparable = left
        ours, theirs = _at(ours, comparable), _at(theirs, comparable)
    for at, (index, result) in enumerate(zip(comparable, compare_columns(ours, theirs, rules), strict=True)):
        place = places[index]
        if declared.changes and result.outcome == "mismatch":
            names = declared.changes.names(mismatches(ours[at], theirs[at], rules), declared.times_ms[place])
            if names:
                result = PairResult("expected", result.differences, reason=", ".join(names))
        results[place] = result
    return results


def _unequal(production: _Values, shadow: _Values, ours: _Headers, theirs: _Headers) -> list[int]:
    """Places of the pairs whose bytes differ, or equal bytes that two schemas wrote."""
    nothing: _Headers = [None] * len(production)
    return [
        place
        for place, (one, other, one_headers, other_headers) in enumerate(
            zip(production, shadow, ours or nothing, theirs or nothing, strict=True)
        )
        if one != other or (one is not None and schema_header(one_headers) != schema_header(other_headers))
    ]


def _odd(raw: bytes | None, other_raw: bytes | None, value: Any, other: Any) -> PairResult | Undecodable | None:
    """The result of a pair with an undecodable value, a tombstone or a JSON null; None for any other pair."""
    for side, decoded in ((Side.PRODUCTION, value), (Side.SHADOW, other)):
        if isinstance(decoded, RecordError):
            return Undecodable(side, decoded.reason, str(decoded))
    if value is not None and other is not None:
        return None
    if (raw is None) != (other_raw is None):
        # A tombstone deletes, a JSON null does not.
        return whole("tombstone", ABSENT if raw is None else value, ABSENT if other_raw is None else other)
    return PLAIN_MATCH if value is other else whole("null", value, other)


def _at(column: Sequence[Any], places: Sequence[int]) -> Sequence[Any]:
    """The column at these places; an empty column (no headers) stays empty."""
    if not column or len(places) == len(column):
        return column
    return [column[place] for place in places]
