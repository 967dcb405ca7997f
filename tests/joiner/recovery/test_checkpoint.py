"""What a commit says comes back whole, and fits where the broker keeps it."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.errors import ConfigError
from shadowstream.joiner.recovery.checkpoint import Checkpoint, LogPlace, decode, encode, pending_of, pending_text
from shadowstream.records import METADATA_CHARS_MAX

offsets = st.frozensets(st.one_of(st.integers(0, 300), st.integers(0, 2**62)), max_size=60)
numbers = st.integers(0, 2**62)


@given(sequence=numbers, high=numbers, pending=offsets, progress=numbers, correctable_floor=numbers)
def test_a_checkpoint_comes_back_as_it_was(
    sequence: int, high: int, pending: frozenset[int], progress: int, correctable_floor: int
) -> None:
    checkpoint = Checkpoint(sequence, high, pending, progress, correctable_floor)
    text = encode(checkpoint)
    assert len(text) <= METADATA_CHARS_MAX
    assert decode(text) == checkpoint


@given(pending=offsets)
def test_a_pending_set_comes_back_from_the_state_record(pending: frozenset[int]) -> None:
    assert pending_of(pending_text(pending)) == pending


def test_the_place_of_a_log_comes_back_or_is_refused_as_impossible() -> None:
    place = LogPlace(base=7, parts=3, deltas=64, size=120_000)
    point = Checkpoint(9, 20, frozenset(), 4, 1, log=place)
    assert decode(encode(point)) == point
    for odd in (place._replace(base=10), place._replace(parts=10**9), place._replace(deltas=10**9)):
        with pytest.raises(ConfigError, match="names no log"):
            decode(encode(point._replace(log=odd)))


def scattered(n: int, span: int) -> frozenset[int]:
    return frozenset(random.Random(n).sample(range(span), n))


def test_a_thousand_scattered_in_two_hundred_thousand_fit_the_metadata() -> None:
    checkpoint = Checkpoint(9, 200_000, scattered(1_000, 200_000))
    assert decode(encode(checkpoint)) == checkpoint


def test_a_long_run_is_a_few_characters() -> None:
    checkpoint = Checkpoint(9, 2_000_000, frozenset(range(500_000, 600_000)))
    text = encode(checkpoint)
    assert len(text) < 100
    assert decode(text) == checkpoint


@pytest.mark.parametrize("n", [3_000, 10_000, 20_000])
def test_metadata_stays_small_and_the_state_record_holds_the_rest(n: int) -> None:
    pending = scattered(n, 200 * n)
    text = encode(Checkpoint(9, 200 * n, pending))
    assert len(text) <= METADATA_CHARS_MAX
    assert decode(text) == Checkpoint(9, 200 * n, frozenset(), overflow=True)
    assert pending_of(pending_text(pending)) == pending


@pytest.mark.parametrize("text", ["", "9abc", "hello", "1", "1zzz", "1" + "~" * 10, '{"offset": 1}'])
def test_metadata_that_we_did_not_write_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="metadata"):
        decode(text)
