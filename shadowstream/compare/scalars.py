"""The level (index in `result.OUTCOMES`) of two values without parts, under the rule of their path."""

from typing import Any

from shadowstream.codecs.numbers import NUMBERS, ExactFloat, equal
from shadowstream.codecs.typed import Typed
from shadowstream.compare.result import IGNORED, MATCH, MISMATCH, TOLERATED
from shadowstream.compare.tolerances import in_one_interval, mapped, within
from shadowstream.config import Rule


def scalar_level(production: Any, shadow: Any, rule: Rule | None, decimals: bool = False) -> int:
    """The level of two scalars of one type, of two floats, or of an int and a float under a tolerance."""
    if (production == shadow or (production != production and shadow != shadow)) and (
        ExactFloat not in (type(production), type(shadow)) or equal(production, shadow)
    ):
        return MATCH
    if rule is None:
        return MISMATCH
    if rule.ignore:
        return IGNORED
    return TOLERATED if within(production, shadow, rule, decimals) or mapped(production, shadow, rule) else MISMATCH


def are_numbers(production: Any, shadow: Any, rule: Rule) -> bool:
    """Whether the rule treats an int and a float as two numbers."""
    return bool(rule.of_numbers or rule.types) and {type(production), type(shadow)} <= NUMBERS


def are_alike(production: Any, shadow: Any, rule: Rule) -> bool:
    """Whether the rule treats two values of different types as two numbers, or as two times."""
    times = bool(rule.round_ms) and in_one_interval(production, shadow, rule) is not None
    return times or are_numbers(production, shadow, rule)


def is_nested(value: Any) -> bool:
    """Whether a value has parts."""
    return isinstance(value.value if isinstance(value, Typed) else value, dict | list | tuple)


def plain_level(rule: Rule | None) -> int:
    """The level of a difference that no tolerance can cover."""
    return IGNORED if rule is not None and rule.ignore else MISMATCH
