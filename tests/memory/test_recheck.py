"""Second answers by the real runner and joiner in memory: partitions that move, deaths, and no answer."""

from typing import Any

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.health import RoleHealth
from shadowstream.kafka.roles import joiner, runner
from shadowstream.protocol.rechecks import GONE, Answer, InputAt, request_record
from shadowstream.records import Partition
from shadowstream.testing.memory.inside import inside
from shadowstream.testing.memory.log import Entry
from shadowstream.testing.memory.processes import Process
from tests.memory import test_answer
from tests.memory.runner_world import REVISION, Runners, config

HERE = "tests.memory.test_recheck"
REQUESTS, ANSWERS = (Partition(f"shadow.again.{name}", 0) for name in ("rechecks", "second-answers"))
WAIT_MS = 20_000


def total(watch: RoleHealth | None, name: str, **labels: str) -> float | None:
    """The value of a counter."""
    assert watch is not None
    return watch.metrics.registry.get_sample_value(f"shadowstream_{name}", labels)


def tenfold(value: int) -> int:
    return 10 * value


def asking(given: Config) -> Config:
    """The config with rechecks, which the config itself refuses of a candidate in the runner's process."""
    candidate = given.candidate.model_copy(update={"recheck": "on_mismatch", "recheck_ms": WAIT_MS})
    return given.model_copy(update={"candidate": candidate})


class World(Runners):
    """Two input partitions with ten inputs each, and runners that have answered them."""

    def __init__(self) -> None:
        super().__init__(asking(config("again", candidate={"call": f"{HERE}:tenfold"})), 2, 2)
        self.arrive(20)

    def ask(self, partition: int, offset: int, revision: str = REVISION, age_ms: int = 0) -> None:
        """The joiner's request, as it would be written now or has been."""
        at = InputAt("in", partition, offset)
        record = request_record(f"out/{partition}/{offset}", revision, at, ("out", 0))
        self.broker.logs[REQUESTS].append(Entry(b"", own.encode("recheck", record), self.broker.clock.now_ms - age_ms))

    def answers(self) -> dict[str, Answer]:
        records = [own.read("mark", entry.value) for _, entry in self.broker.logs[ANSWERS].records()]
        return {id_: answer for id_, _, answer in map(Answer.of, records)}

    def until(self, process: Process, ids: set[str]) -> None:
        for _ in range(100):
            if ids <= self.answers().keys():
                return
            self.turn(process, 200)
        raise AssertionError(f"answered are {self.answers()}")


def test_requests_from_before_the_start_are_answered_unless_nobody_waits() -> None:
    world = World()
    with inside(world.broker, world.host):
        world.lives(1_500)
        world.ask(0, 2, age_ms=WAIT_MS)
        world.ask(0, 3, revision="ff" * 16)
        world.ask(0, 4)
        world.ask(1, 5)
        process = world.runner()
        world.until(process, {"out/0/4", "out/1/5"})
        process.kill()
    assert world.answers() == {"out/0/4": Answer("answered", b"80"), "out/1/5": Answer("answered", b"110")}


def test_an_input_that_moves_to_another_runner_is_answered_there() -> None:
    world = World()
    with inside(world.broker, world.host):
        first, second = world.runner("0"), world.runner("1")
        for _ in range(40):
            world.turn(first, 100)
            world.turn(second, 100)
        world.ask(0, 1)
        world.ask(1, 1)
        second.kill()
        world.turn(first, 300)
        answered = set(world.answers())
        assert len(answered) == 1, "each runner answers for its own partition only"
        world.broker.clock.advance(11)  # its session ends
        world.until(first, {"out/0/1", "out/1/1"})
        first.kill()


def test_a_deleted_input_is_reported_as_gone() -> None:
    world = World()
    with inside(world.broker, world.host):
        process = world.runner()
        world.turn(process, 1_500)
        world.broker.logs[Partition("in", 0)].low = 5
        world.ask(0, 3)
        world.until(process, {"out/0/3"})
        process.kill()
    assert world.answers() == {"out/0/3": Answer(GONE)}
    assert total(world.watch, "second_answers_total", shadow="again", result="gone") == 1


class Bounded(test_answer.World):
    """A trial with production's answer in its inputs, one role after the other."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.config = asking(self.config)


def test_without_a_runner_pairs_end_as_mismatches_after_the_wait() -> None:
    world = Bounded()
    with inside(world.broker, world.host):
        began = world.broker.clock.now_ms
        assert world.lives(runner.run, 200_000).result is not None
        waited = world.broker.clock.now_ms - began
        assert waited >= WAIT_MS, "the runner waits for requests once it has read all"
        for calls in range(100, 400, 90):
            world.lives(joiner.run, calls)
        assert world.lives(joiner.run, 200_000).result is not None
    wrong = test_answer.expected()["mismatch"]
    assert world.outcomes() == test_answer.expected() | {"recheck_unanswered": wrong}
    assert total(world.watch, "rechecks_total", shadow="answer", result="unanswered") == wrong
