"""Duplicates: a property of one log, however it is cut into batches and whenever its reader restarts."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from shadowstream.joiner.seen import Seen

SPAN = 6
chunks = st.sampled_from([1, 3, 32_768])
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


@given(log=logs, chunk=chunks, cuts=st.lists(st.integers(1, 5), max_size=30))
def test_batches_cut_anywhere_give_the_same_duplicates(
    log: list[tuple[str | None, int]], chunk: int, cuts: list[int]
) -> None:
    ids, offsets = of_log(log)
    assert read(Seen(SPAN, chunk), ids, offsets, cuts) == by_definition(ids, offsets)


@given(log=logs, chunk=chunks, at=st.integers(0, 40), cuts=st.lists(st.integers(1, 5), max_size=30))
def test_a_restart_that_reads_one_span_again_finds_the_same(
    log: list[tuple[str | None, int]], chunk: int, at: int, cuts: list[int]
) -> None:
    ids, offsets = of_log(log)
    high = offsets[at] if at < len(offsets) else 1_000
    again = [i for i, offset in enumerate(offsets) if high - SPAN <= offset < high]
    new = [i for i, offset in enumerate(offsets) if offset >= high]
    after = Seen(SPAN, chunk)
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
    assert 100 <= len(seen) <= 150
