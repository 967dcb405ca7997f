"""Inputs that end the process, or that a watching thread ends: found whatever dies when, and nobody else is blamed."""

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from shadowstream.codecs import own
from shadowstream.errors import CandidateDown, CandidateError
from shadowstream.records import Partition, Write
from shadowstream.runner.candidate_attempts import CRASHED, Attempts
from shadowstream.runner.current_call import CurrentCall

IN, TOPIC, REVISION = Partition("in", 0), "shadow.t.attempts", "ab" * 16


class Dead(BaseException):
    """The process has ended."""


class World:
    """An input partition, a topic of attempts and processes that die. `killers` end the process, `hang` is what the
    watching thread ends, `batch` whether a call that hangs is one for many inputs."""

    def __init__(self, inputs: int, killers: Sequence[int] = (), hang: Sequence[int] = (), *, batch: bool = False):
        self.inputs, self.killers, self.hang, self.batch = inputs, killers, hang, batch
        self.record: dict[str, Any] | None = None
        self.position = 0
        self.results: dict[int, Any] = {}
        self.asked: list[int] = []
        self.deaths = 0

    def say(self, writes: Sequence[Write], wait: bool) -> None:
        for write in writes:
            assert (write.topic, write.key) == (TOPIC, b"in/0")
            self.record = own.decode(write.value or b"")[1]

    def process(self, draw: Random, end: int | None = None, *, killed: bool = False) -> None:
        """One process, until it dies or has read everything. `killed`: somebody ends it in the middle of a call."""
        attempts = Attempts(TOPIC, REVISION, self.say)
        attempts.assign(IN, self.position, self.inputs if end is None else end, self.record)

        def ask(values: Sequence[Any]) -> list[Any]:
            now = attempts.calls.now()
            assert now is not None
            assert list(now.offsets) == list(values)
            answers: list[Any] = []
            if not self.batch:
                attempts.calls.answer(answers)
            for value in values:
                self.asked.append(value)
                if value in self.killers or killed:
                    raise Dead
                if value in self.hang:
                    stuck = attempts.calls.now()
                    assert stuck is not None
                    attempts.timed_out(stuck, "no answer")
                    raise Dead
                answers.append(f"answer {value}")
            return answers

        position, uncommitted = self.position, dict[int, Any]()
        try:
            while position < self.inputs:
                batch = list(range(position, min(self.inputs, position + draw.randint(1 + killed, 9))))
                uncommitted |= zip(batch, attempts.call(IN, batch, batch, ask), strict=True)
                position = batch[-1] + 1
                if draw.random() < 0.3:
                    self.results |= uncommitted
                    self.position, uncommitted = position, {}
            self.results |= uncommitted
            self.position = position
        except Dead:
            self.deaths += 1

    def play(self, draw: Random, steps_max: int) -> None:
        while self.position < self.inputs:
            assert self.deaths < steps_max
            self.process(draw)

    def ended(self) -> dict[int, tuple[str, str]]:
        return {n: (one.absence, str(one)) for n, one in self.results.items() if isinstance(one, CandidateError)}


@pytest.mark.parametrize("seed", range(200))
def test_each_input_that_ends_the_process_is_found_and_no_other(seed: int) -> None:
    draw = Random(seed)
    killers = draw.sample(range(60), draw.randint(1, 3))
    hang = [n for n in draw.sample(range(60), draw.randint(0, 3)) if n not in killers]
    world = World(60, killers, hang, batch=draw.random() < 0.5)
    world.play(draw, steps_max=30)
    expected = dict.fromkeys(killers, ("crashed", CRASHED)) | dict.fromkeys(hang, ("timeout", "no answer"))
    assert world.ended() == expected
    assert {n for n, one in world.results.items() if one == f"answer {n}"} == set(range(60)) - expected.keys()


def test_a_single_input_is_given_up_after_three_deaths() -> None:
    world = World(40, [17])
    world.play(Random(1), steps_max=4)
    assert (world.deaths, world.asked.count(17)) == (3, 3)


def test_an_input_that_came_after_the_start_is_found_as_well() -> None:
    world = World(40, [30])
    world.process(Random(3), end=5)
    assert world.deaths == 1
    world.play(Random(3), steps_max=5)
    assert world.ended() == {30: ("crashed", CRASHED)}


def test_a_timeout_ends_one_process_or_two_for_a_batch() -> None:
    for batch, deaths in ((False, 1), (True, 2)):
        world = World(40, hang=[17], batch=batch)
        world.play(Random(1), steps_max=4)
        assert (world.ended(), world.deaths) == ({17: ("timeout", "no answer")}, deaths)


@pytest.mark.parametrize("seed", range(50))
def test_processes_that_somebody_else_kills_blame_nobody(seed: int) -> None:
    """Once in a call alone is no proof: it takes the same input, alone, twice in a row."""
    draw = Random(seed)
    world = World(30)
    for _ in range(2):
        world.process(draw, killed=True)
    world.play(draw, steps_max=4)
    assert world.ended() == {}


def test_what_another_revision_did_not_survive_is_tried_again() -> None:
    world = World(10, [4])
    world.play(Random(1), steps_max=4)
    assert world.record is not None
    attempts = Attempts(TOPIC, "cd" * 16, world.say)
    attempts.assign(IN, 0, 10, {**world.record, "from_offset": 4, "to_offset": 5, "tries": 9})
    offsets = list(range(10))
    assert attempts.call(IN, offsets, offsets, list) == offsets
    assert attempts.ended_inputs == []


def test_what_is_found_is_reported_once_and_survives_in_the_topic() -> None:
    world = World(10, [4])
    ends = []
    while world.position < 10:
        world.process(Random(1))
        attempts = Attempts(TOPIC, REVISION, world.say)
        attempts.assign(IN, world.position, 10, world.record)
        ends += attempts.ended_inputs
    assert [(one.place, one.offset, one.reason.absence) for one in ends] == [(IN, 4, "crashed")]


def test_nothing_is_written_for_what_comes_after_the_start() -> None:
    world = World(10)
    attempts = Attempts(TOPIC, REVISION, world.say)
    attempts.assign(IN, 0, 3, None)
    offsets = list(range(100))
    assert attempts.call(IN, offsets, offsets, list) == offsets
    assert world.record is not None
    assert (world.record["from_offset"], world.record["to_offset"]) == (-1, -1)
    world.record = None
    assert attempts.call(IN, [200, 201], ["a", "b"], list) == ["a", "b"]
    assert world.record is None


def test_the_input_that_a_call_works_on_is_named() -> None:
    assert str(CurrentCall((1, 2), IN, (7,))) == "in/0 offset 7"
    assert str(CurrentCall((1, -1), IN, (7, 9))) == "in/0 offsets 7 to 9"


@pytest.mark.parametrize("seed", range(200))
def test_a_process_of_its_own_is_survived_and_no_other_input_blamed(seed: int) -> None:
    """The runner lives on: it reads on from the inputs without an answer or, where state is lost, from its commit."""
    draw = Random(seed)
    killers = draw.sample(range(60), draw.randint(0, 4))
    hang = [n for n in draw.sample(range(60), draw.randint(0, 3)) if n not in killers]
    has_state, kill_now = draw.random() < 0.5, draw.sample(range(20), draw.randint(0, 1))
    attempts, calls = Attempts(TOPIC, REVISION, None), 0
    attempts.assign(IN, 0, -1, None)
    results, position, committed = dict[int, Any](), 0, 0

    def ask(values: Sequence[Any]) -> list[Any]:
        nonlocal calls
        calls += 1
        for value in values:
            if value in killers or value in hang or calls in kill_now:
                down = CandidateDown("no answer" if value in hang else "gone")
                down.absence, down.state_lost = "timeout" if value in hang else "crashed", has_state
                raise down
        return [f"answer {value}" for value in values]

    while committed < 60:
        assert calls < 2_000
        batch = list(range(position, min(60, position + draw.randint(1, 9))))
        try:
            answers = attempts.call(IN, batch, batch, ask)
        except CandidateDown as down:
            if down.state_lost:
                attempts.drop()
                position = committed
                attempts.assign(IN, committed, -1, None)
            continue
        results |= zip(batch, answers, strict=False)
        position += len(answers)
        if draw.random() < 0.3 or position == 60:
            committed = position
            attempts.committed(IN, committed)
    expected = dict.fromkeys(killers, "crashed") | dict.fromkeys(hang, "timeout")
    assert {n: one.absence for n, one in results.items() if isinstance(one, CandidateError)} == expected
    assert {n for n, one in results.items() if one == f"answer {n}"} == set(range(60)) - expected.keys()
    assert sorted(ended.offset for ended in attempts.ended_inputs) == sorted(expected)
