"""The packed header: what goes in comes out, and what is not ours is refused."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.errors import RecordError
from shadowstream.protocol.headers import pack, unpack
from shadowstream.records import Batch, InputCoordinate, Partition, Side

REVISIONS = st.from_regex(r"[0-9a-f]{16,64}", fullmatch=True)
COORDINATES = st.builds(
    InputCoordinate,
    topic=st.integers(0, 2**16 - 1),
    partition=st.integers(0, 2**32 - 1),
    offset=st.integers(0, 2**64 - 1),
    k=st.integers(0, 2**32 - 1),
)
TIMES_MS = st.integers(-(2**63), 2**63 - 1)
AT = InputCoordinate(1, 3, 12, 2)


@given(REVISIONS, COORDINATES, TIMES_MS, TIMES_MS, st.booleans())
def test_what_is_packed_is_unpacked(
    revision: str, at: InputCoordinate, input_time_ms: int, emit_time_ms: int, warm: bool
) -> None:
    packed = unpack(pack(revision, at, input_time_ms, emit_time_ms, warm=warm))
    assert packed == (revision[:16], at, input_time_ms, emit_time_ms, warm)
    assert isinstance(packed.coordinate, InputCoordinate)


@given(REVISIONS, COORDINATES, COORDINATES)
def test_two_coordinates_never_share_a_header(revision: str, one: InputCoordinate, other: InputCoordinate) -> None:
    assert (pack(revision, one, 0, 0) == pack(revision, other, 0, 0)) == (one == other)


def test_the_layout_is_fixed_since_other_programs_read_it() -> None:
    raw = pack("00112233445566778899", AT, 1000, -2)
    assert raw.hex() == "010011223344556677000100000003000000000000000c00000002" + ("00000000000003e8fffffffffffffffe")
    assert len(raw) == 43


@given(st.binary(max_size=100).filter(lambda raw: len(raw) != 43 or raw[0] != 1))
def test_bytes_from_elsewhere_are_a_record_error_of_framing(raw: bytes) -> None:
    with pytest.raises(RecordError, match="43 bytes of version 1") as caught:
        unpack(raw)
    assert caught.value.reason == "framing"


@given(st.integers(0, 42))
def test_a_header_cut_short_is_refused(length: int) -> None:
    with pytest.raises(RecordError):
        unpack(pack("00" * 8, AT, 0, 0)[:length])


@pytest.mark.parametrize(
    "at", [AT._replace(topic=2**16), AT._replace(partition=-1), AT._replace(offset=-1), AT._replace(k=2**32)]
)
def test_a_coordinate_that_does_not_fit_is_not_cut_off_silently(at: InputCoordinate) -> None:
    with pytest.raises(struct.error):
        pack("00" * 8, at, 0, 0)


def test_a_side_and_a_place_are_written_as_people_say_them() -> None:
    assert [side.word for side in Side] == ["production", "shadow", "twin"]
    assert str(Partition("scores", 3)) == "scores/3"


def test_a_batch_is_as_long_as_its_columns() -> None:
    batch = Batch(Partition("scores", 0), [7, 9], [1, 2], [b"a", None], [None, b"b"])
    assert len(batch) == 2
    assert batch.headers == ()
