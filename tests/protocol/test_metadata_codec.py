"""What earlier releases have committed is read, and what this one commits has the same form."""

import base64
import random
import zlib
from collections import Counter

import pytest

from shadowstream.errors import ConfigError
from shadowstream.joiner.recovery import checkpoint
from shadowstream.joiner.recovery.checkpoint import Checkpoint
from shadowstream.protocol.marks import Counters
from shadowstream.protocol.metadata_codec import SHORT_BYTES_MAX, opened, overflows, pack, unpack
from shadowstream.runner import commit_metadata
from shadowstream.runner.commit_metadata import StateNote

COUNTERS = Counters(3, 1, 1, Counter(error=1), Counter({"out/0": 2}))
CHECKPOINT = Checkpoint(3, 20, frozenset([5, 6, 9]), 7, 2)
SCATTERED = range(0, 20_000, 2)

JOINER = "1c${MvVP|4uWny9k00AlhEd"
JOINER_OVERFLOW = "2c%0*G=&WL4WB>pM=>d`"
PENDING = "c${NqVqydU02=@a"
RUNNER = (
    "1c$_86!3uyN5QO1(nX{19ZC@sglomo`UF#sedserfkC_Vb7iUfp1ZzWp>EbrfY;d#gODcL61&s!o4<G+@YyPsrizMmR`d(Po$5;Dnu%M~62Pe@V?f"
)
RUNNER_OVERFLOW = "2c$}+NDoQQOEY8f&Q?gPrFi1;N(oxDzEhtg4iZ<7YHi(U_1pvZC3bz"
"""Recorded before there was this codec."""


def test_metadata_of_earlier_releases_is_read() -> None:
    assert checkpoint.decode(JOINER) == CHECKPOINT
    assert checkpoint.decode(JOINER_OVERFLOW) == Checkpoint(9, 2_000_000, frozenset(), 4, 1, overflow=True)
    assert checkpoint.pending_of(PENDING) == {3, 4, 7}
    assert commit_metadata.of_metadata(RUNNER) == COUNTERS
    assert commit_metadata.overflow_of(RUNNER_OVERFLOW, 9) == commit_metadata.CounterOverflow(9, "00ff")
    assert commit_metadata.kept_of(RUNNER_OVERFLOW) == StateNote(7, [0], "00ff")


def test_metadata_is_written_in_the_recorded_form() -> None:
    """The body to the byte, and the packing: how zlib finds its matches is not ours."""
    large = Counters(3, 1, 1, Counter(), Counter({f"{n * 7919 % 9973}/{n}": n * n for n in range(3_000)}))
    for written, recorded in (
        (checkpoint.encode(CHECKPOINT), JOINER),
        (checkpoint.encode(Checkpoint(9, 2_000_000, frozenset(n * n for n in SCATTERED), 4, 1)), JOINER_OVERFLOW),
        (commit_metadata.to_metadata("00ff", COUNTERS), RUNNER),
        (commit_metadata.to_metadata("00ff", large, StateNote(7, [0])), RUNNER_OVERFLOW),
    ):
        assert written[0] == recorded[0]
        assert unpack(written[1:]) == unpack(recorded[1:])
        assert zlib.decompress(base64.b85decode(written[1:])) == unpack(written[1:])
        assert overflows(written) == (recorded[0] == "2")
    assert unpack(checkpoint.pending_text([7, 3, 4])) == unpack(PENDING)


@pytest.mark.parametrize("size", range(2 * SHORT_BYTES_MAX))
def test_a_body_of_any_size_is_one_whole_zlib_stream(size: int) -> None:
    body = random.Random(size).randbytes(size)
    stream = zlib.decompressobj()
    raw = base64.b85decode(pack(body))
    assert (stream.decompress(raw), stream.eof, stream.unused_data) == (body, True, b"")
    assert len(raw) <= len(zlib.compress(body)) + 4
    if size > SHORT_BYTES_MAX:
        assert raw == zlib.compress(body, 6)
    broken = raw[:-1] + bytes([raw[-1] ^ 1])  # the checksum covers a stored body too
    with pytest.raises(zlib.error):
        unpack(base64.b85encode(broken).decode())


@pytest.mark.parametrize(("text", "why"), [("", "unknown form"), ("9abc", "unknown form"), ("1zzz", "cannot be read")])
def test_what_nobody_of_this_release_wrote_is_refused_with_what_to_do(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        opened(text, bytes.decode)
    with pytest.raises(ConfigError, match="cannot be read"):
        opened("1" + pack(b"\xff"), bytes.decode)
