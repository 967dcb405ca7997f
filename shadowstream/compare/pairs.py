"""Pairs of raw values to results: the one door of the comparison for the joiner.

Values that differ and are Avro are compared as columns in Arrow, pair of writer schemas by pair of writer schemas; what
columns cannot decide (`arrow`), and all else, is decoded and compared by rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from operator import ne
from typing import Any, NamedTuple

import numpy as np

from shadowstream.codecs.blame import is_of_bytes
from shadowstream.codecs.decoder import Decoder
from shadowstream.compare.by_arrow import UNKNOWN, arrow_levels
from shadowstream.compare.by_column import compare_columns
from shadowstream.compare.by_value import beside_null, compare_rows, mismatches, whole
from shadowstream.compare.column_differences import explained
from shadowstream.compare.differences import ABSENT
from shadowstream.compare.expected import ExpectedChanges
from shadowstream.compare.hooks import Unanswered
from shadowstream.compare.result import MISMATCH, NAMES, PLAIN_MATCH, PairResult, Results, Undecodable
from shadowstream.compare.rules import RuleSet
from shadowstream.compare.schema_changes import Evolutions
from shadowstream.config import Format
from shadowstream.errors import RecordError, ShadowstreamBug
from shadowstream.protocol.outcomes import Outcome
from shadowstream.records import Side

_Values = Sequence[bytes | None]
_HeadOf = Callable[[Any], bytes]
COLUMNS_FROM = 16
"""With fewer pairs of two schemas a batch in Arrow costs more than their rows."""
SCHEMAS_MAX = 16
"""With more pairs of schemas than this in one batch what looks like frames is something else."""
ADDED_FIELDS = "added_fields"
"""What pairs are expected under that differ in added fields only, where `compare.added_fields` says so."""


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
    declared: Declared = NONE_DECLARED,
    evolutions: Evolutions | None = None,
) -> Results:
    """One result a pair, in order.

    Equal bytes are a match and are not decoded, broken or not: both sides said the same, but where the config says that
    they are written in two ways. All others are decoded, each side by the schema that its own frame names; a value that
    cannot be is `Undecodable`, also beside a tombstone. `evolutions` keeps what lies between their writer schemas.
    Raises a `RegistryError` while a schema cannot be had; nothing is lost by calling again.

    >>> from shadowstream.codecs.schemas import NoSchemas
    >>> json = Decoder(NoSchemas())
    >>> compare_pairs([b'{"n": 1}', b"{"], [b'{"n":1}', b"1"], json, json, RuleSet()).outcomes
    ['match', 'undecodable_production']
    """
    count = len(production)
    if len(shadow) != count:
        raise ShadowstreamBug(f"compare: columns of {count} production values and {len(shadow)} shadow values differ")

    decoders = production_decoder, shadow_decoder
    evolving = Evolutions() if evolutions is None else evolutions
    evolving.begin()

    def explain(place: int) -> PairResult:
        raw = [production[place]], [shadow[place]]
        ours, theirs = evolving.apart().decoded(decoders, raw, [place])
        (own,) = _rules_of(decoders, raw, rules)
        return compare_rows(ours[0], theirs[0], own)

    results = Results(np.zeros(count, np.uint8), {}, explain)
    places: Sequence[int] = range(count)
    if _mean_the_same(production_decoder.format, shadow_decoder.format):
        places = list(compress(places, map(ne, production, shadow)))
    places = _by_columns(results, (production, shadow), decoders, places, rules, evolving)
    expects = bool(declared.changes) or (rules.expects_added and len(declared.times_ms) > 0)
    if expects:
        # Whether a declared change explains a mismatch, its row must say.
        places = sorted({*places, *np.flatnonzero(results.places == MISMATCH).tolist()})
    if places:
        raw = _at(production, places), _at(shadow, places)
        ours, theirs = evolving.decoded(decoders, raw, places)
        own = _rules_of(decoders, raw, rules)
        found = _by_rows(raw, ours, theirs, own)
        for index, (place, result) in enumerate(zip(places, found, strict=True)):
            if expects and result.outcome == Outcome.MISMATCH:
                try:
                    names = _expected(declared, place, ours[index], theirs[index], own[index])
                    if names:
                        result = PairResult(Outcome.EXPECTED, result.differences, declared=tuple(names))
                except Unanswered as error:
                    result = PairResult(Outcome.UNCOMPARED, result.differences, reason=str(error))
            results.places[place] = NAMES.index(result.outcome)
            results.known[place] = result
    results.changes = evolving.changes
    return results


def _expected(declared: Declared, place: int, ours: Any, theirs: Any, rules: RuleSet) -> list[str]:
    """Names of the changes that explain all of a mismatch, that of added fields last; empty where they do not."""
    rest, names = mismatches(ours, theirs, rules), []
    if rules.expects_added:
        without = mismatches(ours, theirs, rules, ignores_added=True)
        names = [ADDED_FIELDS] if len(without) < len(rest) else []
        rest = without
    if not rest:
        return names
    explaining = declared.changes.names(rest, declared.times_ms[place])
    return [*explaining, *names] if explaining else []


def _by_columns(
    results: Results,
    values: tuple[_Values, _Values],
    decoders: tuple[Decoder, Decoder],
    places: Sequence[int],
    rules: RuleSet,
    evolving: Evolutions,
) -> list[int]:
    """Enter what columns can decide; the places that are left."""
    if rules.root.own is not None:  # of whole values rows alone ask a rule
        return list(places)
    left: list[int] = []
    for group in _by_schemas(values, (decoders[0].head, decoders[1].head), places, left):
        evolution = evolving.of(decoders, values[0][group[0]], values[1][group[0]])  # type: ignore[arg-type]  # framed
        if evolution.typed:  # a column says nothing of the types of its values
            left += group
            continue
        read, also_read = (
            decoder.columns(_at(column, group)) for decoder, column in zip(decoders, values, strict=True)
        )
        if read is None or also_read is None:
            left += group
            continue
        (ours, good), (theirs, also_good) = read, also_read
        at = np.array(group)
        if len(good) < len(group) or len(also_good) < len(group):
            common = np.intersect1d(good, also_good)
            ours, theirs = ours.take(np.searchsorted(good, common)), theirs.take(np.searchsorted(also_good, common))
            left += np.delete(at, common).tolist()
            at = at[common]
        if evolution.changes:
            evolving.note(evolution, at.tolist())
            both = evolution.in_arrow(ours, theirs)
            if both is None:
                left += at.tolist()
                continue
            ours, theirs = both
        try:
            levels = arrow_levels(ours, theirs, rules)
            unknown = levels == UNKNOWN
            levels[unknown] = 0
            found = explained(ours, theirs, np.flatnonzero(levels == MISMATCH), rules)
        except Exception as error:
            if not is_of_bytes(error):
                raise
            left += at.tolist()  # which pair it is, and what it gives, the rows say
            continue
        results.places[at] = levels
        results.known.update((int(at[place]), result) for place, result in found.items())
        left += at[unknown].tolist()
    return sorted(left)


def _mean_the_same(production: Format, shadow: Format) -> bool:
    """Whether equal bytes are equal values on both sides."""
    if production is shadow or (production.is_telling and shadow.is_telling):
        return True
    one, other = ((own.format, own.schema_ids, own.message) for own in (production, shadow))
    return one == other


def _by_schemas(
    values: tuple[_Values, _Values], head_of: tuple[_HeadOf, _HeadOf], places: Sequence[int], left: list[int]
) -> list[Sequence[int]]:
    """Places by what the two values begin with, tombstones and small groups put to what is `left`."""
    if len(places) < COLUMNS_FROM:
        left += places
        return []
    production, shadow = _at(values[0], places), _at(values[1], places)
    try:
        heads = {*map(head_of[0], production)}, {*map(head_of[1], shadow)}
    except TypeError:  # a tombstone on either side
        left += [p for p, one, other in zip(places, production, shadow, strict=True) if one is None or other is None]
        both = [p for p in places if values[0][p] is not None and values[1][p] is not None]
        return _by_schemas(values, head_of, both, left)
    if len(heads[0]) == len(heads[1]) == 1:
        return [places]
    groups: dict[Any, list[int]] = {}
    for place, one, other in zip(places, map(head_of[0], production), map(head_of[1], shadow), strict=True):
        groups.setdefault((one, other), []).append(place)
    large = [group for group in groups.values() if len(group) >= COLUMNS_FROM and len(groups) <= SCHEMAS_MAX]
    kept = {place for group in large for place in group}
    left += [place for place in places if place not in kept]
    return list(large)


def _rules_of(decoders: tuple[Decoder, Decoder], raw: tuple[_Values, _Values], rules: RuleSet) -> list[RuleSet]:
    """The rules of each pair: those of JSON, where fractions are decimals, if both of its values are JSON."""
    if not rules.of_numbers:
        return [rules] * len(raw[0])
    of_json = rules.of_json()
    kinds = (
        one is not None and other is not None and decoders[0].is_json(one) and decoders[1].is_json(other)
        for one, other in zip(*raw, strict=True)
    )
    return [of_json if both else rules for both in kinds]


def _by_rows(
    raw: tuple[_Values, _Values], ours: Sequence[Any], theirs: Sequence[Any], rules: Sequence[RuleSet]
) -> list[PairResult | Undecodable]:
    """Results of decoded values, undecodable ones and tombstones among them."""
    if len(kinds := {id(own): own for own in rules}) > 1:
        found: list[PairResult | Undecodable | None] = [None] * len(ours)
        for kind in kinds.values():
            places = [place for place, own in enumerate(rules) if own is kind]
            some = (_at(raw[0], places), _at(raw[1], places)), _at(ours, places), _at(theirs, places)
            for place, result in zip(places, _by_rows(*some, [kind] * len(places)), strict=True):
                found[place] = result
        return [result for result in found if result is not None]
    odd = {RecordError, type(None)}
    if odd.isdisjoint(map(type, ours)) and odd.isdisjoint(map(type, theirs)):
        return list(compare_columns(ours, theirs, rules[0]))
    settled = [_odd(*row, rules[0]) for row in zip(*raw, ours, theirs, strict=True)]
    left = [index for index, result in enumerate(settled) if result is None]
    results = iter(compare_columns(_at(ours, left), _at(theirs, left), rules[0]))
    return [next(results) if result is None else result for result in settled]


def _odd(
    raw: bytes | None, other_raw: bytes | None, value: Any, other: Any, rules: RuleSet
) -> PairResult | Undecodable | None:
    """The result of a pair with an undecodable value, a tombstone or a JSON null; None for any other pair."""
    for side, decoded in ((Side.PRODUCTION, value), (Side.SHADOW, other)):
        if isinstance(decoded, RecordError):
            return Undecodable(side, decoded.reason, str(decoded))
    if value is not None and other is not None:
        return None
    if (raw is None) != (other_raw is None):
        # A tombstone deletes, a JSON null does not.
        return whole("tombstone", ABSENT if raw is None else value, ABSENT if other_raw is None else other, rules)
    return PLAIN_MATCH if value is other else beside_null(value, other, rules)


def _at(column: Sequence[Any], places: Sequence[int]) -> Sequence[Any]:
    """The column at these places."""
    if len(places) == len(column):
        return column
    return [column[place] for place in places]
