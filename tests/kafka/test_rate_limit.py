"""The ceiling on what a process reads: kept over any time, without a loss, and reported."""

from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import generate_latest

from shadowstream.kafka import rate_limit
from shadowstream.kafka.rate_limit import RateLimit, prefetch, sides_of
from shadowstream.testing.memory.clock import ManualClock
from shadowstream.testing.memory.inside import inside
from tests.kafka.test_loop import World
from tests.least_config import least_config
from tests.metrics.scraping import Scrape


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    with inside(made.broker, made.host):
        yield made


class Sized:
    """A message of a size."""

    def __init__(self, key: int, value: int) -> None:
        self._key, self._value = key, value

    def __len__(self) -> int:
        return self._value

    def key(self) -> bytes:
        return b"k" * self._key


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    clock = ManualClock()
    monkeypatch.setattr(rate_limit, "time", clock)
    return clock


def read_within(clock: ManualClock, limit: RateLimit, seconds: float, message: Any) -> int:
    """The number of messages that are read by turns of at most 500 records."""
    end, read = clock.monotonic() + seconds, 0
    while clock.monotonic() < end:
        n = limit.room(500)
        if n:
            limit.took([message] * n)
            read += n
        else:
            limit.wait()
    return read


@pytest.mark.parametrize("per_s", [1, 30, 1_000, 50_000])
def test_no_more_records_are_read_than_the_ceiling_allows(clock: ManualClock, per_s: int) -> None:
    limit = RateLimit(least_config(limits={"records_per_s": per_s}), "runner")
    assert per_s * 20 <= read_within(clock, limit, 20.0, Sized(1, 1)) <= per_s * 21 + 1


def test_bytes_of_keys_and_values_count(clock: ManualClock) -> None:
    limit = RateLimit(least_config(limits={"bytes_per_s": 10_000}), "runner")
    read = read_within(clock, limit, 20.0, Sized(100, 900))
    assert 200 <= read <= 210 + 500  # one fetch may go beyond it, and is a debt afterwards


def test_a_joiner_may_read_as_many_records_of_each_side() -> None:
    config = least_config()
    assert [sides_of(role, config) for role in ("runner", "joiner", "labels")] == [1, 2, 2]


def test_without_a_ceiling_nothing_waits_and_the_client_fetches_ahead() -> None:
    config = least_config()
    assert RateLimit(config, "runner").room(12_345) == 12_345
    assert prefetch(config) == {}
    assert prefetch(least_config(limits={"bytes_per_s": 500_000})) == {"queued.max.messages.kbytes": 500}


def test_the_loop_keeps_to_the_ceiling_and_loses_nothing(world: World) -> None:
    config = least_config(name="loop", limits={"records_per_s": 50})
    world.arrive(*(b"%03d" % n for n in range(300)))
    runner = world.copier("0", config)
    began = world.clock.monotonic()
    while len(world.copied()) < 300 and world.clock.monotonic() - began < 60:
        world.turn(runner, calls=100)
    assert world.copied() == [b"%03d" % n for n in range(300)]
    took_s = world.clock.monotonic() - began
    assert 4.5 < took_s < 15
    shown = Scrape.of(generate_latest(world.watches["0"].metrics.registry).decode())
    assert 4 < shown.value("rate_limited_seconds_total", role="runner") < took_s
