"""Repeats: a property of one log, however it is cut into batches and whenever its reader restarts."""

import time
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.joiner.intake.dedupe import DedupeWindow, Digests, digests
from shadowstream.native import library

SPAN = 6
firsts = st.sampled_from([1, 3, 4_096])
kernels = st.sampled_from([None, library.state().kernel])
logs = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", None]), st.sampled_from("xyz"), st.integers(1, 4)), max_size=40
)
Log = Sequence[tuple[str | None, str, int]]


class Columns(NamedTuple):
    """Ids, contents and offsets of a log."""

    ids: list[str | None]
    contents: list[str]
    offsets: list[int]

    def part(self, begin: int, end: int) -> tuple[list[str | None], Digests, list[int]]:
        """As `DedupeWindow.repeats` takes it."""
        return self.ids[begin:end], digests(self.contents[begin:end]), self.offsets[begin:end]


def of_log(log: Log) -> Columns:
    """Each record lies some offsets after the one before."""
    return Columns([id_ for id_, _, _ in log], [c for _, c, _ in log], list(accumulate(gap for _, _, gap in log)))


def by_definition(log: Columns) -> dict[int, bool]:
    """Offsets of records with an id that stands at most SPAN offsets before as well; whether one with its content."""
    found = {}
    for i, (id_, content, offset) in enumerate(zip(*log, strict=True)):
        near = [n for n in range(i) if log.ids[n] == id_ and offset - log.offsets[n] <= SPAN]
        if id_ is not None and near:
            found[offset] = any(log.contents[n] == content for n in near)
    return found


def read(seen: DedupeWindow, log: Columns, begin: int, cuts: Sequence[int]) -> dict[int, bool]:
    found, at = {}, begin
    for n in [*cuts, len(log.ids)]:
        if log.ids[at : at + n]:
            part = log.part(at, at + n)
            found |= {part[2][i]: equal for i, equal in seen.repeats(*part).items()}
        at += n
    return found


@given(log=logs, first=firsts, cuts=st.lists(st.integers(1, 5), max_size=30), kernel=kernels)
def test_batches_cut_anywhere_give_the_same_repeats(
    log: Log, first: int, cuts: list[int], kernel: library.Kernel | None
) -> None:
    columns = of_log(log)
    assert read(DedupeWindow(SPAN, first, kernel), columns, 0, cuts) == by_definition(columns)


@given(log=logs, first=firsts, at=st.integers(0, 40), cuts=st.lists(st.integers(1, 5), max_size=30), kernel=kernels)
def test_a_restart_that_reads_one_span_again_finds_the_same(
    log: Log, first: int, at: int, cuts: list[int], kernel: library.Kernel | None
) -> None:
    columns = of_log(log)
    offsets = columns.offsets
    high = offsets[at] if at < len(offsets) else 1_000
    begin, new = bisect_left(offsets, high - SPAN), bisect_left(offsets, high)
    after = DedupeWindow(SPAN, first, kernel)
    if begin < new:
        after.repeats(*columns.part(begin, new))
    found = read(after, columns, new, cuts)
    assert found == {offset: equal for offset, equal in by_definition(columns).items() if offset >= high}


def test_the_span_is_counted_in_offsets_from_the_record_before() -> None:
    assert DedupeWindow(10).repeats(["a"] * 4, digests("1111"), [0, 10, 20, 31]) == {1: True, 2: True}


def test_a_producer_that_was_set_back_repeats_what_it_wrote() -> None:
    assert DedupeWindow(10).repeats(["a"] * 5, digests("12123"), range(5)) == {1: False, 2: True, 3: True, 4: False}


def test_one_id_with_changing_content_takes_linear_time_and_bounded_memory() -> None:
    seen = DedupeWindow(20_000, 20)
    begun = time.process_time()
    for first in range(0, 200_000, 1_000):
        found = seen.repeats(["a"] * 1_000, digests(range(first, first + 1_000)), range(first, first + 1_000))
        assert not any(found.values())
    assert time.process_time() - begun < 10
    assert len(seen._superseded) <= 2 * 20_000 + 1_000


def test_memory_is_that_of_the_span_and_not_of_the_log() -> None:
    seen = DedupeWindow(100, 20)
    for first in range(0, 10_000, 10):
        seen.repeats([f"{n}" for n in range(first, first + 10)], digests("0" * 10), range(first, first + 10))
    assert len(seen) == 101


def test_many_records_are_found_whatever_buckets_they_share() -> None:
    seen, numbers = DedupeWindow(50_000, 64), list(range(30_000))
    assert not seen.repeats(numbers, digests(numbers), numbers)
    # Another 20,000 that share a few buckets, then every one of the last 50,000 again.
    more = [n << 10 for n in range(30, 20_030)]
    assert not seen.repeats(more, digests(more), range(30_000, 50_000))
    again = [n for pair in zip(numbers, more, strict=False) for n in pair]
    duplicates: set[int] = set()
    for at in range(0, len(again), 1_000):
        part = again[at : at + 1_000]
        duplicates |= {part[i] for i in seen.repeats(part, digests(part), [50_000] * len(part))}
    assert duplicates == set(again)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32), batch=st.sampled_from([1, 17, 400]))
def test_long_logs_give_the_same_duplicates_as_by_definition(seed: int, batch: int) -> None:
    draw = np.random.default_rng(seed)
    ids = draw.integers(0, 900, 3_000).tolist()
    offsets = np.cumsum(draw.integers(1, 4, 3_000)).tolist()
    last: dict[int, int] = {}
    expected = set()
    for id_, offset in zip(ids, offsets, strict=True):
        if id_ in last and offset - last[id_] <= 700:
            expected.add(offset)
        last[id_] = offset
    seen, found = DedupeWindow(700, 1), set()
    for at in range(0, 3_000, batch):
        part = offsets[at : at + batch]
        found |= {part[i] for i in seen.repeats(ids[at : at + batch], digests(part), part)}
    assert found == expected
