"""Duplicates: a property of one log, however it is cut into batches and whenever its reader restarts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.joiner.seen import Seen

SPAN = 6
firsts = st.sampled_from([1, 3, 4_096])
logs = st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(1, 4)), max_size=40)


def of_log(log: Sequence[tuple[str | None, int]]) -> tuple[list[str | None], list[int]]:
    """Ids and offsets; each record lies some offsets after the one before."""
    offsets, at = [], 0
    for _, gap in log:
        at += gap
        offsets.append(at)
    return [id_ for id_, _ in log], offsets


def by_definition(ids: Sequence[str | None], offsets: Sequence[int]) -> set[int]:
    """Offsets of records with an id that stands at most SPAN offsets before as well."""
    return {
        offsets[i]
        for i, id_ in enumerate(ids)
        if id_ is not None and any(ids[n] == id_ and offsets[i] - offsets[n] <= SPAN for n in range(i))
    }


def read(seen: Seen, ids: Sequence[str | None], offsets: Sequence[int], cuts: Sequence[int]) -> set[int]:
    found, at = set(), 0
    for n in [*cuts, len(ids)]:
        if ids[at : at + n]:
            found |= {offsets[at + i] for i in seen.repeats(ids[at : at + n], offsets[at : at + n])}
        at += n
    return found


@given(log=logs, first=firsts, cuts=st.lists(st.integers(1, 5), max_size=30))
def test_batches_cut_anywhere_give_the_same_duplicates(
    log: list[tuple[str | None, int]], first: int, cuts: list[int]
) -> None:
    ids, offsets = of_log(log)
    assert read(Seen(SPAN, first), ids, offsets, cuts) == by_definition(ids, offsets)


@given(log=logs, first=firsts, at=st.integers(0, 40), cuts=st.lists(st.integers(1, 5), max_size=30))
def test_a_restart_that_reads_one_span_again_finds_the_same(
    log: list[tuple[str | None, int]], first: int, at: int, cuts: list[int]
) -> None:
    ids, offsets = of_log(log)
    high = offsets[at] if at < len(offsets) else 1_000
    again = [i for i, offset in enumerate(offsets) if high - SPAN <= offset < high]
    new = [i for i, offset in enumerate(offsets) if offset >= high]
    after = Seen(SPAN, first)
    if again:
        after.add([ids[i] for i in again], [offsets[i] for i in again])
    found = read(after, [ids[i] for i in new], [offsets[i] for i in new], cuts)
    assert found == {offset for offset in by_definition(ids, offsets) if offset >= high}


def test_the_span_is_counted_in_offsets_from_the_record_before() -> None:
    assert Seen(10).repeats(["a", "a", "a", "a"], [0, 10, 20, 31]) == {1, 2}


def test_memory_is_that_of_the_span_and_not_of_the_log() -> None:
    seen = Seen(100, 20)
    for first in range(0, 10_000, 10):
        seen.repeats([f"{n}" for n in range(first, first + 10)], range(first, first + 10))
    assert len(seen) == 101


def test_many_records_are_found_whatever_buckets_they_share() -> None:
    seen, numbers = Seen(50_000, 64), list(range(30_000))
    assert not seen.repeats(numbers, numbers)
    # Another 20,000 that share a few buckets, then every one of the last 50,000 again.
    more = [n << 10 for n in range(30, 20_030)]
    assert not seen.repeats(more, range(30_000, 50_000))
    again = [n for pair in zip(numbers, more, strict=False) for n in pair]
    told: set[int] = set()
    for at in range(0, len(again), 1_000):
        part = again[at : at + 1_000]
        told |= {part[i] for i in seen.repeats(part, [50_000] * len(part))}
    assert told == set(again)


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
    seen, found = Seen(700, 1), set()
    for at in range(0, 3_000, batch):
        part = offsets[at : at + batch]
        found |= {part[i] for i in seen.repeats(ids[at : at + batch], part)}
    assert found == expected
