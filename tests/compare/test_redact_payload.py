"""A value that no one can decode is shown as its length and the hash of its bytes, at the memory of a piece of it."""

import hmac
import tracemalloc

import pytest

from shadowstream.compare.redact import DROPPED, MARK, Redactor
from shadowstream.config import Compare


def redactor(values: str = "hashed") -> Redactor:
    return Redactor(Compare.model_validate({"examples": {"values": values}}).keyed("secret"))


@pytest.mark.parametrize("size", [1, 63, 64, 65, 300])
def test_a_text_is_shown_as_its_hmac_whatever_the_key(size: int) -> None:
    shows = Redactor(Compare.model_validate({"examples": {"values": "hashed"}}).keyed("s" * size))
    digest = hmac.digest(b"s" * size, "4711 é".encode(), "sha256").hex()[:16]
    assert shows.text("4711 é") == MARK + digest


def test_keys_in_columns_are_shown_as_each_key() -> None:
    keys = [b"a", "é".encode(), b"\xff", b'{"b": 1, "a": 2}', b"", b"\x00\x00\x00\x00\x01a"]
    for hides in (redactor(), redactor("none"), redactor("shown")):
        for column in (keys, [*keys, None]):
            assert list(hides.keys(column)) == list(map(hides.key, column))


@pytest.mark.parametrize("size", [0, 1, 999_999, 1_000_000, 1_000_001, 3_500_000])
def test_the_hash_is_that_of_the_whole_value(size: int) -> None:
    value = bytes(range(256)) * (size // 256) + bytes(size % 256)
    digest = hmac.digest(b"secret", value.decode("latin-1").encode(), "sha256").hex()[:16]
    assert redactor().payload(value) == f"{size} bytes, {MARK}{digest}".encode()


def test_nothing_of_a_value_is_shown_where_examples_are_off() -> None:
    assert redactor("none").payload(b"abc") == f"3 bytes, {DROPPED}".encode()
    assert redactor().payload(None) is None


def test_a_large_value_takes_no_copies() -> None:
    value = bytes(50_000_000)
    tracemalloc.start()
    redactor().payload(value)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000
