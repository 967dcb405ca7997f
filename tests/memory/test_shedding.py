"""Both sides lead by turns, so that holding one back keeps to no bound: the real roles on the broker in memory."""

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from shadowstream.codecs import own
from shadowstream.health import RoleHealth
from shadowstream.joiner.matching.load_shedding import LoadShedder
from shadowstream.joiner.matching.pending import ROW_BYTES
from shadowstream.kafka import batch_size
from shadowstream.kafka.client.consumers import Stoppable
from shadowstream.kafka.joining import backpressure
from shadowstream.kafka.roles import joiner, judge, runner
from shadowstream.records import Partition
from shadowstream.testing.memory.broker import MemoryBroker
from shadowstream.testing.memory.clock import ManualClock
from shadowstream.testing.memory.inside import inside
from shadowstream.testing.memory.log import Entry
from shadowstream.testing.memory.processes import Process
from tests.memory.runner_world import REVISION, config

ORDERS = 3_000
LATER_MS = 200_000
BATCH = 100
BOUND = 500_000
BATCH_BYTES = BATCH * (ROW_BYTES + 40)
OUT, SHADOW = Partition("out", 0), Partition("shadow.turns.out.out", 0)


def same(value: Any) -> Any:
    """The candidate: what production answers."""
    return value


def plain(n: int) -> bytes:
    return b"%d" % n


class World:
    """A broker with the shadow's outputs on it and production's in the opposite order: the first half of either side
    waits for the second of the other, whichever is held."""

    def __init__(
        self, overflow: str, delivery: str = "exactly_once", value: Callable[[int], bytes] = plain, **limits: Any
    ) -> None:
        bounds = {"commit_ms": 20, "commit_records": 5 * BATCH, "pending_bytes_max": BOUND, "overflow": overflow}
        self.config = config(
            "turns",
            candidate={"call": "tests.memory.test_shedding:same"},
            delivery=delivery,
            compare={"match_sample": 0},
            judge={"window_ms": 10_000},
            limits=bounds | limits,
        )
        self.broker = MemoryBroker(ManualClock(wall_ms=1_000_000))
        self.broker.create("in", 1)
        self.broker.create("out", 1)
        for n in range(ORDERS):
            later_ms = LATER_MS if n == ORDERS - 1 else 0  # closes the window of all the others
            self.broker.logs[Partition("in", 0)].append(Entry(b"k%d" % n, value(n), 1_000_000 + n + later_ms))
        self.running: Process | None = None
        self.asked = 0
        self.watch = RoleHealth("turns", "joiner")
        self.read: dict[Partition, tuple[list[Any], int]] = {}

    def host(self) -> Process:
        assert self.running is not None
        return self.running

    def process(self, run: Callable[..., dict[str, Any]], watch: RoleHealth) -> Process:
        return Process(watch.role, self.broker.clock, lambda: run(self.config, REVISION, Stoppable(), watch, "0"))

    def turn(self, process: Process, calls: int, until: Callable[[], bool] | None = None) -> None:
        self.running = process
        process.run(calls, until)
        assert process.error is None, process.error

    def lives(self, role: Any, calls: int, until: Callable[[], bool] | None = None, more: int = 0) -> None:
        """A process of this role that dies after these calls."""
        name = role.__name__.rpartition(".")[2]
        process = self.process(role.run, self.watch if name == "joiner" else RoleHealth("turns", name))
        self.turn(process, calls, until)
        if more:
            self.turn(process, more)
        process.kill()

    def answer(self, turned: bool = True) -> None:
        """The candidate answers everything, and production does: last things first where they are turned."""
        self.lives(runner, 20_000, lambda: self.answered() == ORDERS, 500)  # its marks
        *first, last = self.broker.logs[SHADOW].records()
        for _, entry in [*(reversed(first) if turned else first), last]:
            self.broker.logs[OUT].append(Entry(entry.key, entry.value, entry.time_ms))

    def all_of(self, place: Partition, made: Callable[[Entry], Any]) -> list[Any]:
        """What is made of each record of a partition; those asked for before are not read again."""
        log, (known, at) = self.broker.logs[place], self.read.get(place, ([], 0))
        more, at = log.read(at, log.end, log.stable)
        known += [made(entry) for _, entry in more]
        self.read[place] = known, at
        return known

    def answered(self) -> int:
        return len(self.all_of(SHADOW, lambda entry: None)) if SHADOW in self.broker.logs else 0

    def records(self, name: str) -> list[dict[str, Any]]:
        place = Partition(self.config.plan.of(name), 0)
        found = self.all_of(place, lambda entry: own.decode(entry.value or b"")[1])
        # Without transactions a crash may repeat one, and the first counts.
        return list({one["seq"]: one for one in reversed(found)}.values())[::-1] if name == "stats" else found

    def ended(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for record in self.records("stats"):
            for window in record["windows"]:
                found.update({name: n for name, n in window["outcomes"].items() if not name.startswith("input")})
        return found

    def asked_over(self) -> bool:
        """As `over`, asked now and then: it reads all that was written."""
        self.asked += 1
        return self.asked % 20 == 0 and self.over()

    def commits(self) -> int:
        """Stats records and their markers."""
        place = Partition(self.config.plan.of("stats"), 0)
        return self.broker.logs[place].end if place in self.broker.logs else 0

    def shed_level(self) -> int:
        """As the metric has it."""
        value = self.watch.metrics.registry.get_sample_value("shadowstream_shed_level", {"shadow": "turns"})
        assert value is not None
        return int(value)

    def over(self) -> bool:
        """Whether every record of both sides has been read and has ended."""
        stats = self.records("stats")
        read = {one["topic"]: one["to_offset"] for record in stats for one in record["sources"]}
        return bool(stats) and read.get("out") == ORDERS and not stats[-1]["pending"] and read[SHADOW.topic] >= ORDERS


@dataclass
class Seen:
    """What the joiner's memory held at each turn, before anything was done about it."""

    pending: list[int] = field(default_factory=list)


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    seen, turn = Seen(), backpressure.Backpressure.turn

    def look(self: backpressure.Backpressure, tasks: list[backpressure.TaskBacklog]) -> list[Partition]:
        seen.pending.append(sum(sum(pending) for _, pending, *_ in tasks))
        return turn(self, tasks)

    monkeypatch.setattr(backpressure.Backpressure, "turn", look)
    monkeypatch.setattr(joiner, "BATCH", BATCH)
    yield seen


def played(world: World, restarts: int) -> list[int]:
    """Everything is answered before the joiner begins, and so many joiners die in the midst of it; the level that each
    of them had committed."""
    levels, each = [], 4 if world.config.delivery == "at_least_once" else 8  # there is a marker behind each, or none
    with inside(world.broker, world.host):
        world.answer()
        for n in range(restarts + 1):
            if n == restarts:
                world.lives(joiner, 40_000, world.asked_over)
            else:
                commits = world.commits() + each
                world.lives(joiner, 40_000, lambda wanted=commits: world.commits() >= wanted, 7 * n)
            levels.append(max((one["counts"].get("shed_level", 0) for one in world.records("state")), default=0))
        assert world.over()
        world.lives(judge, 2_000)
    return levels


@pytest.mark.parametrize(("restarts", "delivery"), [(0, "exactly_once"), (3, "exactly_once"), (3, "at_least_once")])
def test_shed_keeps_to_the_bound_says_so_and_every_record_ends_once(
    restarts: int, delivery: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World("shed", delivery)
    with watched(monkeypatch) as seen, caplog.at_level(logging.WARNING):
        *before, last = played(world, restarts)
    assert last > 0
    assert len(before) == restarts
    assert not before or 0 < before[0] <= last, "no restart has found a level"
    assert BOUND < max(seen.pending) <= BOUND * (1 + 1 / backpressure.OVER) + 2 * BATCH_BYTES
    found = world.ended()
    assert found.keys() == {"match", "evicted"}
    assert found["match"] * 2 + found["evicted"] == 2 * ORDERS
    shedding = LoadShedder()
    shedding.level = world.shed_level()
    assert shedding.level > 0
    left = sum(not shedding.sheds(b"k%d" % n) for n in range(ORDERS))
    assert 0 < left <= found["match"] < ORDERS
    assert "identities_shed" in caplog.text
    verdict = world.records("verdict")[-1]
    assert (verdict["decision"], verdict["remainder"]) == ("not_yet", 0)
    assert verdict["coverage"] < 0.5
    (reason,) = [reason for reason in verdict["reasons"] if "were evicted" in reason]
    assert {"limits.overflow", "limits.pending_bytes_max", "joiners"} <= set(re.findall(r"[a-z_.]+[a-z]", reason))


def test_hold_loses_nothing_and_says_that_it_takes_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World("hold")
    with watched(monkeypatch) as seen, caplog.at_level(logging.WARNING):
        played(world, 0)
    assert world.ended() == {"match": ORDERS}
    assert world.shed_level() == 0
    assert max(seen.pending) > 2 * BOUND
    assert "pending_over_bound" in caplog.text


def test_a_batch_that_overshoots_a_small_share_sheds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """One batch is more than the share and its margin, and only production leads: holding it is enough."""
    world = World("shed")
    with watched(monkeypatch) as seen, inside(world.broker, world.host):
        monkeypatch.setattr(joiner, "BATCH", 20 * BATCH)
        monkeypatch.setattr(batch_size, "FIRST_RECORDS", 20 * BATCH)
        world.answer(turned=False)
        world.broker.logs[SHADOW].held = 0
        process = world.process(joiner.run, world.watch)
        world.turn(process, 20_000, lambda: max(seen.pending, default=0) > 0)
        world.turn(process, 200)
        assert max(seen.pending) > BOUND * (1 + 1 / backpressure.OVER)
        world.broker.logs[SHADOW].held = None
        world.turn(process, 20_000, world.asked_over)
        assert world.over()
        process.kill()
    assert world.ended() == {"match": ORDERS}
    assert world.shed_level() == 0
