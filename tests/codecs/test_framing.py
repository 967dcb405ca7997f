"""How a value says which schema wrote it."""

import uuid

import pytest

from shadowstream.codecs.framing import Frame, frame, framed, headed, unheaded
from shadowstream.config import Format
from shadowstream.errors import RecordError

NAME = "__value_schema_id"
JSON_STARTS = [b"{}", b"[1]", b'"x"', b"-1.5", b"true", b"null", b"  {}", b"\n{}"]
FRAMES = [(framed(2**32 - 1) + b"x", Frame(2**32 - 1, 5)), (framed(7), Frame(7, 5))]
FRAMES += [(start, Frame(None, 0)) for start in JSON_STARTS]


@pytest.mark.parametrize(("value", "expected"), FRAMES)
def test_a_prefix_is_a_schema_id_and_json_is_json(value: bytes, expected: Frame) -> None:
    assert frame(value) == expected


@pytest.mark.parametrize("value", [b"", b"\0", b"\0\0\0\7", b"\x01\0\0\0\7x", b"\xc3\x01", b"hello", b"\xff"])
def test_anything_else_is_an_error_of_framing(value: bytes) -> None:
    with pytest.raises(RecordError) as caught:
        frame(value)
    assert caught.value.reason == "framing"


GUID = uuid.UUID("12345678-1234-5678-1234-567812345678")
HEADERS: dict[str, tuple[bytes, list[tuple[str, bytes]], Frame]] = {
    "it wins over the value, which is then bare": (framed(1) + b"x", [(NAME, framed(9))], Frame(9, 5)),
    "of two the last counts": (b"x", [(NAME, framed(1)), (NAME, framed(2))], Frame(2, 5)),
    "a GUID": (b"x", [(NAME, b"\1" + GUID.bytes)], Frame(GUID, 17)),
    "another header says nothing": (framed(7), [("trace", b"1")], Frame(7, 5)),
}


@pytest.mark.parametrize(("value", "headers", "expected"), HEADERS.values(), ids=HEADERS)
def test_a_header_names_the_schema(value: bytes, headers: list[tuple[str, bytes]], expected: Frame) -> None:
    framed_content, head = headed(value, headers, Format(header=True))
    assert framed_content is not None
    assert unheaded(framed_content, head)[0] == value if head else framed_content == value
    assert frame(framed_content, True) == expected


@pytest.mark.parametrize("content", [b"", b"\0\0\0\0", b"\1" + bytes(15), b"\2\0\0\0\1"])
def test_a_broken_header_is_an_error_and_no_guess(content: bytes) -> None:
    framed_content, head = headed(framed(7), [(NAME, content)], Format(header=True))
    assert framed_content is not None
    assert unheaded(framed_content, head) == (framed(7), content)
    with pytest.raises(RecordError, match=NAME) as caught:
        frame(framed_content, True)
    assert caught.value.reason == "framing"


def test_a_tombstone_stays_one_whatever_its_header_says() -> None:
    assert headed(None, [(NAME, framed(7))], Format(header=True)) == (None, 0)


def test_a_bare_avro_body_without_a_header_is_of_the_configured_schema() -> None:
    bare = Format(format="avro", header=True, schema_ids=[3])
    assert headed(b"\0x", None, bare) == (framed(3) + b"\0x", 5)
    assert headed(b"\0x", [(NAME, framed(9))], bare) == (framed(9) + b"\0x", 5)


def test_without_a_header_mode_a_first_byte_of_1_is_no_guid() -> None:
    with pytest.raises(RecordError):
        frame(b"\1" + bytes(16) + b"x")
