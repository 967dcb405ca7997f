"""The language of the joiner's cases: steps that happen in a world, and what the joiner must have said after them."""

from collections.abc import Callable
from typing import Any

import pytest

from shadowstream.protocol.marks import ends_field, identity_hash
from shadowstream.records import Side
from tests.joiner.joiner_world import Record, World, config

INPUTS = 10
GRACE_MS = 30_000

Step = Callable[[World], None]
Case = list[Step | dict[str, int]]
Parts = dict[str, tuple[dict[str, Any], dict[str, Case]]]
"""Tables of cases, each with what the config says there."""


def P(key: str | None, value: str | None = "1", time_ms: int = 0, of: str | None = None, **headers: str) -> Step:
    """Production writes; `of` is what its own header ``origin`` says of its input."""
    own = headers if of is None else headers | {"origin": of}
    return lambda world: world.production(key, value, time_ms, **own)


def S(key: str | None, value: str | None = "1", of: int | None = 0, time_ms: int = 0, k: int = 0, **more: str) -> Step:
    """The candidate writes, for input `of`; `more` as of `World.shadow`."""
    return lambda world: world.shadow(key, value, of, time_ms, k, **more)


def T(key: str | None, value: str | None = "1", time_ms: int = 0) -> Step:
    """The twin writes."""
    return lambda world: world.twin(key, value, time_ms)


def done(to: int, kind: str = "done") -> Step:
    """The runner says that inputs below `to` are done, and where the ends of its outputs are now."""
    return lambda world: world.done(to, kind)


def absent(offset: int, reason: str, *keys: str, count: int = 1, text: str = "") -> Step:
    """The runner says that these inputs have no output, and why, in words too."""
    ids = [identity_hash(key.encode()) for key in keys]
    run = {"offset": offset, "count": count, "reason": reason, "ids": ids, "why": 0 if text else -1}
    counters = {"read": 0, "with_output": 0, "silent": 0, "absent": {}, "written": {}}
    return lambda world: world.mark(
        "range", input_topic="in", input_partition=0, from_offset=offset, to_offset=offset + count, absences=[run],
        counters=counters, texts=[text] if text else [],
    )  # fmt: skip


def committed(offset: int) -> Step:
    """Production commits its inputs below `offset`."""
    return lambda world: world.production_committed.update({world.inputs[0]: offset})


def twin_committed(offset: int) -> Step:
    """The twin commits its inputs below `offset`."""
    return lambda world: world.twin_committed.update({world.inputs[0]: offset})


def deleted(side: Side, offset: int) -> Step:
    """Retention takes a record of a side's topic."""
    return lambda world: world.hidden.add((world.sides[side][0], offset))


def deleted_below(side: Side, offset: int) -> Step:
    """Retention takes the beginning of a side's topic."""
    return lambda world: world.lows.update({world.sides[side][0]: offset})


def runs(revision: str, begin: int, end: int, floor_ms: int = 0) -> Step:
    """A runner of this revision has handled inputs [begin, end), the greatest of their event times `floor_ms`."""
    counters = {"read": 0, "with_output": 0, "silent": 0, "absent": {}, "written": {}}
    return lambda world: world.mark(
        "range", revision=revision, input_topic="in", input_partition=0, from_offset=begin, to_offset=end,
        counters=counters, floor_ms=floor_ms,
    )  # fmt: skip


def inputs(n: int) -> Step:
    """More inputs arrive."""
    return lambda world: world.logs[world.inputs[0]].extend([Record(b"k", b"1", 0)] * n)


def freeze(world: World) -> None:
    """From here on the markers of the candidate's transactions do not land."""
    place = world.sides[Side.SHADOW][0]
    world.frozen[place] = world.end(place)


def land(world: World) -> None:
    """The markers land."""
    world.frozen.clear()


def restart(world: World) -> None:
    """The joiner dies and comes back."""
    world.start_joiner()


def warm(world: World) -> None:
    """The runner has seen production done with the inputs below S: E1 is where production's outputs end now."""
    world.mark("warm", ends=ends_field({place: world.end(place) for place in world.sides[Side.PRODUCTION]}))


def play(world: World, case: Case, *, lost: bool = False) -> None:
    """Play a case, comparing at each dict; records that nobody has read leave a remainder where some were `lost`."""
    records_before = len(world.stats)
    for number, step in enumerate(case):
        if callable(step):
            step(world)
            continue
        world.turn()
        assert world.outcomes(since=records_before) == step, f"step {number}"
        records_before = len(world.stats)
    assert any(rest[0] == 3 for rest in world.remainders()) == lost


def each(parts: Parts) -> pytest.MarkDecorator:
    """A test for each case of each table."""
    rows = [(settings, case) for settings, cases in parts.values() for case in cases.values()]
    ids = [f"{part}: {name}" for part, (_, cases) in parts.items() for name in cases]
    return pytest.mark.parametrize(("settings", "case"), rows, ids=ids)


def begun(pinned: dict[str, Any] | None = None, **settings: Any) -> World:
    """A world with ten inputs and a start mark (`pinned` as of `World.start`), and a joiner on it."""
    world = World(config(grace_ms=GRACE_MS, **settings))
    inputs(INPUTS)(world)
    return world.begin(**(pinned or {}))


def counted(world: World) -> None:
    """The runner's range mark over all inputs."""
    absent(0, "error", count=0)(world)
    world.progress[-1].update(to_offset=INPUTS, absences=[], floor_ms=0)
