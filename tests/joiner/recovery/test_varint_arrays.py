"""Rows of varints by arrays against the plain way, number by number."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shadowstream.joiner.recovery import varint_arrays
from shadowstream.protocol import varints

numbers = st.lists(st.one_of(st.integers(0, 300), st.integers(0, 2**63 - 1)), max_size=40)
MANY = varint_arrays.FEW


@given(numbers=numbers)
@example(numbers=[2**7 * 2**n - 1 for n in range(57)])
@example(numbers=[2**n for n in range(63)])
def test_a_row_is_that_of_the_plain_way_and_comes_back(numbers: list[int]) -> None:
    for row in (numbers, numbers * MANY):
        plain = varints.varints_of(row)
        assert varint_arrays.varints_of(np.array(row, np.int64)) == plain
        assert varint_arrays.numbers_of(plain) == varints.numbers_of(plain) == row


@given(numbers=numbers, left=st.binary(max_size=8))
def test_a_number_that_is_cut_off_is_left_out(numbers: list[int], left: bytes) -> None:
    row = numbers * MANY
    assert varint_arrays.numbers_of(varints.varints_of(row) + bytes(byte | 128 for byte in left)) == row


@pytest.mark.parametrize("before", [b"", b"\x05", b"\x05" * MANY])
@pytest.mark.parametrize("more", [b"\x01", b"\x80\x80"])
def test_a_number_beyond_63_bits_is_refused_wherever_it_is(before: bytes, more: bytes) -> None:
    for read in (varints.numbers_of, varint_arrays.numbers_of):
        with pytest.raises(ValueError, match="beyond all offsets"):
            read(before + b"\xff" * 9 + more)
