"""Pairs compared again under other rules: what a proposal explains, and what remains under a set of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from shadowstream.codecs.typed import bare
from shadowstream.compare.expected import ExpectedChanges
from shadowstream.compare.hooks import Load, load
from shadowstream.compare.rules import RuleSet
from shadowstream.config import Compare, Rule
from shadowstream.paths import STAR, parse_path
from shadowstream.suggest.evidence import Differences, FieldEvidence, Names, ReadPair, general_names

_ABOVE = {"atol", "rtol", "ulp", "ignore_case", "ignore_space", "round_ms", "epoch", "shadow_epoch", "absent_is_null"}
_INHERITED = frozenset(_ABOVE | {"types", "values"})


class Effect(NamedTuple):
    """The pairs that a change of the rules explains.

    `explained`: those that differ at the field and would not; `only_here`: of these, those that differ nowhere else.
    """

    explained: list[int]
    only_here: int


def differences_under(compare: Compare, loads: Load = load) -> Differences:
    """Return the comparison under the rules and declared changes of a config."""
    rules = RuleSet(compare.rules, compare.added_fields, loads)
    return Differences(rules, ExpectedChanges(compare.expected, loads))


def effect_of(found: FieldEvidence, pairs: Sequence[ReadPair], differences: Differences) -> Effect:
    """Return the effect of changed rules on the pairs that differ at one field."""
    explained, only_here = [], 0
    for at in found.pairs:
        pair = pairs[at]
        values = bare(pair.production), bare(pair.candidate)
        left = [general_names(one[0], *values) for one in differences.of(pair)]
        if not any(_is_at(names, found.names) for names in left):
            explained.append(at)
            only_here += not left
    return Effect(explained, only_here)


def _is_at(names: Names, field: Names) -> bool:
    return len(names) >= len(field) and all(wanted in (STAR, name) for wanted, name in zip(field, names, strict=False))


def differing(pairs: Iterable[ReadPair], differences: Differences, otherwise: Callable[[int], bool]) -> list[bool]:
    """Return of each pair whether it differs; `otherwise` decides for pairs that cannot be compared by field."""
    return [bool(differences.of(one)) if one.comparable else otherwise(at) for at, one in enumerate(pairs)]


def held_settings(rules: Sequence[Rule], path: str) -> dict[str, Any]:
    """Return the keys of the rule that holds at a path now, as far as a rule of the path itself would end them.

    >>> rules = [Rule(path="user", atol=2, lists="set"), Rule(path="user.name", ignore_case=True)]
    >>> held_settings(rules, "user.age"), held_settings(rules, "user.name")
    ({'atol': 2.0}, {'ignore_case': True})
    """
    names = parse_path(path)
    spot = RuleSet(rules, loads=lambda *_: _never_called).root
    for name in names:
        spot = spot.step("*" if name is STAR else name)
    held = spot.rule
    if held is None or held.ignore:
        return {}
    own = parse_path(held.path) == names
    given: Mapping[str, Any] = held.model_dump(exclude_unset=True, exclude={"path", "exact"})
    return {name: value for name, value in given.items() if own or name in _INHERITED}


def _never_called(*_: Any) -> bool:
    return False


def with_rule(compare: Compare, entry: Mapping[str, Any]) -> Compare:
    """Return the config with a rule in place of that of the same path, if there is one."""
    rule = Rule.model_validate(entry)
    names = parse_path(rule.path)
    kept = [one for one in compare.rules if parse_path(one.path) != names]
    return compare.model_copy(update={"rules": [*kept, rule]})
