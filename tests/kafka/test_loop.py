"""The real loop on the broker in memory: one rule a test."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from shadowstream.config import Config
from shadowstream.errors import BrokerError
from shadowstream.health import RoleHealth
from shadowstream.joiner.recovery.restore import Committed
from shadowstream.kafka.client.consumers import Stoppable, admin, group_consumer, transactional_writer
from shadowstream.kafka.loop import Loop
from shadowstream.kafka.role import Role
from shadowstream.kafka.transaction import start_transactions
from shadowstream.records import Batch, Commit, Partition, Prepared, Write
from shadowstream.testing.memory.broker import MemoryBroker
from shadowstream.testing.memory.clock import ManualClock
from shadowstream.testing.memory.consumer import MemoryConsumer
from shadowstream.testing.memory.inside import inside
from shadowstream.testing.memory.log import Entry
from shadowstream.testing.memory.processes import Process
from tests.least_config import least_config

CONFIG = least_config(name="loop")
TOPIC = "shadow.loop.copy"


class Copier(Role):
    """The smallest role: writes each record of `in` anew."""

    def __init__(self) -> None:
        self.positions: dict[Partition, int] = {}
        self.writes: list[Write] = []

    def assigned(self, committed: Sequence[Committed]) -> dict[Partition, int]:
        self.positions = {one.place: max(one.offset, 0) for one in committed}
        return dict(self.positions)

    def dropped(self) -> None:
        self.positions, self.writes = {}, []

    def wants_headers(self, topic: str) -> bool:
        return False

    def side_word(self, topic: str) -> str:
        return "input"

    def consume(self, batch: Batch, now_ms: int) -> int:
        self.writes += [Write(TOPIC, 0, None, value) for value in batch.values]
        self.positions[batch.place] = batch.offsets[-1] + 1
        return len(batch)

    def end(self, place: Partition, offset: int, now_ms: int) -> None:
        self.positions[place] = offset

    def prepare(self, now_ms: int, limit: int) -> Prepared:
        writes, self.writes = self.writes, []
        return Prepared(writes, [Commit(place, offset, "") for place, offset in self.positions.items() if writes])


class World:
    """A broker with copiers on it."""

    def __init__(self) -> None:
        self.clock = ManualClock(wall_ms=1_000_000)
        self.broker = MemoryBroker(self.clock)
        self.broker.create("in", 2)
        self.broker.create(TOPIC, 1)
        self.running: Process | None = None
        self.roles: dict[str, Copier] = {}
        self.watches: dict[str, RoleHealth] = {}

    def host(self) -> Process:
        assert self.running is not None
        return self.running

    def arrive(self, *values: bytes, partition: int = 0) -> None:
        for value in values:
            self.broker.logs[Partition("in", partition)].append(Entry(None, value, 1))

    def copier(self, instance: str, config: Config = CONFIG, role_of: Callable[[], Copier] = Copier) -> Process:
        def role() -> None:
            watch = self.watches[instance] = RoleHealth("loop", "runner")
            writer = transactional_writer(config, "runner", instance)
            start_transactions(writer, watch)
            consumer = group_consumer(config, "runner", instance)
            self.roles[instance] = role_of()
            Loop(config, self.roles[instance], consumer, writer, admin(config.kafka), watch).run(["in"], Stoppable())

        return Process(instance, self.clock, role)

    def turn(self, *processes: Process, calls: int = 400) -> None:
        for _ in range(calls // 10):
            for one in processes:
                self.running = one
                one.run(10)

    def copied(self) -> list[Any]:
        return sorted(entry.value or b"" for _, entry in self.broker.logs[Partition(TOPIC, 0)].records())


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    with inside(made.broker, made.host):
        yield made


def test_a_process_whose_instance_came_up_elsewhere_ends_by_itself(world: World) -> None:
    old = world.copier("0")
    world.arrive(b"a", b"b")
    world.turn(old)
    assert world.copied() == [b"a", b"b"]
    new = world.copier("0")
    world.turn(new)
    world.turn(old, new)
    assert isinstance(old.error, BrokerError)
    assert old.error.fatal
    world.arrive(b"c")
    world.turn(new)
    assert world.copied() == [b"a", b"b", b"c"]


class Brief(Copier):
    """A role that has finished once it has partitions."""

    @property
    def finished(self) -> bool:  # type: ignore[override]  # read by the loop only
        return bool(self.positions)


def test_partitions_that_come_while_the_consumer_closes_are_not_loaded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client serves what a rebalance has assigned, and then refuses each call: its handle is being destroyed."""
    real, closed, asked = MemoryConsumer.close, [], []

    def close(self: MemoryConsumer) -> None:
        for call in ("committed", "assign", "pause"):
            monkeypatch.setattr(MemoryConsumer, call, lambda *_, call=call, **__: asked.append(call))
        self._called("assign", [TopicPartition("in", 1)])
        closed.append(True)
        real(self)

    monkeypatch.setattr(MemoryConsumer, "close", close)
    process = world.copier("0", role_of=Brief)
    world.turn(process)
    assert (process.error, len(closed), asked) == (None, 1, [])


def sleeps_past_its_session(world: World) -> list[bytes]:
    """A member has read, not committed, and is frozen; another does its work and dies too; then it wakes up.

    It joins anew within one call, so that its next commit is of a generation that the group takes: where another is
    there, the group refuses what it remembers anyhow. Returns what has been copied.
    """
    old, new = world.copier("0"), world.copier("1")
    world.arrive(b"a", b"b")
    world.running = old
    old.run(1_000, lambda: "0" in world.roles and bool(world.roles["0"].writes))
    assert world.copied() == []
    old.frozen = True
    world.clock.advance(11)
    world.turn(new)
    assert world.copied() == [b"a", b"b"]
    world.running = new
    new.kill()
    world.clock.advance(11)
    old.frozen = False
    world.turn(old)
    world.arrive(b"c", b"d", partition=1)
    world.turn(old)
    return world.copied()


def test_a_member_that_has_lost_all_forgets_what_it_had_not_committed(world: World) -> None:
    assert sleeps_past_its_session(world) == [b"a", b"b", b"c", b"d"]


def test_the_test_before_would_see_it_remember(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Copier, "dropped", lambda self: None)
    assert sleeps_past_its_session(world) == [b"a", b"a", b"b", b"b", b"c", b"d"]


def test_processes_that_are_stopped_before_and_after_each_call_copy_everything_once(world: World) -> None:
    """Each process dies one call later than the one before it: no place is left out."""
    world.arrive(*(bytes([n]) for n in range(40)))
    calls = 0
    for last in range(1, 450):
        process = world.copier("0")
        world.running = process
        process.run(last)
        calls += sum(process.calls.values())
        process.kill()
        if last % 10 == 0:
            world.arrive(bytes([40 + last // 10]), partition=1)
    assert calls > 20_000
    last_one = world.copier("0")
    world.turn(last_one)
    assert world.copied() == [bytes([n]) for n in range(40)] + [bytes([40 + n]) for n in range(1, 45)]


class Slow(Copier):
    """Takes a second for each record, and leaves what is left of a batch once its step has lasted long enough."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock = clock
        self.taken: list[int] = []
        self.commits = 0

    def consume(self, batch: Batch, now_ms: int) -> int:
        self.clock.advance(1.0)
        self.taken.append(len(batch))
        return super().consume(batch.part(0, 1), now_ms)

    def end(self, place: Partition, offset: int, now_ms: int) -> None:
        assert self.positions[place] == offset, "an end is no end while records before it are left"
        super().end(place, offset, now_ms)

    def committed(self, now_ms: int) -> None:
        self.commits += 1


def test_many_records_that_outlast_the_poll_interval_are_taken_step_by_step(world: World) -> None:
    """40 records of a second each on two partitions, 20 s to the next poll: the member stays, nothing comes twice."""
    config = CONFIG.model_copy(deep=True)
    config.kafka.client.update({"max.poll.interval.ms": 20_000, "session.timeout.ms": 10_000})
    for n in range(20):
        world.arrive(b"a%02d" % n)
        world.arrive(b"b%02d" % n, partition=1)
    slow = Slow(world.clock)
    process = world.copier("0", config, lambda: slow)
    world.turn(process, calls=2_000)
    assert process.error is None
    assert world.copied() == sorted(b"%c%02d" % (side, n) for side in b"ab" for n in range(20))
    assert max(slow.taken) > 5
    assert slow.commits > 10, "what is done is committed in between"


class SlowCommit(Copier):
    """Notes when each commit begins; each takes `seconds`."""

    def __init__(self, clock: ManualClock, seconds: float) -> None:
        super().__init__()
        self.clock, self.seconds = clock, seconds
        self.begun: list[float] = []

    def prepare(self, now_ms: int, limit: int) -> Prepared:
        self.begun.append(self.clock.monotonic())
        self.clock.advance(self.seconds)
        return super().prepare(now_ms, limit)


@pytest.mark.parametrize(("takes_s", "apart_s"), [(0.0, 0.5), (0.2, 0.5), (0.4, 0.8), (3.0, 3.5)])
def test_commits_begin_apart_and_leave_time_to_read(world: World, takes_s: float, apart_s: float) -> None:
    """Their own duration adds nothing to `commit_ms` (500) while reading still gets half of the time."""
    slow = SlowCommit(world.clock, takes_s)
    process = world.copier("0", role_of=lambda: slow)
    world.turn(process, calls=2_000)
    assert process.error is None
    apart = [later - earlier for earlier, later in pairwise(slow.begun)][1:]
    assert len(apart) > 3
    assert apart == pytest.approx([apart_s] * len(apart), abs=0.06)
