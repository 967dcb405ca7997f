"""The joiner's step alone, without Kafka: cost a pair against how much waits, how long values are, how many fields.

`lag` records of one side are read before the other side begins, so that so many wait all the time. A commit is
prepared (and thrown away) as often as the loop would. `python -m bench.pure --profile` says where the time goes.
"""

import argparse
import cProfile
import json
import pstats
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from bench.workloads import ATOL, FIRST_MS, SHADOW_LATER_MS, Workload
from shadowstream.compare import comparer
from shadowstream.config import Config
from shadowstream.joiner.step import JoinerStep
from shadowstream.kafka.loop import spare_collections
from shadowstream.kafka.schemas.registry import FolderSchemas
from shadowstream.protocol import marks
from shadowstream.protocol.headers import PACKED_HEADER, pack
from shadowstream.records import Batch, Headers, InputCoordinate, Partition

BATCH = 4_000
COMMIT_RECORDS = 100_000
REVISION = "00112233445566778899aabbccddeeff"
PRODUCTION, SHADOW, INPUT = Partition("out", 0), Partition("new", 0), Partition("in", 0)
OURS = Partition("shadow.pure.out.out", 0)


class Cost(NamedTuple):
    """CPU and wall microseconds a pair, and what was found."""

    us: float
    wall_us: float
    pairs: int
    mismatches: int


def config_of(headers: bool) -> Config:
    """A job of its own writes the candidate's outputs or, with `headers`, our runner does."""
    own = {"topic": "new", "group": "new", "version": "2", "commits": "after_output"}
    document = {
        "name": "pure",
        "inputs": ["in"],
        "production": {"outputs": ["out"], "group": "old", "commits": "after_output"},
        "candidate": {"call": "a:b", "partitioner": "input"} if headers else own,
        "start": "earliest",
        "compare": {
            "rules": [{"path": "score", "atol": ATOL}, {"path": "model", "ignore": True}],
            "dimensions": [{"name": "label", "path": "label"}, {"name": "country", "path": "country"}],
        },
        "judge": {"window_ms": 60_000},
    }
    config = Config.model_validate(document)
    return config.model_copy(update={"compare": config.compare.keyed("of the benchmark")})


def step_of(config: Config, workload: Workload, folder: Path) -> JoinerStep:
    """The step with its one task at the trial's beginning."""
    workload.write_schema(folder)
    compare = comparer.comparer(FolderSchemas(folder), config.compare)
    step = JoinerStep(config, REVISION, compare, {"out": 1}, [INPUT])
    task = step.assign("out", 0)
    for side in task.sources.sides:
        task.restore(side, None, 0)
    begins = [{"topic": "in", "partition": 0, "committed": 0, "end": -1, "bound": -1}]
    step.mark(marks.mark("start", REVISION, begins=begins))
    return step


class Sides(NamedTuple):
    """The batches of both sides, in order."""

    production: list[Batch]
    shadow: list[Batch]


def batches(workload: Workload, pairs: int, headers: bool, size: int = BATCH) -> Sides:
    """All of a workload's records in one partition as the loop hands them over, at most `size` at a time."""
    sides = Sides([], [])
    made = workload.pairs(pairs)
    for begin in range(0, pairs, size):
        keys, ours, theirs = zip(*islice(made, size), strict=True)
        offsets = list(range(begin, begin + len(keys)))
        packed: list[Headers] = []
        if headers:
            packed = [
                [(PACKED_HEADER, pack(REVISION, InputCoordinate(0, 0, n, 0), FIRST_MS, FIRST_MS))] for n in offsets
            ]
        times = [FIRST_MS + n for n in offsets]
        later = [time_ms + SHADOW_LATER_MS for time_ms in times]
        sides.production.append(Batch(PRODUCTION, offsets, times, list(keys), list(ours)))
        # Keys of the other side are other objects, as from the client.
        others = [bytes(bytearray(key)) for key in keys]
        place = OURS if headers else SHADOW
        sides.shadow.append(Batch(place, offsets, later, others, list(theirs), packed or [None] * len(offsets)))
    return sides


def measure(workload: Workload, pairs: int, lag: int, headers: bool = False) -> Cost:
    """Read all of it, production `lag` records ahead. The schema has been proven before the clock starts."""
    size = min(BATCH, lag)
    sides = batches(workload, pairs, headers, size)
    with tempfile.TemporaryDirectory() as folder:
        step = step_of(config_of(headers), workload, Path(folder))
        step.compare(sides.production[0].values, sides.shadow[0].values)
        began, wall = time.process_time(), time.monotonic()
        found = drive(step, sides, lag // size)
        took, walled = time.process_time() - began, time.monotonic() - wall
        return Cost(took / pairs * 1e6, walled / pairs * 1e6, *found)


def drive(step: JoinerStep, sides: Sides, ahead: int) -> tuple[int, int]:
    """Pairs and mismatches of all batches, production's `ahead` batches ahead of the candidate's."""
    spare_collections()
    now_ms = FIRST_MS + 10_000_000_000
    pairs = mismatches = since = 0
    for n in range(len(sides.production) + ahead):
        for side, at in ((sides.production, n), (sides.shadow, n - ahead)):
            if 0 <= at < len(side):
                step.read(side[at], now_ms)
                since += len(side[at])
        if since >= COMMIT_RECORDS or n == len(sides.production) + ahead - 1:
            since = 0
            step.prepare(now_ms)
            for book in step.prepared_counts():
                pairs += sum(book.pairs.values())
                mismatches += book.pairs["mismatch"]
            step.committed()
    return pairs, mismatches


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.pure", description=__doc__)
    parser.add_argument("--pairs", type=int, default=200_000)
    parser.add_argument("--lag", type=int, default=10_000)
    parser.add_argument("--workload", default="flat-100")
    parser.add_argument("--headers", action="store_true")
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    profile = cProfile.Profile()
    if asked.profile:
        sides = batches(Workload(asked.workload), asked.pairs, asked.headers)
        with tempfile.TemporaryDirectory() as folder:
            step = step_of(config_of(asked.headers), Workload(asked.workload), Path(folder))
            profile.runcall(drive, step, sides, asked.lag // BATCH)
        pstats.Stats(profile).sort_stats("tottime").print_stats(40)
    print(json.dumps(measure(Workload(asked.workload), asked.pairs, asked.lag, asked.headers)._asdict()))


if __name__ == "__main__":
    main()
