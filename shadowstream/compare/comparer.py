"""From pairs of raw values to outcomes: the comparison room's results in the words of the outcome table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.schemas import SchemaSource
from shadowstream.codecs.side_formats import side_formats
from shadowstream.compare.dimension_codes import Coded
from shadowstream.compare.expected import ExpectedChanges
from shadowstream.compare.fields import Fields
from shadowstream.compare.hooks import Load, load
from shadowstream.compare.pairs import NONE_DECLARED, Declared, compare_pairs
from shadowstream.compare.presence import fields, holds
from shadowstream.compare.redact import Redactor
from shadowstream.compare.result import Results
from shadowstream.compare.rules import RuleSet
from shadowstream.compare.schema_changes import Evolutions
from shadowstream.config import Compare, Config
from shadowstream.paths import join_path, parse_one, parse_path
from shadowstream.records import Side

Values = Sequence["bytes | None"]
Decoders = tuple[Decoder, Decoder, Decoder]
"""By `Side`."""


class Comparing(Protocol):
    """Values of production and of another side to one result a pair: `.outcome`, `.differences`, `.reason`."""

    evolutions: Evolutions
    """What lies between writer schemas, that of the whole trial."""

    def __call__(self, production: Values, shadow: Values, times_ms: Sequence[int] = ()) -> Results:
        """`times_ms` are production's, by which declared changes expire; without them none is expected."""
        ...

    def of(self, topic: str) -> Comparing:
        """The same of one output topic of production, as its values and those of the other sides are written."""
        ...

    def twin(self, production: Values, twin: Values) -> Results:
        """Values of production and of its twin."""
        ...

    def available(self, side: Side, values: Values) -> Sequence[bool]:
        """Whether each value can be decoded now, or never: False while its schema cannot be had."""
        ...

    def decode(self, side: Side, values: Values) -> Sequence[Any]:
        """Decoded values; an undecodable one is a `RecordError` in its place."""
        ...

    def repeating(self, side: Side, values: Values) -> Sequence[bool]:
        """Whether each value is JSON in which an object holds a name twice (`compare.duplicate_names`)."""
        ...

    def fields(self, side: Side, values: Values) -> Fields:
        """Values of a side, to be looked at by path."""
        ...

    def dimensions(self, values: Values, side: Side = Side.PRODUCTION) -> Sequence[Coded]:
        """Columns of the dimensions that are fields of values, production's if nothing else is asked for, in the
        config's order."""
        ...

    def watch(self, paths: Sequence[str]) -> None:
        """Ask each mismatch whether it touches these paths (`PairResult.touched`)."""
        ...

    def holding(self, decoded: Sequence[Any], paths: Iterable[str]) -> set[str]:
        """The paths at which some decoded value holds anything."""
        ...

    def fields_in(self, decoded: Sequence[Any]) -> Iterable[str]:
        """The paths of the fields that decoded values hold."""
        ...


class Comparer:
    """Compares under rules. Differences are worked out when they are first asked for: most pairs never are."""

    def __init__(
        self, decoders: Callable[[str], Decoders], compare: Compare, topic: str = "", loads: Load = load
    ) -> None:
        self._of, self._compare, self._topic, self._loads = decoders, compare, topic, loads
        self._rules = RuleSet(compare.rules, compare.added_fields, loads)
        self._redactor = Redactor(compare.redact)
        self._changes = ExpectedChanges(compare.expected, loads)
        self._dimensions = [parse_one(one.path) for one in compare.dimensions if one.path is not None]
        self._decoders = decoders(topic)
        self.evolutions = Evolutions()

    def __call__(self, production: Values, shadow: Values, times_ms: Sequence[int] = ()) -> Results:
        """See `Comparing`."""
        declared = Declared(self._changes, times_ms) if times_ms else NONE_DECLARED
        return compare_pairs(production, shadow, *self._decoders[:2], self._rules, declared, self.evolutions)

    def of(self, topic: str) -> Comparing:
        """See `Comparing`."""
        if topic == self._topic:
            return self
        one = Comparer(self._of, self._compare, topic, self._loads)
        one.evolutions = self.evolutions
        return one

    def twin(self, production: Values, twin: Values) -> Results:
        """See `Comparing`."""
        return compare_pairs(production, twin, self._decoders[0], self._decoders[2], self._rules)

    def available(self, side: Side, values: Values) -> Sequence[bool]:
        """See `Comparing`."""
        return self._decoders[side].available(values)

    def decode(self, side: Side, values: Values) -> Sequence[Any]:
        """See `Comparing`."""
        return self._decoders[side].decode_many(values)

    def repeating(self, side: Side, values: Values) -> Sequence[bool]:
        """See `Comparing`."""
        return list(map(self._decoders[side].repeats_names, values))

    def fields(self, side: Side, values: Values) -> Fields:
        """See `Comparing`."""
        return Fields(self._decoders[side], values)

    def watch(self, paths: Sequence[str]) -> None:
        """See `Comparing`."""
        self._rules.watch(paths)

    def holding(self, decoded: Sequence[Any], paths: Iterable[str]) -> set[str]:
        """See `Comparing`."""
        named = {path: parse_path(path) for path in paths}
        return {path for path, names in named.items() if any(holds(one, names, self._rules) for one in decoded)}

    def fields_in(self, decoded: Sequence[Any]) -> Iterable[str]:
        """See `Comparing`."""
        return (path for one in decoded for path in fields(one))

    def dimensions(self, values: Values, side: Side = Side.PRODUCTION) -> Sequence[Coded]:
        """See `Comparing`. Values are decoded only where a field is asked for, those of equal pairs as well."""
        if not self._dimensions:
            return ()
        found = self.fields(side, values)
        columns = [found.coded(path) for path in self._dimensions]
        if not self._redactor:
            return columns
        return [
            Coded(column.codes, [self._redactor.name(join_path(path), value) for value in column.values])
            for column, path in zip(columns, self._dimensions, strict=True)
        ]


def comparer(schemas: SchemaSource, compare: Compare) -> Comparer:
    """A comparer under these rules, of values that say themselves how they are written."""
    one, other, third = (Decoder(schemas, names=compare.duplicate_names) for _ in range(3))
    decoders = one, other, third
    return Comparer(lambda _: decoders, compare)


def comparer_of(schemas: SchemaSource, config: Config, loads: Load = load) -> Comparer:
    """The comparer of a trial; ask it for those `of` its topics. `loads`: where its functions are called."""
    names = config.compare.duplicate_names
    sides = [Decoder(schemas, bytes_max=config.limits.decoded_bytes_max, names=names) for _ in Side]

    def decoders(topic: str) -> Decoders:
        formats = side_formats(config, topic)
        one, other, third = (decoder.formatted(format) for decoder, format in zip(sides, formats, strict=True))
        return one, other, third

    return Comparer(decoders, config.compare, loads=loads)
