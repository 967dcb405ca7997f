"""A batch whose pairs take long to compare is left in the middle, so that the consumer is polled in between."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from shadowstream.kafka.joining.hook_process import HookProcess
from shadowstream.kafka.joining.timed_comparison import TimedComparison
from shadowstream.kafka.step_time import STEP_S
from shadowstream.records import Batch, Partition
from tests.joiner.joiner_world import config

N = 1_000
UNORDERED = {"rules": [{"path": "x", "lists": "unordered"}]}


def batch() -> Batch:
    return Batch(Partition("out", 0), list(range(N)), [0] * N, [b"k"] * N, [b"v"] * N)


def taken(compare: dict[str, Any], work: Callable[[int], None]) -> list[int]:
    """How many records each part had."""
    settings = config(compare=compare)
    slow = TimedComparison(HookProcess(settings), settings.compare)
    parts: list[int] = []

    def read(part: Batch) -> None:
        parts.append(len(part))
        work(len(part))

    assert slow.take(batch(), read, lambda: None) == sum(parts)
    return parts


@pytest.mark.parametrize("lists", ["unordered", "set"])
def test_slow_lists_leave_the_rest_of_a_batch_to_the_next_turn(lists: str) -> None:
    began = time.monotonic()
    parts = taken({"rules": [{"path": "x", "lists": lists}]}, lambda n: time.sleep(0.05 * n))
    assert 0 < sum(parts) < N
    assert time.monotonic() - began < 3 * STEP_S


def test_quick_lists_soon_come_in_large_parts() -> None:
    parts = taken(UNORDERED, lambda n: None)
    assert sum(parts) == N
    assert len(parts) <= 6


@pytest.mark.parametrize("compare", [{}, {"rules": [{"path": "x", "key": "id"}]}])
def test_without_any_a_batch_stays_whole(compare: dict[str, Any]) -> None:
    assert taken(compare, lambda n: None) == [N]
