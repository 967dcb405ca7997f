"""Marks and counters on their way through Kafka: what is said comes back, and fits."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.codecs import own
from shadowstream.errors import ConfigError, ShadowstreamBug
from shadowstream.records import Place
from shadowstream.runner import marks
from shadowstream.runner.marks import Counters

REVISION = "00112233445566778899aabbccddeeff"
numbers = st.integers(0, 2**62)
names = st.text("abcz/-_.09", min_size=1, max_size=12)
counters = st.builds(
    Counters,
    numbers,
    numbers,
    numbers,
    st.dictionaries(st.sampled_from(marks.ABSENT_REASONS), numbers).map(Counter),
    st.dictionaries(names, numbers, max_size=8).map(Counter),
)


@given(said=counters)
def test_counters_come_back_from_the_commit_metadata(said: Counters) -> None:
    assert marks.of_metadata(marks.to_metadata(REVISION, said)) == said


@given(said=counters, ends=st.dictionaries(st.builds(Place, names, st.integers(0, 2**31 - 1)), numbers, max_size=5))
def test_a_mark_comes_back_from_the_progress_topic(said: Counters, ends: dict[Place, int]) -> None:
    record = marks.mark(
        "done",
        REVISION,
        input_topic="in",
        input_partition=3,
        to_offset=9,
        ends=marks.ends_field(ends),
        counters=said.record(),
    )
    written = marks.write("shadow.t.progress", record)
    assert (written.topic, written.partition, written.key) == ("shadow.t.progress", 0, b"in/3")
    name, read = own.decode(written.value or b"")
    assert (name, read) == ("mark", record)
    assert Counters.of(read["counters"]) == said
    assert {Place(e["topic"], e["partition"]): e["offset"] for e in read["ends"]} == ends


def test_counters_of_two_hundred_output_partitions_fit_the_metadata() -> None:
    written = Counter({f"a-topic-with-a-long-name/{p}": 10**12 + 7919 * p**3 % 10**9 for p in range(200)})
    text = marks.to_metadata(REVISION, Counters(10**12, 10**12, 0, Counter(error=10**9), written))
    assert len(text) <= marks.METADATA_CHARS_MAX


def test_metadata_that_would_not_fit_is_refused_and_not_cut() -> None:
    written = Counter({f"out/{p}": p * 48_271**5 % 10**18 for p in range(2_000)})
    with pytest.raises(ShadowstreamBug, match="the broker's limit"):
        marks.to_metadata(REVISION, Counters(written=written))


@pytest.mark.parametrize("text", ["", "2abc", "{}"])
def test_metadata_that_we_did_not_write_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="unknown form"):
        marks.of_metadata(text)


def test_a_mark_without_an_input_is_keyed_by_its_kind() -> None:
    assert marks.write("p", marks.mark("start", REVISION)).key == b"start"


def test_hashes_of_identities_fit_a_signed_long_and_differ() -> None:
    hashes = [marks.identity_hash(b"%d" % n) for n in range(10_000)]
    assert len(set(hashes)) == len(hashes)
    assert all(-(2**63) <= one < 2**63 for one in hashes)
    assert min(hashes) < 0 < max(hashes)
