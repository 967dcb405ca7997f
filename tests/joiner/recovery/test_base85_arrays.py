"""Base85 by arrays is that of Python, whatever the length."""

import base64
import random

import pytest

from shadowstream.joiner.recovery import base85_arrays

LONG = base85_arrays.FEW


@pytest.mark.parametrize("size", [0, 1, LONG - 1, *range(LONG, LONG + 9), 10 * LONG])
def test_the_text_is_that_of_the_library(size: int) -> None:
    for data in (random.Random(size).randbytes(size), bytes(size), b"\xff" * size):
        assert base85_arrays.encoded(data) == base64.b85encode(data)
