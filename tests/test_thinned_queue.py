"""A thinned queue answers as the whole queue would, at most a little later, and never wrongly."""

from hypothesis import given
from hypothesis import strategies as st

from shadowstream.thinned_queue import ThinnedQueue

STEPS = st.lists(st.one_of(st.integers(1, 5), st.just(0)), max_size=200)
"""An observation that is so much greater than the one before, or (0) the oldest is taken."""


@given(st.integers(2, 12), STEPS)
def test_oldest_and_newest_stay_and_what_stays_was_observed_in_this_order(limit: int, steps: list[int]) -> None:
    queue, whole, now = ThinnedQueue[int](limit), list[int](), 0
    for step in steps:
        if step:
            now += step
            queue.append(now)
            whole.append(now)
        elif queue:
            oldest = whole[0]
            assert queue.popleft() == oldest
            whole = [one for one in whole if queue and one >= queue[0]]
        kept = list(queue)
        assert len(queue) == len(kept) <= limit
        assert set(kept) <= set(whole)
        assert kept == sorted(kept)
        assert bool(kept) == bool(whole)
        if kept:
            assert (queue[0], queue[-1]) == (whole[0], whole[-1])


@given(st.integers(2, 12), st.lists(st.sets(st.integers(0, 30), max_size=4), max_size=100))
def test_merged_neighbours_hold_all_that_was_observed(limit: int, observed: list[set[int]]) -> None:
    queue = ThinnedQueue[frozenset[int]](limit, frozenset.union)
    for one in observed:
        queue.append(frozenset(one))
    assert frozenset().union(*queue) == frozenset().union(*observed)
    assert len(queue) <= limit
