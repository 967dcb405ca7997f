"""Rules on any nested values, pair by pair. Equality is:

=====================================  ================================================================
values                                 result
=====================================  ================================================================
two types                              different (type), even 1 and true; 1 and 1.0 too, unless a
                                       tolerance holds there: then both are numbers; 1.0 and 1e0 are equal
null and a value                       different (null)
a field absent and a field null        different (missing, extra)
NaN and NaN; 0.0 and −0.0              equal
inf                                    equal only to the same inf, under any tolerance
other numbers p, s                     equal if p = s, tolerated if |s − p| ≤ atol + rtol·|p|
ints, decimals, fractions of JSON      exact, with all their digits, under a tolerance too
lists                                  compared by index; two lengths are a difference (length) of the
                                       list, in addition to those of the common part
a tombstone (None) and a value         different (tombstone) at path ""
strings, bytes, times, UUIDs           equal if `==`
=====================================  ================================================================

Rules can change this: `tolerances` for scalars, `lists` for lists, `hooks` for functions. A rule applies only to two
values that differ, so a value always agrees with itself (equal bytes are never even decoded).

The outcome is mismatch if any path differs by its rules, else tolerated if a tolerance was needed, else ignored if
only ignored paths differ, else match. Values come from a `codecs.decoder.Decoder`, which bounds their depth.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import date
from functools import partial
from typing import Any

from shadowstream.codecs.far_times import FarTime, instant_ns
from shadowstream.codecs.numbers import FLOATS
from shadowstream.codecs.typed import Typed, bare, promoted
from shadowstream.compare import lists
from shadowstream.compare.differences import ABSENT, difference, one_sided, or_absent
from shadowstream.compare.expected import RawDifference
from shadowstream.compare.hooks import HookError, Unanswered, answers_of
from shadowstream.compare.result import (
    DIFFERENCES_MAX,
    IGNORED,
    MATCH,
    MISMATCH,
    NOWHERE,
    OUTCOMES,
    PLAIN_MATCH,
    TOLERATED,
    UNCOMPARED,
    PairResult,
)
from shadowstream.compare.rules import Own, RuleSet, Spot
from shadowstream.compare.scalars import are_alike, are_numbers, is_nested, plain_level, scalar_level
from shadowstream.compare.tolerances import in_one_interval, mapped
from shadowstream.compare.watched_paths import NONE_WATCHED, Watched
from shadowstream.config import Rule
from shadowstream.paths import join_path
from shadowstream.protocol.outcomes import Outcome

_OF_TEXTS = frozenset(("number", "json"))


def compare_rows(production: Any, shadow: Any, rules: RuleSet) -> PairResult:
    """Compare one pair of decoded values.

    >>> from shadowstream.config import Rule
    >>> rules = RuleSet([Rule(path="score", atol=0.01)])
    >>> compare_rows({"id": 7, "score": 0.5}, {"id": 7, "score": 0.505}, rules).outcome
    'tolerated'
    >>> compare_rows({"id": 7, "score": 0.5}, {"id": 8, "score": 0.5}, rules).differences
    (Difference(path='id', kind='value', production='7', shadow='8', delta=1.0),)
    """
    walk = _Walk(rules, watched=rules.watched)
    walk.top(rules, production, shadow)
    return walk.result()


def mismatches(production: Any, shadow: Any, rules: RuleSet, ignores_added: bool = False) -> list[RawDifference]:
    """All differences that make a pair a mismatch, with their raw values and without a limit. With `ignores_added`,
    added fields do not count."""
    walk = _Walk(rules, rules.ignores_added or ignores_added, differences_max=sys.maxsize)
    walk.top(rules, production, shadow)
    return [
        (path, kind, bare(production_value), bare(shadow_value))
        for path, kind, production_value, shadow_value in walk.differing[MISMATCH]
    ]


def beside_null(production: Any, shadow: Any, rules: RuleSet) -> PairResult:
    """Compare two values of which one is the null of a JSON text and none is a tombstone."""
    walk = _Walk(rules, watched=rules.watched)
    walk.whole(rules, production, shadow)
    return walk.result()


def mismatch_of_wholes(kind: str, production: Any, shadow: Any, rules: RuleSet) -> PairResult:
    """A mismatch of two whole values; an absent side is `ABSENT`."""
    return PairResult(Outcome.MISMATCH, [difference((), kind, production, shadow)], touched=rules.watched.every)


def unexplained(level: int, production: Any, shadow: Any, rules: RuleSet) -> PairResult:
    """The result of a pair whose level is known; its differences are computed on first access."""
    if level == MATCH:
        return PLAIN_MATCH
    return PairResult(OUTCOMES[level], explain=partial(compare_rows, production, shadow, rules))


def level_of(rules: RuleSet, name: str, production: Any, shadow: Any) -> int:
    """The level (index in `OUTCOMES`) of one field of the whole value; either side may be `ABSENT`."""
    walk = _Walk(rules)
    walk.field(rules.root, name, production, shadow)
    return walk.level()


def mismatch_of_field(rules: RuleSet, name: str, production: Any, shadow: Any) -> list[RawDifference]:
    """The differences that make one field of the whole value a mismatch."""
    walk = _Walk(rules)
    walk.field(rules.root, name, production, shadow)
    return walk.differing[MISMATCH]


_TIMES = (FarTime, date)
_BOUNDED = (
    "TooManyElements: {path} has lists of {0:,} and {1:,} elements in any order: some order may agree, but comparing "
    f"all pairs of elements exceeds the bound of {lists.WORK_MAX:,} comparisons; give the list a key"
)


class _Enough(Exception):
    """Control flow, no error: outcome known, list of differences full."""


class _Walk:
    """One walk over a pair. Collects the differences by level, and the watched paths that mismatches touch."""

    __slots__ = (
        "_decimals",
        "_differences_max",
        "_ignores_added",
        "_path",
        "_reason",
        "_rules",
        "_touched",
        "_unanswered",
        "_watched",
        "_work",
        "_work_of",
        "differing",
    )

    def __init__(
        self,
        rules: RuleSet,
        ignores_added: bool | None = None,
        differences_max: int = DIFFERENCES_MAX,
        watched: Watched = NONE_WATCHED,
    ) -> None:
        self._rules, self._decimals = rules, rules.decimals
        self._ignores_added = rules.ignores_added if ignores_added is None else ignores_added
        self._watched = watched
        self._touched: set[str] = set()
        self._differences_max = differences_max
        self._path: list[str] = []
        self.differing: tuple[list[RawDifference], ...] = ([], [], [], [], [])
        self._reason: str | None = None
        self._unanswered: str | None = None
        self._work: lists.Work | None = None
        self._work_of: str | None = None

    def top(self, rules: RuleSet, production: Any, shadow: Any) -> None:
        with suppress(_Enough):
            if production is not None and shadow is not None:
                self.whole(rules, production, shadow)
            elif production is not shadow:
                self._differ(MISMATCH, "tombstone", or_absent(production), or_absent(shadow))

    def whole(self, rules: RuleSet, production: Any, shadow: Any) -> None:
        with suppress(_Enough):
            nested = is_nested(production) or is_nested(shadow)
            self._values(rules.root if nested else rules.bare, production, shadow)

    def field(self, spot: Spot, name: str, production: Any, shadow: Any) -> None:
        with suppress(_Enough):
            self._step(spot, name, production, shadow)

    def level(self) -> int:
        return next((level for level in (MISMATCH, UNCOMPARED, TOLERATED, IGNORED) if self.differing[level]), MATCH)

    def result(self) -> PairResult:
        level = self.level()
        if level == MATCH:
            return PLAIN_MATCH
        differences = [difference(*raw) for raw in self.differing[level]]
        touched = frozenset(self._touched) if self._touched else NOWHERE
        reason = {UNCOMPARED: self._unanswered, MISMATCH: self._reason}.get(level)
        return PairResult(OUTCOMES[level], differences, reason=reason, touched=touched)

    def _step(self, spot: Spot, name: str, production: Any, shadow: Any) -> None:
        self._path.append(name)
        below = spot.step(name)
        if shadow is ABSENT or production is ABSENT:
            self._differ(self._absent_level(below.rule, production, shadow), *one_sided(production, shadow))
        else:
            self._values(below, production, shadow)
        self._path.pop()

    def _values(self, spot: Spot, production: Any, shadow: Any) -> None:
        own = spot.own
        if own is None:
            self._plainly(spot, production, shadow)
        elif type(production) is Typed or type(shadow) is Typed:
            self._typed(spot, production, shadow)
        elif lists.canonical(production) != lists.canonical(shadow):
            self._asked(spot, own, production, shadow)

    def _asked(self, spot: Spot, own: Own, production: Any, shadow: Any) -> None:
        decimals = self._decimals
        # The normalisers of `_OF_TEXTS` turn a text into the decimals in it, independent of the surrounding value.
        self._decimals = decimals or not _OF_TEXTS.isdisjoint(own.rule.normalise)
        try:
            self._by_own_rule(spot, own, production, shadow)
        except Unanswered as error:
            self._unanswered = self._unanswered or str(error)
            self._differ(UNCOMPARED, "value", production, shadow)
        except HookError as error:
            self._reason = self._reason or str(error)
            self._differ(MISMATCH, "value", production, shadow)
        self._decimals = decimals

    def _by_own_rule(self, spot: Spot, own: Own, production: Any, shadow: Any) -> None:
        if own.rule.calls:  # functions of the user get plain values; built-in ones ignore types
            production, shadow = bare(production), bare(shadow)
        if own.normalise is not None:
            production, shadow = own.normalise(production), own.normalise(shadow)
        if own.call is not None:
            if own.rule.on == "column":
                (answer,) = answers_of(own.call, [production], [shadow])
            else:
                answer = own.call(production, shadow)
            self._differ(TOLERATED if answer else MISMATCH, "value", production, shadow)
        elif type(production) is list and type(shadow) is list and own.key is not None:
            self._by_key(spot, own.key, production, shadow)
        elif type(production) is list and type(shadow) is list and own.rule.lists in ("unordered", "set"):
            self._in_any_order(spot, own.rule.lists == "set", production, shadow)
        else:
            self._plainly(spot, production, shadow)

    def _plainly(self, spot: Spot, production: Any, shadow: Any) -> None:
        kind = type(production)
        if kind is Typed or type(shadow) is Typed:
            self._typed(spot, production, shadow)
        elif kind is not type(shadow):
            self._types(spot, production, shadow)
        elif kind is dict:
            for name, value in production.items():
                self._step(spot, str(name), value, shadow.get(name, ABSENT))
            for name, value in shadow.items():
                if name not in production:
                    self._step(spot, str(name), ABSENT, value)
        elif kind is list or kind is tuple:
            if len(production) != len(shadow):
                self._differ(plain_level(spot.rule), "length", production, shadow)
            for index, (value, shadow_value) in enumerate(zip(production, shadow, strict=False)):
                self._step(spot, str(index), value, shadow_value)
        else:
            level = scalar_level(production, shadow, spot.rule, self._decimals)
            if level != MATCH:
                self._differ(level, "value", production, shadow)

    def _typed(self, spot: Spot, production: Any, shadow: Any) -> None:
        """Compare two values at a place with typed values; either may be null, which has no type."""
        if type(production) is not Typed or type(shadow) is not Typed:
            return self._values(spot, *(side.value if type(side) is Typed else side for side in (production, shadow)))
        values = production.value, shadow.value
        own, rule = spot.own, spot.rule
        is_named = production.kind.is_named or shadow.kind.is_named
        if production.agrees(shadow):
            self._values(spot, *promoted(*values))
        elif own is not None and (own.call is not None or (own.normalise and not is_named)):
            self._asked(spot, own, *values)
        elif rule is None or not (rule.types or mapped(*values, rule) or are_alike(*values, rule)):
            self._differ(plain_level(rule), "type", production, shadow)
        else:
            if type(values[0]) is type(values[1]):  # otherwise `_values` reports the type
                self._differ(TOLERATED, "type", production, shadow)
            self._values(spot, *values)

    def _types(self, spot: Spot, production: Any, shadow: Any) -> None:
        """Compare values of two types. Two kinds of float are both fractions, and two kinds of time both instants."""
        rule = spot.rule
        types = {type(production), type(shadow)}
        if types == FLOATS:
            level = scalar_level(production, shadow, rule, self._decimals)
            return self._differ(level, "value", production, shadow)
        if FarTime in types and isinstance(production, _TIMES) and isinstance(shadow, _TIMES):
            production_ns, shadow_ns = instant_ns(production), instant_ns(shadow)
            if production_ns is None or production_ns != shadow_ns:  # a local time and a date have no zone
                self._differ(scalar_level(production, shadow, rule), "value", production, shadow)
            return None
        kind = "null" if production is None or shadow is None else "type"
        if rule is not None and mapped(production, shadow, rule):
            self._differ(TOLERATED, kind, production, shadow)
        elif rule is not None and rule.round_ms and (same := in_one_interval(production, shadow, rule)) is not None:
            # Without the rule, two forms of a time would be two types.
            self._differ(*((TOLERATED, "type") if same else (MISMATCH, "value")), production, shadow)
        elif kind == "null" or rule is None or not are_numbers(production, shadow, rule):
            self._differ(plain_level(rule), kind, production, shadow)
        elif scalar_level(production, shadow, rule, self._decimals) == MISMATCH:
            self._differ(MISMATCH, "value", production, shadow)
        else:
            # Without the rule, 1 and 1.0 would be two types: the tolerance was needed, even at delta 0.
            self._differ(TOLERATED, "type", production, shadow)

    def _in_any_order(self, spot: Spot, is_set: bool, production: list[Any], shadow: list[Any]) -> None:
        items, shadow_items = (lists.distinct(production), lists.distinct(shadow)) if is_set else (production, shadow)
        element, work = spot.step("*"), self._work_here(len(items) + len(shadow_items))

        def fits(item: Any, shadow_item: Any) -> bool:
            walk = _Walk(self._rules, self._ignores_added, differences_max=1)
            walk._decimals, walk._work = self._decimals, work
            with suppress(_Enough):
                walk._values(element, item, shadow_item)
            return walk.level() != MISMATCH

        plan = lists.unordered(items, shadow_items, fits, work, element)
        if work.reached and (plan.missing or plan.extra) and self._reason is None:
            self._reason = _BOUNDED.format(len(items), len(shadow_items), path=join_path(self._path))
        if plan.moved or len(items) != len(production) or len(shadow_items) != len(shadow):
            self._differ(TOLERATED, "order", production, shadow)
        paired = min(len(plan.missing), len(plan.extra))
        # Elements without a partner are compared in order: inner differences say more than missing and extra elements.
        for index, shadow_index in (*plan.pairs, *zip(plan.missing[:paired], plan.extra[:paired], strict=True)):
            self._element(element, str(index), items[index], shadow_items[shadow_index])
        for index in plan.missing[paired:]:
            self._element(element, str(index), items[index], ABSENT)
        for index in plan.extra[paired:]:
            self._element(element, str(index), ABSENT, shadow_items[index])

    def _work_here(self, elements: int) -> lists.Work:
        """The budget for lists in any order below this field of the whole value; nested lists share it."""
        name = self._path[0] if self._path else ""
        if self._work is None or (self._work_of is not None and self._work_of != name):
            self._work, self._work_of = lists.Work(lists.WORK_MAX + lists.PASSES * elements), name
        return self._work

    def _by_key(self, spot: Spot, path: list[str], production: list[Any], shadow: list[Any]) -> None:
        pairs, moved = lists.by_key(production, shadow, path)
        if moved:
            self._differ(TOLERATED, "order", production, shadow)
        for name, index, shadow_index in pairs:
            item = ABSENT if index is None else production[index]
            self._element(spot.step(name), name, item, ABSENT if shadow_index is None else shadow[shadow_index])

    def _element(self, spot: Spot, name: str, production: Any, shadow: Any) -> None:
        self._path.append(name)
        if production is ABSENT or shadow is ABSENT:
            self._differ(plain_level(spot.rule), *one_sided(production, shadow))
        else:
            self._values(spot, production, shadow)
        self._path.pop()

    def _absent_level(self, rule: Rule | None, production: Any, shadow: Any) -> int:
        if rule is not None and rule.absent_is_null and (production is None or shadow is None):
            return TOLERATED
        if production is ABSENT and self._ignores_added:
            return IGNORED
        return plain_level(rule)

    def _differ(self, level: int, kind: str, production: Any, shadow: Any) -> None:
        differing = self.differing[level]
        if len(differing) < self._differences_max:
            differing.append((tuple(self._path), kind, production, shadow))
        if level == MISMATCH:
            if len(self._touched) < len(self._watched):
                self._touched.update(self._watched.touched(self._path))
            # A watched path may differ beyond the kept differences, so the walk continues for it.
            if len(differing) == self._differences_max and len(self._touched) == len(self._watched):
                raise _Enough
