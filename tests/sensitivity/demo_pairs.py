"""Flights of the demo as pairs that agree, and whole trials of a candidate with a planted fault, without Kafka."""

import json
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

import shadowstream.demo
from shadowstream.codecs.schemas import NoSchemas
from shadowstream.compare.comparer import Comparing, comparer
from shadowstream.config import Config
from shadowstream.demo.flights import records
from shadowstream.demo.model import PRODUCTION, Frozen, Scaled
from shadowstream.judge.step import JudgeStep
from shadowstream.protocol import marks
from shadowstream.protocol.headers import PACKED_HEADER, pack
from shadowstream.records import Batch, InputCoordinate, Partition
from shadowstream.sensitivity.agreeing_pairs import AgreeingPairs, agreeing_pairs
from tests.joiner.joiner_world import REVISION, World, config

HOUR_MS = 3_600_000
SIZES = 1_500, 9_000
Answer = dict[str, Any]


MODEL = Frozen(-1.5, {"dep_delay": Scaled(mean=10.0, sd=36.0, weight=5.0)}, {})
"""A model of the demo's form, about as training gives it: only the spread of its scores is of interest."""


@cache
def flights(n: int) -> list[tuple[int, Answer]]:
    """The event times of the first n flights, and what production answers."""
    return [(flight["scheduled_ms"], MODEL.judge(flight, PRODUCTION)) for flight in records(n)]


def answers(n: int) -> list[tuple[int, Answer]]:
    """The first n of them."""
    return flights(next(size for size in SIZES if size >= n))[:n]


def demo_config(**more: Any) -> Config:
    """The rules, dimensions and criteria of the demo's own config; values are JSON, which needs no schema."""
    shipped = yaml.safe_load(Path(shadowstream.demo.__file__).with_name("flights.yaml").read_text("utf-8"))
    by_path = [one for one in shipped["compare"]["dimensions"] if "path" in one]
    compare = shipped["compare"] | {"dimensions": by_path, "match_sample": 0} | more.pop("compare", {})
    parts = {"identity": shipped["identity"], "compare": compare, "judge": {}} | more
    return config(**parts)


def comparing(settings: Config) -> Comparing:
    return comparer(NoSchemas(), settings.compare)


def batches(n: int, settings: Config) -> tuple[Batch, Batch]:
    """Both sides of the first n flights; the candidate signs with another name."""
    columns = [(at, one["id"].encode(), text(one), text(one | {"model": "new"})) for at, one in answers(n)]
    times, keys, production, shadow = map(list, zip(*columns, strict=True))
    headers = [[(PACKED_HEADER, pack(REVISION, InputCoordinate(0, 0, i, 0), at, at))] for i, at in enumerate(times)]
    places = Partition("out", 0), Partition(settings.candidate.topic or settings.plan.out("out"), 0)
    offsets = list(range(n))
    return (
        Batch(places[0], offsets, times, keys, production, [[("origin", b"in/0/%d" % i)] for i in offsets]),
        Batch(places[1], offsets, times, keys, shadow, headers),
    )


def pairs_of(n: int, settings: Config) -> AgreeingPairs:
    return agreeing_pairs(settings, REVISION, "out", batches(n, settings), comparing(settings))


def text(value: Answer) -> bytes:
    return json.dumps(value).encode()


def records_until_reject(settings: Config, n: int, candidate: Callable[[int, Answer], Answer | None]) -> int | None:
    """Run a trial of the first n flights hour by hour, through the joiner and the judge, until its verdict is reject.

    `candidate` gives the answer to a flight by its number, None for no answer. Returns the records of production by
    then; None: it was never rejected.
    """
    world = World(settings)
    world.start()
    world.start_joiner()
    judge, read = JudgeStep(settings, REVISION, ["out/0"]), 0
    hours = [at // HOUR_MS for at, _ in answers(n)]
    for number, (at, answer) in enumerate(answers(n)):
        world.logs[world.inputs[0]].append(None)
        world.now_ms = max(world.now_ms, at + 1)
        world.production(answer["id"], json.dumps(answer), at)
        if (other := candidate(number, answer)) is not None:
            world.shadow(answer["id"], json.dumps(other), number, at)
        if hours[number] == hours[number - 1]:
            continue
        # The first record of an hour closes the window of the hour before.
        _counted(world, at)
        world.turn(2)
        for record in world.stats[read:]:
            judge.step(0, read, record)
            read += 1
        if any(latch.reason is not None for latch in judge.reject_latches.values()):
            assert judge.verdict(0)["decision"] == "reject"
            return len(world.logs[world.sides[0][0]])
    return None


def _counted(world: World, floor_ms: int) -> None:
    """The runner's marks after an hour of inputs, each with one output."""
    done = len(world.logs[world.inputs[0]])
    before = world.progress[-1]["to_offset"] if world.progress[-1]["kind"] == "done" else 0
    read = Counter(at - at % HOUR_MS for at, _ in answers(done)[max(0, before) :])
    windows = [{"start_ms": start_ms, "read": n, "failed": 0} for start_ms, n in read.items()]
    counters = marks.Counters(read=done, with_output=done)
    counters.written[str(world.sides[1][0])] = len(world.logs[world.sides[1][0]])
    at = {"from_offset": max(0, before), "to_offset": done, "counters": counters.record(), "floor_ms": floor_ms}
    world.mark("range", input_topic="in", input_partition=0, windows=windows, **at)
    world.done(done, floor_ms=floor_ms, counters=counters.record())


def shifted(answer: Answer, by: float) -> Answer:
    return answer | {"model": "new", "score": answer["score"] + by}
