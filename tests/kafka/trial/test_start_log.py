"""Where a revision begins is pinned once, whoever dies at whatever call, and whatever release has written it first."""

from random import Random
from typing import Any

import pytest

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.health import RoleHealth
from shadowstream.kafka.client.consumers import Stoppable, admin, plain_writer
from shadowstream.kafka.reading.marks import last_done
from shadowstream.kafka.roles import joiner
from shadowstream.kafka.trial import start_mark, topic_admin
from shadowstream.protocol import marks
from shadowstream.records import Partition
from shadowstream.testing.memory.inside import inside
from shadowstream.testing.memory.log import Entry
from shadowstream.testing.memory.processes import Process
from tests.memory.runner_world import REVISION, Runners, latest

CONFIG = latest("begun")
OTHER = "ff" * 16
ENOUGH = 400
"""Client calls after which a process that pins must have ended."""


class World(Runners):
    """Processes that pin where a revision begins while inputs arrive: two that look at different times differ."""

    def __init__(self) -> None:
        super().__init__(CONFIG, 2, 1)

    def pinning(self, revision: str = REVISION, config: Config = CONFIG) -> Process:
        def pin() -> start_mark.PinnedStart:
            client = admin(config.kafka)
            topic_admin.ensure(client, config)
            return start_mark.pin(config, revision, client, plain_writer(config))

        return Process("0", self.broker.clock, pin)

    def joining(self, revision: str = REVISION) -> Process:
        def wait() -> dict[str, Any] | None:
            topic_admin.ensure(admin(CONFIG.kafka), CONFIG)
            found = joiner.await_start(CONFIG, revision, Stoppable(), RoleHealth("begun", "joiner"))
            return found and found.of[revision]

        return Process("1", self.broker.clock, wait)

    def ended(self, process: Process) -> Any:
        self.turn(process, ENOUGH)
        assert process.error is None, process.error
        assert process.ended
        return process.result

    def say(self, *records: dict[str, Any]) -> None:
        """As an earlier release did: into `progress`, where there is no `starts`."""
        topic = CONFIG.plan.of("progress")
        if Partition(topic, 0) not in self.broker.logs:
            self.broker.create(topic, 1)
        for record in records:
            write = marks.write(topic, record)
            self.broker.logs[Partition(topic, 0)].append(Entry(write.key, write.value, self.broker.clock.now_ms))

    def written_marks(self, topic: str, kind: str = "start") -> list[dict[str, Any]]:
        """Marks of the revision of a kind in a topic."""
        log = self.broker.logs[Partition(CONFIG.plan.of(topic), 0)]
        records = [own.decode(entry.value or b"")[1] for _, entry in log.records()]
        return [one for one in records if one["kind"] == kind and one["revision"] == REVISION]

    def check(self) -> None:
        """Whoever starts from now on, runner or joiner, gets the first that was written, and marks name no other."""
        pinned = self.ended(self.pinning())
        first = self.written_marks("starts")[0]
        assert pinned.start == start_mark.TrialStart.of(first)
        assert self.ended(self.joining()) == first
        assert self.written_marks("progress")
        assert all(one == first for one in self.written_marks("progress"))


def begin(revision: str, at: int, **more: Any) -> dict[str, Any]:
    places = [("in", 0), ("in", 1)]
    begins = [{"topic": t, "partition": p, "committed": at, "end": at, "bound": -1} for t, p in places]
    ends = [{"topic": "out", "partition": 0, "offset": at}]
    return marks.mark("start", revision, begins=begins, ends=ends, **more)


def done(partition: int, to: int) -> dict[str, Any]:
    place = {"input_topic": "in", "input_partition": partition}
    return marks.mark("done", OTHER, to_offset=to, counters=marks.Counters().record(), **place)


@pytest.mark.parametrize("old", [False, True])
def test_killed_at_any_call_a_revision_begins_where_it_was_first_pinned(old: bool) -> None:
    pinned_before = 0
    for last in range(1, ENOUGH):
        world = World()
        if old:
            world.say(begin(OTHER, 1), done(0, 2), marks.mark("warm", OTHER))
        with inside(world.broker, world.host):
            dying = world.pinning()
            world.arrive(3)
            world.turn(dying, last)
            whole = dying.ended
            dying.kill()
            pinned_before += Partition(CONFIG.plan.of("starts"), 0) in world.broker.logs and bool(
                world.written_marks("starts")
            )
            world.arrive(3)
            world.check()
            assert not old or world.ended(world.pinning(OTHER)).warm
        if whole:
            break
    else:
        pytest.fail("it never came to its end")
    assert pinned_before > 3


@pytest.mark.parametrize("seed", range(20))
def test_of_processes_that_pin_at_once_one_is_first_for_all(seed: int) -> None:
    world, draw = World(), Random(seed)
    if seed % 2:
        world.say(begin(OTHER, 1))
    with inside(world.broker, world.host):
        processes = [world.pinning() for _ in range(3)]
        for _ in range(draw.randint(5, 60)):
            process = draw.choice(processes)
            world.arrive(draw.randint(0, 2))
            world.turn(process, draw.randint(1, 8))
            assert process.error is None, process.error
            if draw.random() < 0.05:
                process.kill()
        found = [world.ended(process) for process in processes if process.alive]
        for process in processes:
            process.kill()
        world.check()
        assert all(one.start == start_mark.TrialStart.of(world.written_marks("starts")[0]) for one in found)


def test_what_an_earlier_release_has_begun_goes_on_as_it_was_pinned() -> None:
    world = World()
    kinds = marks.partitioners_field({"out": "crc32"})
    begins = [begin(REVISION, at) for at in (5, 7)]
    world.say(begin(OTHER, 1, partitioners=kinds), done(0, 2), *begins, marks.mark("warm", OTHER))
    world.arrive(20)
    with inside(world.broker, world.host):
        before = world.joining()
        assert world.ended(before) == world.written_marks("progress")[0], "a joiner needs no newer runner"
        pinned = world.ended(world.pinning())
        assert (pinned.start, pinned.warm) == (start_mark.TrialStart.of(begin(REVISION, 5)), False)
        earlier = world.ended(world.pinning(OTHER))
        assert earlier.start == start_mark.TrialStart.of(begin(OTHER, 1))
        assert (earlier.warm, earlier.partitioners) == (True, {"out": "crc32"})
        assert world.ended(world.joining()) == world.written_marks("starts")[0]
        assert len(world.written_marks("progress")) == 2, "a mark that is there is not written again"


def test_the_newest_mark_tells_a_partitions_progress_wherever_it_is() -> None:
    world = World()
    world.say(done(1, 4), *(done(0, n) for n in range(30_000)), marks.mark("warm", OTHER))
    with inside(world.broker, world.host):
        wanted = {Partition("in", 0), Partition("in", 1), Partition("in", 2)}
        world.running = Process("0", world.broker.clock, lambda: last_done(CONFIG, admin(CONFIG.kafka), wanted))
        world.running.run(100_000)
        assert world.running.error is None
        assert world.running.result == {Partition("in", 0): 29_999, Partition("in", 1): 4}


@pytest.mark.parametrize("closed", [False, True])
def test_a_revision_begun_within_anothers_warm_up_continues_it(closed: bool) -> None:
    world = World()
    earlier = begin(OTHER, 10, floor_ms=77)
    earlier["begins"] = [one | {"committed": 1} for one in earlier["begins"]]
    ends = [{"topic": "out", "partition": 0, "offset": 6}]
    world.say(earlier, *([marks.mark("warm", OTHER, ends=ends)] if closed else []))
    world.arrive(20)
    with inside(world.broker, world.host):
        group = world.broker.groups.of(CONFIG.plan.group("runner"))
        group.set_back({Partition("in", 0): 4, Partition("in", 1): 12})
        pinned = world.ended(world.pinning())
        assert pinned.start.committed == {Partition("in", 0): 4, Partition("in", 1): 12}
        assert pinned.start.warm_below == {Partition("in", 0): 10, Partition("in", 1): start_mark.NO_WARM_UP}
        assert (pinned.start.floor_ms, pinned.warm) == (77, closed)
        warm = [one["ends"] for one in world.written_marks("progress", "warm")]
        assert warm == ([ends] if closed else [])
        world.check()


def test_a_revision_that_begins_after_the_warm_up_of_another_has_none() -> None:
    world = World()
    world.say(begin(OTHER, 10, floor_ms=77))
    world.arrive(20)
    with inside(world.broker, world.host):
        world.broker.groups.of(CONFIG.plan.group("runner")).set_back({Partition("in", 0): 10, Partition("in", 1): 11})
        pinned = world.ended(world.pinning())
        assert not pinned.start.has_warm_up
        assert pinned.start.floor_ms is None


@pytest.mark.parametrize("topic", ["in", "out", "candidate", "twin"])
def test_a_trial_from_the_beginning_refuses_topics_that_lack_their_begin(topic: str) -> None:
    """Of an input or an output that is left, the other has been deleted: no fault of the candidate."""
    document = CONFIG.model_dump(mode="json", exclude_unset=True) | {"start": "earliest"}
    if topic == "candidate":
        document["candidate"] = {"topic": topic, "group": "candidates", "version": "2", "commits": "after_output"}
    if topic == "twin":
        document["twin"] = {"topic": topic, "group": "twins", "commits": "after_output"}
    config = Config.model_validate(document)
    world = World()
    with inside(world.broker, world.host):
        world.arrive(3)
        for one in {topic} & {"candidate", "twin"}:
            world.broker.create(one, 1)
        world.broker.logs[Partition(topic, 0)].low = 1
        process = world.pinning(config=config)
        world.turn(process, ENOUGH)
    assert isinstance(process.error, ConfigError), process.error
    assert f"beginning of {topic}/0; use start: production-group or latest" in str(process.error)


def test_a_later_revision_of_a_begun_trial_needs_no_whole_outputs() -> None:
    """The first has committed nothing; the joiner counts the outputs that retention deletes meanwhile."""
    config = Config.model_validate(CONFIG.model_dump(mode="json", exclude_unset=True) | {"start": "earliest"})
    world = World()
    with inside(world.broker, world.host):
        world.arrive(3)
        world.ended(world.pinning(config=config))
        world.broker.logs[Partition("out", 0)].low = 1
        assert world.ended(world.pinning(OTHER, config=config)).start.revision == OTHER
