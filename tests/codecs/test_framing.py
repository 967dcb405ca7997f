"""How a value says which schema wrote it."""

import uuid

import pytest

from shadowstream.codecs.framing import Frame, frame, framed, headed, unheaded
from shadowstream.config import Format
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


def by_header(value: bytes, headers: list[tuple[str, bytes]]) -> Frame:
    framed_content, head = headed(value, headers, Format(header=True))
    assert framed_content is not None
    assert unheaded(framed_content, head)[0] == value if head else framed_content == value
    return frame(framed_content, True)


def test_the_header_wins_over_the_value_which_is_then_bare() -> None:
    assert by_header(framed(1) + b"x", [("__value_schema_id", framed(9))]) == Frame(9, 5)


def test_of_two_headers_the_last_counts() -> None:
    assert by_header(b"x", [("__value_schema_id", framed(1)), ("__value_schema_id", framed(2))]).schema_id == 2


def test_a_header_may_name_the_schema_by_guid() -> None:
    guid = uuid.UUID("12345678-1234-5678-1234-567812345678")
    assert by_header(b"x", [("__value_schema_id", b"\1" + guid.bytes)]) == Frame(guid, 17)


@pytest.mark.parametrize("content", [b"", b"\0\0\0\0", b"\1" + bytes(15), b"\2\0\0\0\1"])
def test_a_broken_header_is_an_error_and_no_guess(content: bytes) -> None:
    framed_content, head = headed(framed(7), [("__value_schema_id", content)], Format(header=True))
    assert framed_content is not None
    assert unheaded(framed_content, head) == (framed(7), content)
    with pytest.raises(RecordError, match="__value_schema_id") as caught:
        frame(framed_content, True)
    assert caught.value.reason == "framing"


def test_other_headers_say_nothing() -> None:
    assert by_header(framed(7), [("trace", b"1")]) == Frame(7, 5)


def test_a_tombstone_stays_one_whatever_its_header_says() -> None:
    assert headed(None, [("__value_schema_id", framed(7))], Format(header=True)) == (None, 0)


def test_a_bare_avro_body_without_a_header_is_of_the_configured_schema() -> None:
    bare = Format(format="avro", header=True, schema_ids=[3])
    assert headed(b"\0x", None, bare) == (framed(3) + b"\0x", 5)
    assert headed(b"\0x", [("__value_schema_id", framed(9))], bare) == (framed(9) + b"\0x", 5)


def test_without_a_header_mode_a_first_byte_of_1_is_no_guid() -> None:
    with pytest.raises(RecordError):
        frame(b"\1" + bytes(16) + b"x")
