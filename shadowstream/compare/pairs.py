"""From pairs of raw values to results: the entry point of the comparison for the joiner.

Differing Avro values are compared one pair of writer schemas at a time: first as they are encoded (`lockstep`), which
finds the pairs that agree by the rules; the others as Arrow columns. Pairs that columns cannot decide (`by_arrow`), and
all other values, are decoded and compared by `by_value` and `by_column`.
"""

from collections.abc import Sequence
from itertools import compress
from operator import ne
from typing import Any, NamedTuple

import numpy as np

from shadowstream.codecs.blame import is_of_bytes
from shadowstream.codecs.decoder import Decoder
from shadowstream.compare import lockstep
from shadowstream.compare.by_arrow import UNKNOWN, arrow_levels, field_differences
from shadowstream.compare.by_column import compare_columns
from shadowstream.compare.by_value import beside_null, compare_rows, mismatch_of_wholes, mismatches
from shadowstream.compare.column_differences import ColumnDifferences, Places
from shadowstream.compare.differences import ABSENT, difference
from shadowstream.compare.expected import ExpectedChanges
from shadowstream.compare.hooks import Unanswered
from shadowstream.compare.result import (
    DIFFERENCES_MAX,
    MISMATCH,
    NAMES,
    PLAIN_MATCH,
    TOLERATED,
    PairResult,
    Results,
    Undecodable,
)
from shadowstream.compare.rules import RuleSet
from shadowstream.compare.schema_changes import Evolutions
from shadowstream.config import Format
from shadowstream.errors import RecordError, ShadowstreamBug
from shadowstream.protocol.outcomes import Outcome
from shadowstream.records import Side

_Values = Sequence[bytes | None]
COLUMNS_FROM = 16
"""With fewer pairs of the same two schemas, an Arrow batch costs more than rows."""
SCHEMAS_MAX = 16
"""With more pairs of schemas in one batch, the apparent frames are probably other bytes."""
ADDED_FIELDS = "added_fields"
"""The reason of expected pairs that differ in added fields only, under `compare.added_fields`."""


class Declared(NamedTuple):
    """Declared expected changes, and production's event times, one a pair, by which they expire."""

    changes: ExpectedChanges
    times_ms: Sequence[int]

    def expects(self, rules: RuleSet) -> bool:
        """Whether a declared change, or added fields under these rules, may explain a mismatch."""
        return bool(self.changes) or (rules.expects_added and len(self.times_ms) > 0)

    def names(self, index: int, compared: Sequence[tuple[Any, Any, RuleSet]]) -> list[str]:
        """Names of the changes that together explain a mismatch, added fields last; empty if they do not.

        `compared`: what was compared of the pair, each with its rules. Raises as `ExpectedChanges.names`.
        """
        rest, names = [one for values in compared for one in mismatches(*values)], []
        if any(rules.expects_added for *_, rules in compared):
            without_added = [one for values in compared for one in mismatches(*values, ignores_added=True)]
            names = [ADDED_FIELDS] if len(without_added) < len(rest) else []
            rest = without_added
        if not rest:
            return names
        explaining = self.changes.names(rest, self.times_ms[index])
        return [*explaining, *names] if explaining else []


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
    """Compare pairs of raw values: one result a pair, in order.

    Equal bytes are a match and are not decoded, broken or not, unless the config declares two formats. All other
    values are decoded, each side by the schema that its own frame names. An undecodable value gives `Undecodable`,
    also beside a tombstone. `evolutions` keeps the differences between the writer schemas. Raises `RegistryError`
    while a schema is unavailable; the call can be repeated without loss.

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
    columns = ColumnDifferences(count)

    def of_rows(indexes: Sequence[int]) -> list[PairResult]:
        raw = [production[index] for index in indexes], [shadow[index] for index in indexes]
        values = evolving.uncounted().decoded(decoders, raw, indexes)
        return list(map(compare_rows, *values, _rules_of(decoders, raw, rules)))

    def of_columns(index: int) -> PairResult:
        found = [difference(*raw) for raw in columns.of(index)]
        return PairResult(Outcome.MISMATCH, found, touched=columns.touched_by(index))

    # None of these functions refers to itself: a cycle would keep the values until the collector runs.
    def explain(indexes: Sequence[int]) -> list[PairResult]:
        if any(columns.mask[index] for index in indexes):
            return [of_columns(index) if columns.mask[index] else of_rows([index])[0] for index in indexes]
        return of_rows(indexes)

    results = Results(np.zeros(count, np.uint8), {}, explain, columns)
    is_whole = production_decoder.answer == shadow_decoder.answer
    equal = is_whole and _mean_the_same(production_decoder.format, shadow_decoder.format)
    indexes = _differing(results, (production, shadow), decoders, rules, evolving, equal)
    expects = declared.expects(rules)
    if expects:
        # Only the whole values show whether a declared change explains a mismatch.
        indexes = sorted({*indexes, *np.flatnonzero(results.places == MISMATCH).tolist()})
    if indexes:
        raw = _values_at(production, indexes), _values_at(shadow, indexes)
        production_values, shadow_values = evolving.decoded(decoders, raw, indexes)
        own = _rules_of(decoders, raw, rules)
        row_results = _by_rows(raw, production_values, shadow_values, own)
        for n, (index, result) in enumerate(zip(indexes, row_results, strict=True)):
            if expects and result.outcome == Outcome.MISMATCH:
                try:
                    names = declared.names(index, [(production_values[n], shadow_values[n], own[n])])
                    if names:
                        result = PairResult(Outcome.EXPECTED, result.differences, declared=tuple(names))
                except Unanswered as error:
                    result = PairResult(Outcome.UNCOMPARED, result.differences, reason=str(error))
            results.places[index] = NAMES.index(result.outcome)
            results.known[index] = result
    results.changes = evolving.changes
    return results


class DecodedPairs(NamedTuple):
    """Columns of decoded values; an undecodable value is its `RecordError`. `of_json`: both values are JSON."""

    production: list[Any]
    shadow: list[Any]
    of_json: list[bool]


def decoded_pairs(
    production: _Values, shadow: _Values, decoders: tuple[Decoder, Decoder], evolutions: Evolutions
) -> DecodedPairs:
    """Decode pairs of raw values to what the rules compare. Raises `RegistryError` while a schema is unavailable."""
    values = evolutions.decoded(decoders, (production, shadow), range(len(production)))
    return DecodedPairs(*values, _are_json(decoders, (production, shadow)))


def _differing(
    results: Results,
    values: tuple[_Values, _Values],
    decoders: tuple[Decoder, Decoder],
    rules: RuleSet,
    evolving: Evolutions,
    equal: bool,
) -> list[int]:
    """Enter the results that the kernel and columns can decide; return the indexes that are left. `equal`: equal bytes
    are a match."""
    count = len(results)
    if rules.root.own is not None or count < COLUMNS_FROM:  # only rows apply a rule to whole values
        return list(compress(range(count), map(ne, *values)) if equal else range(count))
    first = next(compress(range(count), map(ne, *values)), None) if equal else 0
    if first is None:
        return []
    one, other = values[0][first], values[1][first]
    if one is not None and other is not None and not evolving.of(decoders, one, other).changes:
        left = _by_kernel(results, values, decoders, np.arange(count), rules, first, equal)
        if left is not None:
            walked = decoders[0].head(one), decoders[1].head(other)
            return _by_columns(results, values, decoders, left.tolist(), rules, evolving, walked)
    indexes = compress(range(count), map(ne, *values)) if equal else range(count)
    return _by_columns(results, values, decoders, list(indexes), rules, evolving)


def _by_columns(
    results: Results,
    values: tuple[_Values, _Values],
    decoders: tuple[Decoder, Decoder],
    indexes: Sequence[int],
    rules: RuleSet,
    evolving: Evolutions,
    walked: tuple[bytes, bytes] | None = None,
) -> list[int]:
    """Enter the results that columns can decide; return the indexes that are left. `walked`: the heads of the pairs
    that the kernel has walked."""
    left: list[int] = []
    for group in _by_schemas(values, decoders, indexes, left):
        first: Any = values[0][group[0]], values[1][group[0]]  # both are framed
        evolution = evolving.of(decoders, *first)
        if not evolution.changes:
            if walked != (decoders[0].head(first[0]), decoders[1].head(first[1])):
                own = _values_at(values[0], group), _values_at(values[1], group)
                others = _by_kernel(results, own, decoders, np.array(group), rules)
                group = group if others is None else others.tolist()
            if len(group) < COLUMNS_FROM:
                left += group
                continue
        if evolution.typed:  # a column does not hold the types of its values
            left += group
            continue
        read, shadow_read = (
            decoder.columns(_values_at(column, group)) for decoder, column in zip(decoders, values, strict=True)
        )
        if read is None or shadow_read is None:
            left += group
            continue
        (production, good), (shadow, shadow_good) = read, shadow_read
        batch_indexes = np.array(group)
        if len(good) < len(group) or len(shadow_good) < len(group):
            common = np.intersect1d(good, shadow_good)
            production = production.take(np.searchsorted(good, common))
            shadow = shadow.take(np.searchsorted(shadow_good, common))
            left += np.delete(batch_indexes, common).tolist()
            batch_indexes = batch_indexes[common]
        if evolution.changes:
            evolving.note(evolution, batch_indexes.tolist())
            in_arrow = evolution.in_arrow(production, shadow)
            if in_arrow is None:
                left += batch_indexes.tolist()
                continue
            production, shadow = in_arrow
        try:
            levels, fields = arrow_levels(production, shadow, rules)
            unknown = levels == UNKNOWN
            levels[unknown] = 0
            found = field_differences(fields, levels, batch_indexes) if fields else []
        except Exception as error:
            if not is_of_bytes(error):
                raise
            left += batch_indexes.tolist()  # rows find the pair that causes the error, and its result
            continue
        results.places[batch_indexes] = levels
        results.columns.add(found, rules.watched, DIFFERENCES_MAX)
        left += batch_indexes[unknown].tolist()
    return sorted(left)


def _by_kernel(
    results: Results,
    values: tuple[_Values, _Values],
    decoders: tuple[Decoder, Decoder],
    indexes: Places,
    rules: RuleSet,
    first: int = 0,
    equal: bool = False,
) -> Places | None:
    """Enter the results that the kernel can decide, of `values` that are at `indexes` among all; return the indexes
    that are left, None for all. `first`, `equal`: as `lockstep.walk` takes them."""
    found = lockstep.walk(decoders, values, rules, first, equal)
    if found is None:
        return None
    levels = found.walked.levels
    decided = found.walked.noted | (levels <= TOLERATED)
    results.places[indexes[decided]] = levels[decided]
    if len(found.walked.found):
        results.columns.add(found.differences(indexes), rules.watched, DIFFERENCES_MAX)
    return indexes[~decided]


def _mean_the_same(production: Format, shadow: Format) -> bool:
    """Whether equal bytes are equal values on both sides."""
    if production is shadow or (production.is_self_describing and shadow.is_self_describing):
        return True
    meaning, shadow_meaning = ((own.format, own.schema_ids, own.message) for own in (production, shadow))
    return meaning == shadow_meaning


def _by_schemas(
    values: tuple[_Values, _Values], decoders: tuple[Decoder, Decoder], indexes: Sequence[int], left: list[int]
) -> list[Sequence[int]]:
    """Group indexes by the heads of both values; tombstones and small groups go to `left`."""
    if len(indexes) < COLUMNS_FROM:
        left += indexes
        return []
    if len(indexes) == len(values[0]) and all(map(Decoder.has_one_head, decoders, values)):
        return [indexes]
    head_of = decoders[0].head, decoders[1].head
    production, shadow = _values_at(values[0], indexes), _values_at(values[1], indexes)
    try:
        heads = {*map(head_of[0], production)}, {*map(head_of[1], shadow)}
    except TypeError:  # a tombstone on either side
        both_present = [index for index in indexes if values[0][index] is not None and values[1][index] is not None]
        left += sorted({*indexes} - {*both_present})
        return _by_schemas(values, decoders, both_present, left)
    if len(heads[0]) == len(heads[1]) == 1:
        return [indexes]
    groups: dict[Any, list[int]] = {}
    for index, head, shadow_head in zip(indexes, map(head_of[0], production), map(head_of[1], shadow), strict=True):
        groups.setdefault((head, shadow_head), []).append(index)
    large = [group for group in groups.values() if len(group) >= COLUMNS_FROM and len(groups) <= SCHEMAS_MAX]
    kept = {index for group in large for index in group}
    left += [index for index in indexes if index not in kept]
    return list(large)


def _rules_of(decoders: tuple[Decoder, Decoder], raw: tuple[_Values, _Values], rules: RuleSet) -> list[RuleSet]:
    """The rules of each pair. If both values are JSON, these are the rules of JSON, where fractions are decimals."""
    if not rules.of_numbers:
        return [rules] * len(raw[0])
    of_json = rules.of_json()
    return [of_json if is_json else rules for is_json in _are_json(decoders, raw)]


def _are_json(decoders: tuple[Decoder, Decoder], raw: tuple[_Values, _Values]) -> list[bool]:
    """Whether both values of each pair are JSON."""
    kinds = [map(decoder.is_json, column) for decoder, column in zip(decoders, raw, strict=True)]
    return [is_json and shadow_is_json for is_json, shadow_is_json in zip(*kinds, strict=True)]


def _by_rows(
    raw: tuple[_Values, _Values], production: Sequence[Any], shadow: Sequence[Any], rules: Sequence[RuleSet]
) -> list[PairResult | Undecodable]:
    """Results of decoded values, including undecodable ones and tombstones."""
    if len(kinds := {id(own): own for own in rules}) > 1:
        by_rules: list[PairResult | Undecodable | None] = [None] * len(production)
        for kind in kinds.values():
            indexes = [index for index, own in enumerate(rules) if own is kind]
            raws = _values_at(raw[0], indexes), _values_at(raw[1], indexes)
            values = _values_at(production, indexes), _values_at(shadow, indexes)
            for index, result in zip(indexes, _by_rows(raws, *values, [kind] * len(indexes)), strict=True):
                by_rules[index] = result
        return [result for result in by_rules if result is not None]
    odd = {RecordError, type(None)}
    if odd.isdisjoint(map(type, production)) and odd.isdisjoint(map(type, shadow)):
        return list(compare_columns(production, shadow, rules[0]))
    settled = [_odd(*row, rules[0]) for row in zip(*raw, production, shadow, strict=True)]
    left = [index for index, result in enumerate(settled) if result is None]
    compared = iter(compare_columns(_values_at(production, left), _values_at(shadow, left), rules[0]))
    return [next(compared) if result is None else result for result in settled]


def _odd(
    raw: bytes | None, shadow_raw: bytes | None, production: Any, shadow: Any, rules: RuleSet
) -> PairResult | Undecodable | None:
    """The result of a pair with an undecodable value, a tombstone or a JSON null; None for any other pair."""
    for side, decoded in ((Side.PRODUCTION, production), (Side.SHADOW, shadow)):
        if isinstance(decoded, RecordError):
            return Undecodable(side, decoded.reason, str(decoded))
    if production is not None and shadow is not None:
        return None
    if (raw is None) != (shadow_raw is None):
        # A tombstone deletes, a JSON null does not.
        return mismatch_of_wholes(
            "tombstone", ABSENT if raw is None else production, ABSENT if shadow_raw is None else shadow, rules
        )
    return PLAIN_MATCH if production is shadow else beside_null(production, shadow, rules)


def _values_at(column: Sequence[Any], indexes: Sequence[int]) -> Sequence[Any]:
    if len(indexes) == len(column):
        return column
    return [column[index] for index in indexes]
