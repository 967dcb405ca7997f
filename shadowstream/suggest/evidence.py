"""The pairs that were read for proposals, and the differences of each field.

A field is a path with a star in place of each index of a list. A map with more than `NAMES_MAX` differing names counts
as one field too: its names are data. `Evidence.share` is the share of all compared pairs that differ at a field, among
those that have it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from shadowstream.codecs.typed import bare
from shadowstream.compare.by_value import mismatches
from shadowstream.compare.expected import ExpectedChanges, RawDifference
from shadowstream.compare.hooks import Unanswered
from shadowstream.compare.presence import holds
from shadowstream.compare.record_parts import Parts
from shadowstream.compare.rules import RuleSet
from shadowstream.errors import RecordError
from shadowstream.paths import ABSENT, STAR

NAMES_MAX = 32
FIELDS_MAX = 500
"""Fields with proposals; pairs that differ in further ones are counted only."""
Names = tuple[str | None, ...]


class InputMarks(NamedTuple):
    """The content of an input, as far as an output may copy it: texts of fields, key and headers, and times, ms."""

    texts: frozenset[str]
    times_ms: frozenset[float]


class ReadPair(NamedTuple):
    """A pair whose values were read and decoded.

    `production_ms`: the time of production's record; `candidate_ms`: the time of the candidate's answer. `weight`: the
    rows of diff that the pair stands for. `drawn`: the pair belongs to a uniform sample of all differing pairs.
    `input`: None where the input could not be read.
    """

    pair_id: str
    production: Any
    candidate: Any
    of_json: bool
    time_ms: int
    production_ms: int
    candidate_ms: int
    weight: float = 1.0
    drawn: bool = True
    input: InputMarks | None = None
    parts: tuple[Parts, Parts] = ({}, {})
    """The parts beside the values that are compared."""

    @property
    def comparable(self) -> bool:
        """Whether both values can be compared field by field."""
        return not any(value is None or isinstance(value, RecordError) for value in (self.production, self.candidate))


class Couple(NamedTuple):
    """Both values at one difference; `ABSENT` where a side has none. `at`: the index of the pair."""

    at: int
    kind: str
    production: Any
    candidate: Any


@dataclass(slots=True)
class FieldEvidence:
    """The differences at one field."""

    names: Names
    couples: list[Couple] = field(default_factory=list)
    pairs: dict[int, float] = field(default_factory=dict)
    """Weights of the pairs that differ here, by index."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Differing pairs of one revision as they were read, beside its counts.

    `rows`: all differing pairs in diff. `compared`: all compared pairs. `agreeing`: production's values of pairs that
    agree, a sample.
    """

    pairs: Sequence[ReadPair]
    rows: int
    compared: int
    agreeing: Sequence[Any] = ()

    def share(self, found: FieldEvidence) -> float:
        """Return the share of the compared pairs with this field that differ at it."""
        names, rules = list(found.names), RuleSet()
        weights = sum(found.pairs.values())
        absent = sum(
            pair.weight
            for at, pair in enumerate(self.pairs)
            if at not in found.pairs and pair.comparable and not holds(bare(pair.production), names, rules)
        )
        holding = [holds(value, names, rules) for value in self.agreeing]
        presence = sum(holding) / len(holding) if holding else 1.0
        agreeing = max(0, self.compared - self.rows) * presence
        return weights / max(1.0, weights, sum(pair.weight for pair in self.pairs) - absent + agreeing)


class Differing(NamedTuple):
    """The fields that differ, the most frequent first, and the number of pairs that cannot be compared by field."""

    fields: list[FieldEvidence]
    whole: int


class Differences:
    """The differences of pairs under rules and declared changes: those that make a pair a mismatch."""

    def __init__(self, rules: RuleSet, changes: ExpectedChanges | None = None) -> None:
        self._rules, self._of_json = rules, rules.of_json()
        self._changes = changes or ExpectedChanges()

    def of(self, pair: ReadPair) -> list[RawDifference]:
        """Return the differences of a pair that nothing in the config explains."""
        rules = self._of_json if pair.of_json else self._rules
        found = [
            *mismatches(*pair.parts, rules, ignores_added=rules.expects_added),
            *mismatches(pair.production, pair.candidate, rules, ignores_added=rules.expects_added),
        ]
        return [one for one in found if not (self._changes and self._is_declared(one, pair.time_ms))]

    def _is_declared(self, difference: RawDifference, time_ms: int) -> bool:
        try:
            return bool(self._changes.names([difference], time_ms))
        except Unanswered:  # such a pair is not compared, so it is no mismatch
            return True


def fields_of(pairs: Sequence[ReadPair], differences: Differences) -> Differing:
    """Collect the differences of pairs by field."""
    found: list[tuple[int, Names, RawDifference]] = []
    whole = 0
    for at, pair in enumerate(pairs):
        if not pair.comparable:
            whole += 1
            continue
        values = bare(pair.production), bare(pair.candidate)
        found += [(at, general_names(one[0], *values), one) for one in differences.of(pair)]
    maps = _data_maps(names for _, names, _ in found)
    fields: dict[Names, FieldEvidence] = {}
    for at, names, (_, kind, production, candidate) in found:
        if (parent := names[:-1]) in maps and names:
            names = (*parent, STAR)
        if names not in fields and len(fields) >= FIELDS_MAX:
            continue
        one = fields.setdefault(names, FieldEvidence(names))
        one.couples.append(Couple(at, kind, production, candidate))
        one.pairs[at] = pairs[at].weight
    ranked = sorted(fields.values(), key=lambda one: (-sum(one.pairs.values()), str(one.names)))
    return Differing(ranked, whole)


def general_names(names: Sequence[str], production: Any, candidate: Any) -> Names:
    """Return a path with a star in place of each element of a list.

    >>> general_names(("items", "3", "price"), {"items": [{"price": 1}]}, {"items": []})
    ('items', None, 'price')
    """
    general: list[str | None] = []
    values = [production, candidate]
    for name in names:
        of_list = any(isinstance(value, list | tuple) for value in values)
        general.append(STAR if of_list else name)
        values = [_child(value, name) for value in values]
    return tuple(general)


def _child(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return value.get(name, ABSENT)
    if isinstance(value, list | tuple) and value:
        # Under a key the name is no index; any element shows the form of the others.
        return value[int(name)] if name.isdecimal() and int(name) < len(value) else value[0]
    return ABSENT


def _data_maps(paths: Iterable[Names]) -> set[Names]:
    """Return the parents with more differing names than fields of a record have."""
    names = defaultdict[Names, set[str | None]](set)
    for path in paths:
        if path:
            names[path[:-1]].add(path[-1])
    return {parent for parent, children in names.items() if len(children) > NAMES_MAX}
