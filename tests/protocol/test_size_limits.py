"""Rows that would be too large for their topic: cut, said and counted, and never a commit that fails for ever."""

from typing import Any

from shadowstream.codecs import own
from shadowstream.compare.result import DIFFERENCES_MAX, TEXT_CHARS_MAX, Difference
from shadowstream.protocol.dead_letters import KEY_HEADER, FailedRecord, dead_letter
from shadowstream.protocol.size_limits import KEY_BYTES_MAX, PATH_CHARS_MAX, REASON_CHARS_MAX, ROW_BYTES_MAX, cut
from shadowstream.records import Partition
from tests.joiner.outcome_cases import P, S, begun, committed, done, play
from tests.least_config import redactor

LONG = "k" * (KEY_BYTES_MAX + 1)
WORST = "\U0001f600"  # four bytes as UTF-8, twelve characters as escaped JSON


def worst(over: int) -> dict[str, Any]:
    """A diff record of which every part without a bound of its own is `over` longer than is let through."""
    path, text = WORST * (PATH_CHARS_MAX + over), WORST * TEXT_CHARS_MAX
    place = {"topic": "t" * 249, "partition": 2**31 - 1, "offset": 2**63 - 1}
    return {
        "pair_id": "t" * 249 + "/2147483647/9223372036854775807",
        "task": "t" * 249 + "/2147483647",
        "outcome": "cardinality",
        "revision": "f" * 64,
        "time_ms": 2**62,
        "key": b"\xff" * (KEY_BYTES_MAX + over),
        "production": place,
        "shadow": place,
        "twin": place,
        "input": "t" * 249 + "/2147483647/9223372036854775807/2147483647",
        "identity": "occurrence",
        "id": b"\xff" * (KEY_BYTES_MAX + over),
        "differences": [Difference(path, "missing", text, text, 1e300).record() for _ in range(DIFFERENCES_MAX)],
        "reason": WORST * (REASON_CHARS_MAX + over),
        "late": True,
        "correction_of": "missing",
        "ambiguous": True,
    }


def test_the_largest_row_that_can_be_stays_below_what_a_client_takes() -> None:
    for over in (0, 1, 1_000):
        row = worst(over)
        assert cut(row) is (over > 0)
        assert max(len(own.encode_diff(row)), len(own.as_json(row))) < ROW_BYTES_MAX


def test_the_reason_names_cuts_and_the_row_is_readable() -> None:
    row = worst(1)
    cut(row)
    read = own.decode(own.encode_diff(row))[1]
    assert (read["key"], read["id"]) == (None, None)
    assert read["reason"].endswith(
        f"cut: key of {KEY_BYTES_MAX + 1} bytes, id of {KEY_BYTES_MAX + 1} bytes, {DIFFERENCES_MAX} paths, "
        f"reason of {REASON_CHARS_MAX + 1} characters"
    )
    assert {len(one["path"]) for one in read["differences"]} == {PATH_CHARS_MAX}


def test_a_row_without_its_key_in_diff_is_never_corrected() -> None:
    for restart in (False, True):
        world = begun()
        play(world, [S(LONG, of=3), committed(10), {"extra": 1}])
        (row,) = world.diff
        assert (row["key"], row["reason"]) == (None, f"cut: key of {len(LONG)} bytes")
        if restart:
            world.start_joiner()
        play(world, [P(LONG), done(10), {"missing": 1}])
        assert [(one["outcome"], one["late"]) for one in world.diff] == [("extra", False), ("missing", False)]


def test_a_dead_letter_is_never_larger_than_a_value_may_be() -> None:
    world = begun()
    value_bytes = world.config.limits.value_bytes_max
    write = dead_letter(
        world.config,
        redactor(),
        "joiner",
        FailedRecord(Partition("t", 0), 1, b"k" * 2_000_000, b"v" * 2_000_000, 5),
        ("E", "m"),
        "s",
    )
    assert len(write.key or b"") + len(write.value or b"") == value_bytes
    assert (KEY_HEADER, b"2000000") in (write.headers or [])
