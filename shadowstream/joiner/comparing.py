"""From pairs of raw values to outcomes: the comparison room's results in the words of the outcome table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.schemas import SchemaSource
from shadowstream.compare.expected import ExpectedChanges
from shadowstream.compare.fields import Fields
from shadowstream.compare.pairs import NONE_DECLARED, Declared, compare_pairs
from shadowstream.compare.redact import Redactor
from shadowstream.compare.result import Results
from shadowstream.compare.rules import RuleSet, join_path, parse_path
from shadowstream.compare.slices import Coded
from shadowstream.config import Compare
from shadowstream.records import Side

Values = Sequence["bytes | None"]


class Comparing(Protocol):
    """Values of production and of another side to one result a pair: `.outcome`, `.differences`, `.reason`."""

    def __call__(self, production: Values, shadow: Values, times_ms: Sequence[int] = ()) -> Results:
        """`times_ms` are production's, by which declared changes expire; without them none is expected."""
        ...

    def decode(self, side: Side, values: Values) -> Sequence[Any]:
        """Decoded values; an undecodable one is a `RecordError` in its place."""
        ...

    def fields(self, side: Side, values: Values) -> Fields:
        """Values of a side, to be looked at by path."""
        ...

    def dimensions(self, production: Values) -> Sequence[Coded]:
        """Columns of the dimensions that are fields of production's values, in the config's order."""
        ...


class Comparer:
    """Compares under rules. Differences are worked out when they are first asked for: most pairs never are."""

    def __init__(self, schemas: SchemaSource, compare: Compare) -> None:
        self._rules = RuleSet(compare.rules, compare.added_fields)
        self._redactor = Redactor(compare.redact)
        self._changes = ExpectedChanges(compare.expected)
        paths = [parse_path(one.path) for one in compare.dimensions if one.path is not None]
        self._dimensions = [["*" if name is None else name for name in path] for path in paths]
        self._decoders = Decoder(schemas), Decoder(schemas)

    def __call__(self, production: Values, shadow: Values, times_ms: Sequence[int] = ()) -> Results:
        """See `Comparing`."""
        declared = Declared(self._changes, times_ms) if times_ms else NONE_DECLARED
        return compare_pairs(production, shadow, *self._decoders, self._rules, declared=declared)

    def decode(self, side: Side, values: Values) -> Sequence[Any]:
        """See `Comparing`."""
        return self._decoders[1 if side is Side.SHADOW else 0].decode_many(values)

    def fields(self, side: Side, values: Values) -> Fields:
        """See `Comparing`."""
        return Fields(self._decoders[1 if side is Side.SHADOW else 0], values)

    def dimensions(self, production: Values) -> Sequence[Coded]:
        """See `Comparing`. Values are decoded only where a field is asked for, those of equal pairs as well."""
        if not self._dimensions:
            return ()
        fields = self.fields(Side.PRODUCTION, production)
        columns = [fields.coded(path) for path in self._dimensions]
        if not self._redactor:
            return columns
        return [
            Coded(column.codes, [self._redactor.name(join_path(path), value) for value in column.values])
            for column, path in zip(columns, self._dimensions, strict=True)
        ]


def comparer(schemas: SchemaSource, compare: Compare) -> Comparer:
    """A comparer under these rules."""
    return Comparer(schemas, compare)
