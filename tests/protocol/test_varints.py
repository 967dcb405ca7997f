"""Rows of varints against the plain algorithm, number by number."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shadowstream.protocol.varints import numbers_of, varints_of

numbers = st.lists(st.one_of(st.integers(0, 300), st.integers(0, 2**63 - 1)), max_size=40)


def plain(numbers: list[int]) -> bytes:
    """The same row, one number after the other."""
    out = bytearray()
    for number in numbers:
        while number > 127:
            out.append(number & 127 | 128)
            number >>= 7
        out.append(number)
    return bytes(out)


@given(numbers=numbers)
@example(numbers=[2**7 * 2**n - 1 for n in range(57)])
@example(numbers=[2**n for n in range(63)])
def test_a_row_is_that_of_the_plain_algorithm_and_comes_back(numbers: list[int]) -> None:
    assert varints_of(numbers) == varints_of(np.array(numbers, np.int64)) == plain(numbers)
    assert varints_of(iter(numbers * 100)) == plain(numbers * 100)
    assert varints_of(np.array(numbers * 100, np.int64)) == plain(numbers * 100)
    assert numbers_of(plain(numbers)) == numbers


@given(numbers=numbers, left=st.binary(max_size=8))
def test_a_number_that_is_cut_off_is_left_out(numbers: list[int], left: bytes) -> None:
    assert numbers_of(plain(numbers) + bytes(byte | 128 for byte in left)) == numbers


@pytest.mark.parametrize("more", [b"", b"\x01", b"\x80\x80"])
def test_a_number_beyond_63_bits_is_refused_wherever_it_stands(more: bytes) -> None:
    for raw in (b"\xff" * 9 + more, b"\x05" + b"\x80" * 9 + more):
        if len(raw) > 9 + (raw[0] == 5):
            with pytest.raises(ValueError, match="beyond all offsets"):
                numbers_of(raw)
