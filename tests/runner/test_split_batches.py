"""Inputs that take long together are asked for in parts: what comes of them is what comes of all at once."""

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from shadowstream.health import RoleHealth
from shadowstream.kafka.batch_size import CallSize
from shadowstream.kafka.step_time import timed
from shadowstream.records import Batch
from shadowstream.runner.candidate import CallObserver, load
from shadowstream.runner.candidate_attempts import Attempts
from shadowstream.runner.current_call import CallTracker
from shadowstream.runner.step import RunnerStep
from tests.runner.test_step import IN, NOW_MS, batch, commit, config, runner

VALUES = ("undecodable", "plain", "two", "undecodable", "silent", "raises", "plain", "undecodable", "plain", "two")


def in_parts(step: RunnerStep, whole: Batch) -> list[int]:
    """Take a batch as the loop does; how many of its records each step took."""
    taken: list[int] = []
    while len(whole):
        taken.append(step.step(whole, NOW_MS))
        whole = whole.part(taken[-1], len(whole))
    return taken


@pytest.mark.parametrize("seed", range(30))
def test_a_batch_in_parts_gives_the_same_as_the_whole_batch(seed: int) -> None:
    draw = Random(seed)
    values = [draw.choice(VALUES) for _ in range(20)]
    one, parts = runner(bound=17), runner(bound=17)
    call = parts.call
    assert callable(call)
    parts.call = lambda some: call(some[: draw.randint(1, 3)])
    assert one.step(batch(*values), NOW_MS) == 20
    assert len(in_parts(parts, batch(*values))) > 1
    assert commit(parts) == commit(one)
    assert parts.inputs[IN].position == one.inputs[IN].position == 17


@pytest.mark.parametrize("attempted", [False, True])
@pytest.mark.parametrize("takes", ["value", "batch"])
def test_it_is_enough_after_the_value_in_hand(takes: str, attempted: bool) -> None:
    asked = 0

    def enough() -> bool:
        nonlocal asked
        asked += 1
        return asked % (4 if takes == "value" else 2) == 0

    settings = config(candidate={"call": "tests.runner.test_step:answer", "trusted": True, "partitioner": "input"})
    calls, call_size = CallTracker(), CallSize(1_000)
    call = timed(
        load(settings.candidate, observer=CallObserver(calls, enough=enough)),
        RoleHealth("t", "runner"),
        call_size,
        calls,
        enough,
    )
    if takes == "batch":  # between two calls, each of as many as the size allows
        whole = load(settings.candidate)
        call = timed(lambda some: whole(some), RoleHealth("t", "runner"), call_size, calls, enough)
    step = runner()
    step.call = call
    if attempted:  # inputs that are said beforehand
        step.attempts = Attempts("t", "ab" * 16, lambda writes, wait: None, enough)
        step.attempts.assign(IN, 0, 30, None)
    taken = in_parts(step, batch(*["plain"] * 40))
    assert sum(taken) == 40
    assert len(taken) > 1
    (writes, (mark,), _) = commit(step)
    assert (len(writes), mark["counters"]["with_output"]) == (40, 40)


def test_recorded_inputs_are_neither_skipped_nor_asked_twice() -> None:
    """A call that ends early leaves inputs that were said beforehand: they are said, and asked for, again."""
    draw = Random(3)
    asked: list[int] = []

    def ask(values: Sequence[Any]) -> list[Any]:
        some = list(values[: draw.randint(1, 4)])
        asked.extend(some)
        return some

    attempts = Attempts("t", "ab" * 16, lambda writes, wait: None)
    attempts.assign(IN, 0, 50, None)
    position = 0
    while position < 60:
        offsets = list(range(position, min(60, position + 20)))
        position += len(attempts.call(IN, offsets, offsets, ask))
    assert asked == list(range(60))
