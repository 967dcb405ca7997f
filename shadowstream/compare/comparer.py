"""From pairs of raw values to outcomes: the comparison as the joiner uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from shadowstream.codecs.decoder import Decoder, decoded_bounds
from shadowstream.codecs.schemas import SchemaSource
from shadowstream.codecs.side_formats import side_formats
from shadowstream.compare.dimension_codes import Coded
from shadowstream.compare.expected import ExpectedChanges
from shadowstream.compare.fields import Fields, coded_fields
from shadowstream.compare.hooks import Hook, Load, fenced, load
from shadowstream.compare.pairs import NONE_DECLARED, Declared, DecodedPairs, compare_pairs, decoded_pairs
from shadowstream.compare.presence import fields, holds
from shadowstream.compare.record_parts import NO_PARTS, PartsOfPairs, RecordParts, with_parts
from shadowstream.compare.redact import Redactor
from shadowstream.compare.result import Results
from shadowstream.compare.rules import RuleSet
from shadowstream.compare.schema_changes import Evolutions
from shadowstream.config import Compare, Config
from shadowstream.paths import join_path, parse_one, parse_path
from shadowstream.protocol.outcomes import Outcome
from shadowstream.records import Side

Values = Sequence["bytes | None"]
Decoders = tuple[Decoder, Decoder, Decoder]
"""One decoder for each `Side`."""


class Comparing:
    """Comparison of production's values with another side's under rules: one result a pair. Differences are computed
    on first access: most are never accessed."""

    def __init__(
        self, decoders: Callable[[str], Decoders], compare: Compare, topic: str = "", loads: Load = load
    ) -> None:
        self._of, self._compare, self._topic, self._loads = decoders, compare, topic, loads
        self._rules = RuleSet(compare.rules, compare.added_fields, loads)
        self.parts = RecordParts(compare)
        """The parts beside the values that are compared."""
        self._redactor = Redactor(compare)
        self._changes = ExpectedChanges(compare.expected, loads)
        self._dimensions = [parse_one(dimension.path) for dimension in compare.dimensions if dimension.path is not None]
        self._rules.named = tuple(dict.fromkeys(map(tuple, self._dimensions)))
        self._decoders = decoders(topic)
        self.evolutions = Evolutions()
        """The differences between writer schemas, shared by the whole trial."""
        self._functions: dict[str, Hook] = {}

    def __call__(
        self, production: Values, shadow: Values, times_ms: Sequence[int] = (), parts: PartsOfPairs = NO_PARTS
    ) -> Results:
        """Compare pairs. Declared changes expire by production's `times_ms`; without times, no change is expected.

        `parts`: the parts beside the values, of the pairs in which they are not equal bytes.
        """
        declared = Declared(self._changes, times_ms) if times_ms else NONE_DECLARED
        results = compare_pairs(production, shadow, *self._decoders[:2], self._rules, declared, self.evolutions)
        rules = self._rules_of_parts

        def names(index: int) -> list[str]:
            if not declared.expects(rules):
                return []
            compared = [(*parts[index], rules)]
            if results[index].outcome == Outcome.EXPECTED:
                values = self.decoded([production[index]], [shadow[index]])
                own = self._rules.of_json() if values.of_json[0] else self._rules
                compared.append((values.production[0], values.shadow[0], own))
            return declared.names(index, compared)

        with_parts(results, parts, rules, names)
        return results

    @property
    def _rules_of_parts(self) -> RuleSet:
        """The rules with decimals, as the texts of keys and headers hold them."""
        return self._rules.of_json() if self._rules.of_numbers else self._rules

    def of(self, topic: str) -> Comparing:
        """The comparer for one output topic of production, with the formats of its values on each side."""
        if topic == self._topic:
            return self
        of_topic = Comparing(self._of, self._compare, topic, self._loads)
        of_topic.evolutions, of_topic._functions = self.evolutions, self._functions
        return of_topic

    def decoded(self, production: Values, shadow: Values) -> DecodedPairs:
        """Decode pairs as the comparison does: each side by its own schema, brought to comparable values."""
        return decoded_pairs(production, shadow, self._decoders[:2], self.evolutions.uncounted())

    def twin(self, production: Values, twin: Values, parts: PartsOfPairs = NO_PARTS) -> Results:
        results = compare_pairs(production, twin, self._decoders[0], self._decoders[2], self._rules)
        with_parts(results, parts, self._rules_of_parts, lambda _: ())
        return results

    def again(self, first: Values, second: Values) -> Results:
        """Compare the shadow's first values with its second ones under the rules; no change is expected."""
        return compare_pairs(first, second, self._decoders[1], self._decoders[1], self._rules)

    def available(self, side: Side, values: Values) -> Sequence[bool]:
        """Whether each value can be decided on now: False while its schema is unavailable."""
        return self._decoders[side].available(values)

    def decode(self, side: Side, values: Values) -> Sequence[Any]:
        """Decode values; an undecodable value gives its `RecordError`."""
        return self._decoders[side].decode_many(values)

    def decoder(self, side: Side) -> Decoder:
        """The decoder of a side's values in this topic."""
        return self._decoders[side]

    def repeating(self, side: Side, values: Values) -> Sequence[bool]:
        """Whether each value is JSON with a duplicate name in an object (`compare.duplicate_names`)."""
        return list(map(self._decoders[side].repeats_names, values))

    def fields(self, side: Side, values: Values) -> Fields:
        return Fields(self._decoders[side], values)

    def watch(self, paths: Sequence[str]) -> None:
        """Record for each mismatch which of these paths it touches (`PairResult.touched`)."""
        self._rules.watch(paths)

    def holding(self, decoded: Sequence[Any], paths: Iterable[str]) -> set[str]:
        """The paths at which at least one decoded value has a part."""
        named = {path: parse_path(path) for path in paths}
        return {path for path, names in named.items() if any(holds(value, names, self._rules) for value in decoded)}

    def fields_in(self, decoded: Sequence[Any]) -> Iterable[str]:
        """The paths of the fields in decoded values."""
        return (path for value in decoded for path in fields(value))

    def function(self, entry: str) -> Hook:
        """See `Comparing`. It is loaded once. Raises `ConfigError` if that fails."""
        if entry not in self._functions:
            self._functions[entry] = fenced(entry, self._loads(entry, "judge.criteria", 2))
        return self._functions[entry]

    def dimensions(self, values: Values, side: Side = Side.PRODUCTION) -> Sequence[Coded]:
        """Columns of the dimensions that are fields of values, in the config's order. Without such a dimension no value
        is decoded."""
        if not self._dimensions:
            return ()
        columns = coded_fields(self._decoders[side], values, self._dimensions)
        if not self._redactor:
            return columns
        return [
            Coded(column.codes, [self._redactor.name(join_path(path), value) for value in column.values])
            for column, path in zip(columns, self._dimensions, strict=True)
        ]


def comparer(schemas: SchemaSource, compare: Compare) -> Comparing:
    """A comparer under these rules, for self-describing values."""
    production, shadow, twin = (Decoder(schemas, names=compare.duplicate_names) for _ in range(3))
    decoders = production, shadow, twin
    return Comparing(lambda _: decoders, compare)


def comparer_of(schemas: SchemaSource, config: Config, loads: Load) -> Comparing:
    """The comparer of a trial; use its `of` for each topic. `loads` loads the functions of the config.

    It has no default: a role must not import the user's code beside its credentials.
    """
    bounds, names, answer = decoded_bounds(config), config.compare.duplicate_names, config.production.answer_names
    sides = [
        Decoder(schemas, bounds=bounds, names=names, answer=answer if side is Side.PRODUCTION else ()) for side in Side
    ]

    def decoders(topic: str) -> Decoders:
        formats = side_formats(config, topic)
        production, shadow, twin = (decoder.formatted(format) for decoder, format in zip(sides, formats, strict=True))
        return production, shadow, twin

    of_trial = Comparing(decoders, config.compare, loads=loads)
    for criterion in config.judge.criteria:
        if criterion.path is not None and criterion.loss in config.judge.calls:
            of_trial.function(criterion.loss)  # one that cannot be loaded is refused at the start
    return of_trial
