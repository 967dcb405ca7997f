"""Values as YAML on one line, as commands write them into a config and a person would."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import yaml

_PLAIN = re.compile(r"[A-Za-z_](?:[\w.*/-]*[\w*/.])?", re.ASCII)
_WORDS = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"])
_DIGITS_MAX = 20
"""Longest number without an exponent."""
_WHOLE_MAX = 2**53
"""Below it each whole double is the number that its digits show."""


class Variable(str):
    """Text that names variables of the environment, which stay as they are."""

    __slots__ = ()


def quoted(name: str) -> str:
    r"""A name in quotes, on one line, whatever it holds.

    >>> quoted("x-request"), quoted("a\nb")
    ('"x-request"', '"a\\nb"')
    """
    return yaml.safe_dump(str(name), default_style='"', width=10**9, allow_unicode=True).strip()


def as_key(name: str) -> str:
    """Return a name as a config has it as a key: a dollar sign before a brace is doubled.

    >>> as_key("a$b"), as_key("${b}")
    ('a$b', '$${b}')
    """
    return name.replace("${", "$${")


def flow(value: object) -> str:
    """Return a value on one line. A dollar sign of a text is doubled, so that it names no variable.

    >>> flow({"path": "a b", "atol": Decimal("0.000001"), "values": {"1": None, "$x": "$y"}, "lists": ["on", "a"]})
    '{path: "a b", atol: 0.000001, values: {"1": null, "$x": "$$y"}, lists: ["on", a]}'
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_name(as_key(str(name)))}: {flow(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float | Decimal):
        return _number(Decimal(str(value)))
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return _name(text if isinstance(value, Variable) else text.replace("$", "$$"))


def _number(number: Decimal) -> str:
    double = float(number)
    if Decimal(str(double)) != number:  # a decimal that no double is stays exact only as a text
        return json.dumps(str(number))
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    # Read as a whole number, the shortest digits of a large double are not it.
    return text if len(text) <= _DIGITS_MAX and abs(double) < _WHOLE_MAX else str(double)


def _name(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else quoted(text)
