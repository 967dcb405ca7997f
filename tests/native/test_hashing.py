"""SipHash by its published values, and by chance against a reading of the same paper in Python."""

import random

import numpy as np
import pytest

from shadowstream.native.library import Kernel, Values

KEY = np.frombuffer(bytes(range(16)), np.uint64)
PUBLISHED = {
    0: 0x726FDB47DD0E0E31,
    1: 0x74F839C593DC67FD,
    7: 0xAB0200F58B01D137,
    8: 0x93F5F5799A932462,
    15: 0xA129CA6149BE45E5,
}
"""SipHash-2-4 of the bytes 0, 1, 2 ... by their number, from the paper's reference code."""
WORD = 2**64 - 1


def siphash(key: tuple[int, int], text: bytes, rounds: int, last_rounds: int) -> int:
    v = [
        key[0] ^ 0x736F6D6570736575,
        key[1] ^ 0x646F72616E646F6D,
        key[0] ^ 0x6C7967656E657261,
        key[1] ^ 0x7465646279746573,
    ]

    def left(x: int, n: int) -> int:
        return (x << n | x >> (64 - n)) & WORD

    def turn(n: int) -> None:
        for _ in range(n):
            v[0] = (v[0] + v[1]) & WORD
            v[1] = left(v[1], 13) ^ v[0]
            v[0] = left(v[0], 32)
            v[2] = (v[2] + v[3]) & WORD
            v[3] = left(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & WORD
            v[3] = left(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & WORD
            v[1] = left(v[1], 17) ^ v[2]
            v[2] = left(v[2], 32)

    padded = text + bytes(7 - len(text) % 8) + bytes([len(text) & 255])
    for begin in range(0, len(padded), 8):
        word = int.from_bytes(padded[begin : begin + 8], "little")
        v[3] ^= word
        turn(rounds)
        v[0] ^= word
    v[2] ^= 0xFF
    turn(last_rounds)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def laid(texts: list[bytes]) -> Values:
    return Values.of(texts)


def test_hashes_are_the_published_ones(kernel: Kernel) -> None:
    texts = [bytes(range(n)) for n in PUBLISHED]
    assert kernel.hashes(laid(texts), KEY, (2, 4)).tolist() == list(PUBLISHED.values())


def test_hashes_of_any_bytes_are_those_of_the_paper(kernel: Kernel) -> None:
    by_chance = random.Random(7)
    texts = [by_chance.randbytes(n) for n in range(300)]
    key = int(kernel.key[0]), int(kernel.key[1])
    assert kernel.hashes(laid(texts)).tolist() == [siphash(key, one, 1, 3) for one in texts]


def test_texts_are_laid_as_python_joins_them(kernel: Kernel) -> None:
    texts = [b"", b"a", b"", b"\x00bc", b"d" * 300]
    for given in (texts, tuple(texts), []):
        by_python, found = Values.of(given, 300), kernel.laid(given, 300)
        assert found.buffer.tobytes() == by_python.buffer.tobytes()
        assert (found.offsets.tolist(), found[2:]) == (by_python.offsets.tolist(), by_python[2:])


def test_a_text_that_is_too_long_is_refused_before_any_is_copied(kernel: Kernel) -> None:
    texts = [b"ab", b"abc", b"a"]
    for lay in (Values.of, kernel.laid):
        assert len(lay(texts, 3)) == len(lay([], 0)) + 3
        with pytest.raises(OverflowError, match="more than 2 bytes"):
            lay(texts, 2)


@pytest.mark.parametrize("odd", [None, "a", bytearray(b"a"), 7, (b"a",)])
def test_what_is_no_text_is_refused(kernel: Kernel, odd: object) -> None:
    with pytest.raises(TypeError, match="expected bytes"):
        kernel.laid([b"a", odd])


def test_texts_are_measured_where_they_are_as_in_one_buffer(kernel: Kernel) -> None:
    texts = [random.Random(9).randbytes(n) for n in (0, 1, 7, 8, 9, 300)]
    found = kernel.measured(tuple(texts))
    assert found.hashes.tolist() == kernel.hashes(kernel.laid(texts)).tolist()
    assert found.offsets.tolist() == kernel.laid(texts).offsets.tolist()
    with pytest.raises(TypeError):
        kernel.measured([b"a", None])
