"""Who was right: labels and answers in the digits in which they are written."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from shadowstream.labels.correctness import BOTH, NEITHER, PRODUCTION, differ, outcome
from shadowstream.protocol.scored_value import at_path

LARGE = 101767182266078306730


@pytest.mark.parametrize(
    ("value", "path", "expected"),
    [
        ({"id": LARGE}, ["id"], str(LARGE)),
        ({"b": {"n": [LARGE, Decimal("0.10")], "a": b"x"}}, ["b"], f'{{"a":"x","n":[{LARGE},0.10]}}'),
        ({"o.id": 7}, ["o.id"], "7"),
        ([[1, 2]], ["0", "1"], "2"),
        (True, [], "true"),
        ({"u": UUID(int=5)}, ["u"], '"00000000-0000-0000-0000-000000000005"'),
        ({"n": None}, ["n"], None),
        ({"n": 1}, ["m"], None),
    ],
)
def test_an_answer_is_found_and_written_digit_by_digit(value: Any, path: list[str], expected: str | None) -> None:
    assert at_path(value, path) == expected


@pytest.mark.parametrize(
    ("production", "shadow", "label", "atol", "expected"),
    [
        (str(LARGE), str(LARGE + 1), str(LARGE), 0.0, PRODUCTION),
        ("9007199254740993", "9007199254740992", "9007199254740993", 0.0, PRODUCTION),
        (f"[{LARGE}]", f"[{LARGE + 1}]", f"[{LARGE}]", 0.0, PRODUCTION),
        ("0.1", "0.4", "0.4", 0.3, BOTH),
        ("1.0", "1.00", "1", 0.0, BOTH),
        ("true", "false", "1", 5.0, NEITHER),
        ('"1"', "2", "1", 0.0, NEITHER),
    ],
)
def test_numbers_are_right_exactly(production: str, shadow: str, label: str, atol: float, expected: str) -> None:
    assert outcome(production, shadow, label, atol) == expected


def test_two_numbers_that_a_double_cannot_tell_apart_differ() -> None:
    assert differ(str(LARGE), str(LARGE + 1))
    assert not differ("1", "1.0")
