"""Candidates that give back their inputs."""

from decimal import Decimal
from functools import reduce
from typing import Any

from shadowstream.runner.outputs import Output
from shadowstream.worker.values import DIGITS_MAX, NESTING_MAX


class Odd:
    """No value of any format."""


def echo(value: Any) -> Any:
    """Give the value back, or misbehave as it says."""
    if value == "raises":
        raise ValueError("no score")
    if value == "exits":
        raise SystemExit(3)
    known = {
        "none": None,
        "two": [Output(1), Output(value, b"k", topic="out", headers=[("h", b""), ("h", b"1")])],
        "bad key": Output(1, key="text"),  # type: ignore[arg-type]  # as a candidate may
    }
    return known.get(value, value) if isinstance(value, str) else value


def echoes(values: list[Any]) -> list[Any]:
    return [echo(value) for value in values]


def large(value: Any) -> Any:
    return b"x" * 900_000


def large_ones(values: list[Any]) -> list[Any]:
    return [large(value) for value in values]


def odd(value: Any) -> Any:
    deep = reduce(lambda inner, _: (inner,), range(NESTING_MAX + 1), ())
    known = {"object": Odd(), "long": b"x" * 3_000_000, "digits": Decimal(f"1e{DIGITS_MAX + 1}"), "deep": deep}
    return known.get(value, value)


class Multiplying:
    """A model that can be pickled."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, value: Any) -> Any:
        return {"score": self.factor * value["x"]}
