"""How a value says which schema wrote it."""

import uuid

import pytest

from shadowstream.codecs.framing import Frame, frame, framed
from shadowstream.errors import RecordError


def test_a_prefix_of_zero_and_four_bytes_is_a_schema_id() -> None:
    assert frame(framed(2**32 - 1) + b"x") == Frame(2**32 - 1, 5)


def test_a_frame_without_a_body_is_a_frame() -> None:
    assert frame(framed(7)) == Frame(7, 5)


@pytest.mark.parametrize("value", [b"{}", b"[1]", b'"x"', b"-1.5", b"true", b"null", b"  {}", b"\n{}"])
def test_the_start_of_a_json_text_is_json(value: bytes) -> None:
    assert frame(value) == Frame(None, 0)


@pytest.mark.parametrize("value", [b"", b"\0", b"\0\0\0\7", b"\x01\0\0\0\7x", b"\xc3\x01", b"hello", b"\xff"])
def test_anything_else_is_an_error_of_framing(value: bytes) -> None:
    with pytest.raises(RecordError) as caught:
        frame(value)
    assert caught.value.reason == "framing"


def test_the_header_wins_over_the_value_which_is_then_bare() -> None:
    assert frame(framed(1) + b"x", [("__value_schema_id", framed(9))]) == Frame(9, 0)


def test_of_two_headers_the_last_counts() -> None:
    assert frame(b"x", [("__value_schema_id", framed(1)), ("__value_schema_id", framed(2))]).schema_id == 2


def test_a_header_may_name_the_schema_by_guid() -> None:
    guid = uuid.UUID("12345678-1234-5678-1234-567812345678")
    assert frame(b"x", [("__value_schema_id", b"\1" + guid.bytes)]) == Frame(guid, 0)


@pytest.mark.parametrize("content", [b"", b"\0\0\0\0", b"\1" + bytes(15), b"\2\0\0\0\1"])
def test_a_broken_header_is_an_error_and_no_guess(content: bytes) -> None:
    with pytest.raises(RecordError, match="__value_schema_id") as caught:
        frame(framed(7), [("__value_schema_id", content)])
    assert caught.value.reason == "framing"


def test_other_headers_say_nothing() -> None:
    assert frame(framed(7), [("trace", b"1")]) == Frame(7, 5)
