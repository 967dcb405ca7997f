"""Marks and counters on their way through Kafka: what is said comes back, and fits."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.codecs import own
from shadowstream.errors import ConfigError, ShadowstreamBug
from shadowstream.protocol import marks
from shadowstream.protocol.marks import Counters
from shadowstream.protocol.outcomes import BY_CAUSE
from shadowstream.records import METADATA_CHARS_MAX, Partition
from shadowstream.runner import commit_metadata
from shadowstream.runner.commit_metadata import CounterOverflow, StateNote

REVISION = "00112233445566778899aabbccddeeff"
numbers = st.integers(0, 2**62)
names = st.text("abcz/-_.09", min_size=1, max_size=12)
counters = st.builds(
    Counters,
    numbers,
    numbers,
    numbers,
    st.dictionaries(st.sampled_from(sorted(BY_CAUSE)), numbers).map(Counter),
    st.dictionaries(names, numbers, max_size=8).map(Counter),
)


@given(given_counters=counters)
def test_counters_come_back_from_the_commit_metadata(given_counters: Counters) -> None:
    assert commit_metadata.of_metadata(commit_metadata.to_metadata(REVISION, given_counters)) == given_counters


@given(
    given_counters=counters,
    ends=st.dictionaries(st.builds(Partition, names, st.integers(0, 2**31 - 1)), numbers, max_size=5),
)
def test_a_mark_comes_back_from_the_progress_topic(given_counters: Counters, ends: dict[Partition, int]) -> None:
    record = marks.mark(
        "done",
        REVISION,
        input_topic="in",
        input_partition=3,
        to_offset=9,
        ends=marks.ends_field(ends),
        counters=given_counters.record(),
    )
    written = marks.write("shadow.t.progress", record)
    assert (written.topic, written.partition, written.key) == ("shadow.t.progress", 0, b"in/3")
    name, read = own.decode(written.value or b"")
    assert (name, read) == ("mark", record)
    assert Counters.of(read["counters"]) == given_counters
    assert {Partition(e["topic"], e["partition"]): e["offset"] for e in read["ends"]} == ends


def test_counters_of_two_hundred_output_partitions_fit_the_metadata() -> None:
    written = Counter({f"a-topic-with-a-long-name/{p}": 10**12 + 7919 * p**3 % 10**9 for p in range(200)})
    text = commit_metadata.to_metadata(REVISION, Counters(10**12, 10**12, 0, Counter(error=10**9), written))
    assert len(text) <= METADATA_CHARS_MAX


def test_counters_of_thousands_of_partitions_are_restored_from_their_record() -> None:
    written = Counter({f"out/{p}": p * 48_271**5 % 10**18 for p in range(5_000)})
    counters = Counters(10**12, 10**12, 0, Counter(error=10**9), written)
    text = commit_metadata.to_metadata(REVISION, counters, StateNote(70, [2, 9]))
    assert len(text) <= 200
    assert commit_metadata.kept_of(text) == StateNote(70, [2, 9], REVISION)
    overflow = commit_metadata.overflow_of(text, 77)
    assert overflow == CounterOverflow(77, REVISION)
    write = overflow.write(Partition("shadow.t.runner-state", 1), counters, Partition("in", 5))
    assert (write.topic, write.partition, write.key) == ("shadow.t.runner-state", 1, b"counters in/5")
    name, record = own.decode(write.value or b"")
    assert (name, record["input"], record["offset"], record["revision"]) == ("runner_state", "in/5", 77, REVISION)
    assert Counters.of(record["counters"]) == counters


def test_metadata_without_its_counters_is_not_taken_for_a_new_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_metadata, "METADATA_CHARS_MAX", 0)
    with pytest.raises(ShadowstreamBug, match="in the record that it names"):
        commit_metadata.of_metadata(commit_metadata.to_metadata(REVISION, Counters(read=3)))


def test_metadata_that_fits_is_as_it_was_before_there_were_others() -> None:
    counters = Counters(9, 8, 1, Counter(error=2), Counter({"out/3": 8}))
    before = (
        "1c$^)JOA5mv6aeq?)<UDk__<05MdJ&V77c3JMabRz+TAeBoKW$dS}GYF3<KvvNI8y5O_SEfSnGWV>l!2CwgIEsM{t("
        "GC-uj@9DP4JIK!Z&7iL1vz=!t76R_4&!HJ9dntI3lvvl1gO=O?AQ#fljbEcN%`T|j;EMN"
    )
    assert commit_metadata.of_metadata(before) == counters
    assert commit_metadata.kept_of(before) == StateNote(7, [1, 5], REVISION)
    assert commit_metadata.overflow_of(before, 9) is None
    assert commit_metadata.overflow_of(commit_metadata.to_metadata(REVISION, counters), 9) is None


@pytest.mark.parametrize("text", ["", "9abc", "{}"])
def test_metadata_that_we_did_not_write_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="unknown form"):
        commit_metadata.of_metadata(text)


def test_a_mark_without_an_input_is_keyed_by_its_kind() -> None:
    assert marks.write("p", marks.mark("start", REVISION)).key == b"start"


def test_hashes_of_identities_fit_a_signed_long_and_differ() -> None:
    hashes = [marks.identity_hash(b"%d" % n) for n in range(10_000)]
    assert len(set(hashes)) == len(hashes)
    assert all(-(2**63) <= one < 2**63 for one in hashes)
    assert min(hashes) < 0 < max(hashes)
