"""Parts of a record beside its value: its key, and the headers that the config names.

A part is compared as a field: the key at the path ``$key``, a header at ``$headers.<name>``. So rules, declared
changes, redaction and criteria apply to it by that path.

==================================  ===================================================================
part                                value that the rules compare
==================================  ===================================================================
bytes that are UTF-8 on both sides  a text
other bytes                         bytes
no key, a header without a value    null
no such header                      an absent field
a header that comes several times   the list of its values, in their order
==================================  ===================================================================

The order of a key's records is a part too (``$order``), of pairs in which it differs (`joiner.matching.key_order`).

Equal bytes are equal under any rule, as those of values.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from shadowstream.compare.by_value import compare_rows
from shadowstream.compare.hooks import Unanswered
from shadowstream.compare.result import DIFFERENCES_MAX, NAMES, OUTCOMES, PairResult, Results, Undecodable
from shadowstream.compare.rules import RuleSet
from shadowstream.config import Compare
from shadowstream.paths import HEADERS_PART, KEY_PART, ORDER_PART
from shadowstream.protocol.outcomes import Outcome
from shadowstream.records import Headers

KeptHeaders = tuple[tuple[int, "bytes | None"], ...]
"""The compared headers of one record in their order: the index of the name in `compare.headers`, and the value."""
KeyAndHeaders = tuple["bytes | None", KeptHeaders]
"""The key and the compared headers of one record."""
Parts = dict[str, Any]
"""The parts of one record by the first name of their path, as the rules compare them."""
PartsOfPairs = Mapping[int, tuple[Parts, Parts]]
"""Production's and the candidate's parts, by the index of each pair whose parts are not equal bytes."""
NO_PARTS: PartsOfPairs = {}


class PartColumns(NamedTuple):
    """Keys and compared headers of the records of one side; None stands for no compared headers in all of them."""

    keys: Sequence[bytes | None]
    headers: Sequence[KeptHeaders] | None = None


class RecordParts:
    """The parts that a config compares beside the values.

    >>> parts = RecordParts(Compare(key=True, headers=["trace"]))
    >>> kept = parts.kept([("other", b"1"), ("trace", b"a")])
    >>> kept, parts.differing(PartColumns([b"k", b"k"], [kept, kept]), PartColumns([b"k", b"l"], [kept, ()]))
    (((0, b'a'),), {1: ({'$key': 'k', '$headers': {'trace': 'a'}}, {'$key': 'l', '$headers': {}})})
    """

    def __init__(self, compare: Compare) -> None:
        self._key, self._names = compare.key, tuple(compare.headers)
        self._places = {name: place for place, name in enumerate(self._names)}

    def __bool__(self) -> bool:
        return self._key or bool(self._names)

    def kept(self, headers: Headers) -> KeptHeaders:
        """Return the compared headers of a record."""
        places = self._places
        return tuple((places[name], value) for name, value in headers or () if name in places)

    def content(self, value: bytes | None, key: bytes | None, headers: KeptHeaders) -> Hashable:
        """Return the compared bytes of a record: records with equal ones are equal under any rule."""
        return (value, key if self._key else None, _sorted(headers)) if self else value

    def holds(self, names: Sequence[str | None], headers: KeptHeaders) -> bool:
        """Return whether a record with these headers has the part of a path; each has a key and an order."""
        if names[0] in (KEY_PART, ORDER_PART):
            return True
        name = names[1] if len(names) > 1 else None
        return bool(headers) if name is None else any(self._names[place] == name for place, _ in headers)

    def differing(self, production: PartColumns, shadow: PartColumns) -> PartsOfPairs:
        """Return the parts of the pairs in which they are not equal bytes."""
        found: set[int] = set()
        if self._key and production.keys != shadow.keys:
            found.update(
                n for n, (one, other) in enumerate(zip(production.keys, shadow.keys, strict=True)) if one != other
            )
        if self._names:
            columns = [side.headers or [()] * len(side.keys) for side in (production, shadow)]
            pairs = enumerate(zip(*columns, strict=True))
            found.update(n for n, (one, other) in pairs if one != other and _sorted(one) != _sorted(other))
        return {n: self.couple(_at(production, n), _at(shadow, n)) for n in sorted(found)}

    def couple(self, one: KeyAndHeaders, other: KeyAndHeaders) -> tuple[Parts, Parts]:
        """Return the parts of both records of a pair."""
        both: tuple[Parts, Parts] = {}, {}
        if self._key:
            for parts, key in zip(both, _shown([[one[0]], [other[0]]]), strict=True):
                parts[KEY_PART] = key[0]
        if self._names:
            for parts in both:
                parts[HEADERS_PART] = {}
            for place, name in enumerate(self._names):
                values = [[value for at, value in kept if at == place] for _, kept in (one, other)]
                for parts, column in zip(both, _shown(values), strict=True):
                    if column:
                        parts[HEADERS_PART][name] = column[0] if len(column) == 1 else column
        return both


def _sorted(kept: KeptHeaders) -> KeptHeaders:
    """Return headers in the order of their names; those of one name keep theirs."""
    return tuple(sorted(kept, key=lambda one: one[0]))


def _at(columns: PartColumns, n: int) -> KeyAndHeaders:
    return columns.keys[n], columns.headers[n] if columns.headers else ()


def _shown(sides: Sequence[Sequence[bytes | None]]) -> Sequence[Sequence[Any]]:
    """Return the values of one part on both sides as texts, or as bytes where one of them is no text."""
    try:
        return [[None if value is None else value.decode() for value in values] for values in sides]
    except UnicodeDecodeError:
        return sides


def with_parts(
    results: Results, parts: PartsOfPairs, rules: RuleSet, declared_names: Callable[[int], Sequence[str]]
) -> None:
    """Add the comparison of parts to the results of values: the more severe outcome of a pair counts.

    An undecodable value stays undecodable: its pair is not compared. `declared_names` returns the names of the declared
    changes that together explain the pair of an index, value and parts; none if they do not.
    """
    for index, (one, other) in parts.items():
        own, of_value = compare_rows(one, other, rules), results[index]
        if own.outcome == Outcome.MATCH:
            continue
        result = _both(of_value, own)
        if result.outcome == Outcome.MISMATCH and of_value.outcome in _EXPLAINED:
            differences = [*own.differences, *(of_value.differences if of_value.outcome == Outcome.EXPECTED else ())]
            try:
                if names := declared_names(index):
                    result = PairResult(Outcome.EXPECTED, differences[:DIFFERENCES_MAX], declared=tuple(names))
            except Unanswered as error:
                result = PairResult(Outcome.UNCOMPARED, differences[:DIFFERENCES_MAX], reason=str(error))
        results.known[index] = result
        results.places[index] = NAMES.index(result.outcome)


def leave_uncompared(results: Results, indexes: Iterable[int], reason: str) -> None:
    """Make pairs with an unknown part uncompared, unless they differ."""
    for index in indexes:
        if results[index].outcome in _EXPLAINED:
            results.known[index] = PairResult(Outcome.UNCOMPARED, reason=reason)
            results.places[index] = NAMES.index(Outcome.UNCOMPARED)


_EXPLAINED = frozenset((Outcome.MATCH, Outcome.IGNORED, Outcome.TOLERATED, Outcome.EXPECTED))
"""Outcomes of a value that leave the pair's outcome to its parts."""


def _both(of_value: PairResult | Undecodable, of_parts: PairResult) -> PairResult | Undecodable:
    if isinstance(of_value, Undecodable):
        return of_value
    if of_value.outcome == Outcome.EXPECTED:
        return of_parts if of_parts.outcome in (Outcome.MISMATCH, Outcome.UNCOMPARED) else of_value
    levels = OUTCOMES.index(of_value.outcome), OUTCOMES.index(of_parts.outcome)
    if levels[0] != levels[1]:
        return of_value if levels[0] > levels[1] else of_parts

    def explain() -> PairResult:
        differences = [*of_parts.differences, *of_value.differences][:DIFFERENCES_MAX]
        touched = of_parts.touched | of_value.touched
        return PairResult(of_value.outcome, differences, reason=of_value.reason or of_parts.reason, touched=touched)

    return PairResult(of_value.outcome, explain=explain)


def names_part(names: Iterable[str | None]) -> bool:
    """Return whether a path leads into a part beside the value."""
    return next(iter(names), None) in (KEY_PART, HEADERS_PART, ORDER_PART)
