"""The joiner's step alone, without Kafka: what grows with waiting records, with tasks and with the share that differs.

`python -m bench.growth` prints one line of JSON each: CPU microseconds a pair of reading and of committing, and CPU
milliseconds a commit (median). All are measured in turn, `ROUNDS` times, and the run of the median cost is kept.
`--of waiting`, `tasks` or `mismatches` measures one of them. `--write` also measures `bench.latency`, keeps all in
bench/growth.json and draws docs/growth.svg.
"""

import argparse
import itertools
import json
import random
import statistics
import subprocess
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench import environments, latency, table
from bench.conditions import conditions, sentence
from bench.pure import INPUT, REVISION, config_of
from bench.workloads import FIRST_MS, SHADOW_LATER_MS, Workload
from shadowstream.compare import comparer
from shadowstream.config import Judge
from shadowstream.joiner.step import JoinerStep
from shadowstream.kafka.loop import spare_collections
from shadowstream.kafka.schemas.registry import FolderSchemas
from shadowstream.protocol import marks
from shadowstream.records import Batch, Partition

HERE = Path(__file__).parent
RESULTS = HERE / "growth.json"
PLOT = HERE.parent / "docs" / "growth.svg"
WAITING = 1_000, 10_000, 100_000, 1_000_000
ORDERS = "in", "random", "spread"
TASKS = 1, 64, 512
MISMATCHES = 0, 2, 50, 100
WORDS = {"waiting": "records that wait", "tasks": "tasks of one process", "mismatches": "pairs that differ, %"}
ORDER_WORDS = {
    "in": "matched in order",
    "random": "matched in random order",
    "spread": "matched in random order, windows of a minute",
}
BEGIN, END = "<!-- growth: made by `python -m bench.growth --write` -->", "<!-- growth: end -->"
PAIRS = 40_000
"""Pairs of one measurement, beside those that wait."""
ROUNDS = 3
"""Odd. The machine may change its speed within a minute, and the ratio of two figures is of two moments."""
BATCH = 1_000
COMMITS = 8
SEED = 1
NOW_MS = FIRST_MS + 10_000_000_000
DEFAULT_MS: int = Judge().window_ms
"""The window of a trial whose config names none: an hour. A million records of the workload take a quarter of it."""


@dataclass
class Spent:
    """CPU seconds of reading, and of each commit."""

    read: float = 0.0
    commits: list[float] = field(default_factory=list)

    def row(self, pairs: int) -> dict[str, Any]:
        """Figures of so many pairs."""
        return {
            "read_us_per_pair": round(self.read / pairs * 1e6, 2),
            "commit_us_per_pair": round(sum(self.commits) / pairs * 1e6, 2),
            "ms_per_commit": round(statistics.median(self.commits) * 1e3, 2),
        }


class Measured:
    """A step with `tasks` tasks, fed by hand. `windows`: those that the pairs of the last commit belong to."""

    def __init__(self, workload: Workload, tasks: int, folder: Path, window_ms: int | None = None) -> None:
        workload.write_schema(folder)
        config = config_of(headers=False)
        if window_ms is not None:
            config = config.model_copy(update={"judge": config.judge.model_copy(update={"window_ms": window_ms})})
        compare = comparer.comparer(FolderSchemas(folder), config.compare)
        self.step = JoinerStep(config, REVISION, compare, {"out": tasks}, [INPUT])
        for partition in range(tasks):
            task = self.step.assign("out", partition)
            for side in task.sources.sides:
                task.restore(side, None, 0)
        begins = [{"topic": "in", "partition": 0, "committed": 0, "end": -1, "bound": -1}]
        self.step.mark(marks.mark("start", REVISION, begins=begins))
        self.spent = Spent()
        self.outcomes: dict[str, int] = {}
        self.windows = 0
        self._ends: dict[Partition, int] = {}

    def read(self, topic: str, partition: int, times: list[int], keys: list[bytes], values: list[bytes]) -> None:
        """Read one batch at the end of its partition."""
        place = Partition(topic, partition)
        first = self._ends.get(place, 0)
        self._ends[place] = first + len(keys)
        offsets = list(range(first, first + len(keys)))
        batch = Batch(place, offsets, times, list(keys), list(values), [None] * len(keys))
        began = time.process_time()
        self.step.read(batch, NOW_MS)
        self.spent.read += time.process_time() - began

    def commit(self) -> None:
        """Prepare one commit, and confirm it."""
        began = time.process_time()
        self.step.prepare(NOW_MS)
        took = time.process_time() - began
        prepared = self.step.prepared_counts()
        self.windows = len({start for counts in prepared for start, _ in counts.cells})
        for counts in prepared:
            for name, n in counts.pairs.items():
                self.outcomes[name] = self.outcomes.get(name, 0) + n
        began = time.process_time()
        self.step.committed()
        self.spent.commits.append(took + time.process_time() - began)


Pairs = list[tuple[bytes, bytes, bytes]]


def _made(workload: Workload, count: int, mismatch_percent: int | None = None) -> Pairs:
    """Pairs with so many percent that differ; None: as the workload has them."""
    made = list(workload.pairs(100 if mismatch_percent is not None else count))
    if mismatch_percent is None:
        return made
    agreeing, differing = made[1][2], made[49][2]
    chosen = (differing if n % 100 < mismatch_percent else agreeing for n in range(count))
    same = (made[49][1] if n % 100 < mismatch_percent else made[1][1] for n in range(count))
    return [(f"k{n:09d}".encode(), one, other) for n, (one, other) in enumerate(zip(same, chosen, strict=True))]


def waiting(count: int, order: str) -> dict[str, Any]:
    """Production is `count` records ahead; the candidate comes in order, or in any order among those that wait.

    With `spread` the windows are short, so that the pairs of a commit belong to many of them.
    """
    dice = random.Random(SEED)
    made = _made(Workload("flat-100"), 2 * count + PAIRS, 2)
    with tempfile.TemporaryDirectory() as folder:
        measured = Measured(Workload("flat-100"), 1, Path(folder), None if order == "spread" else DEFAULT_MS)
        spare_collections()
        waits = array("q")  # as numbers of Python, they would scatter the memory that the joiner gets
        batch, each = min(BATCH, count), PAIRS // COMMITS
        for begin in range(0, len(made), batch):
            if begin == 2 * count:  # so far: until so many wait, and until these are as scattered as they become
                measured.commit()
                measured.spent = Spent()
            fresh = range(begin, begin + batch)
            _production(measured, made, fresh)
            if begin >= count:
                chosen: Sequence[int]
                if order != "in":
                    chosen = [_taken(waits, dice) for _ in range(batch)]
                else:
                    chosen, waits = waits[:batch], waits[batch:]
                _shadow(measured, made, chosen)
                if (begin + batch) % each == 0:
                    measured.commit()
            waits.extend(fresh)
        where = {"varied": "waiting", "at": count, "order": order, "windows": measured.windows}
        return where | measured.spent.row(PAIRS)


def _taken(waits: "array[int]", dice: random.Random) -> int:
    at = dice.randrange(len(waits))
    waits[at], waits[-1] = waits[-1], waits[at]
    return waits.pop()


def _production(measured: Measured, made: Pairs, numbers: Sequence[int], partition: int = 0) -> None:
    times = [FIRST_MS + n for n in numbers]
    measured.read("out", partition, times, [_fresh(made[n][0]) for n in numbers], [_fresh(made[n][1]) for n in numbers])


def _shadow(measured: Measured, made: Pairs, numbers: Sequence[int], partition: int = 0) -> None:
    times = [FIRST_MS + n + SHADOW_LATER_MS for n in numbers]
    measured.read("new", partition, times, [_fresh(made[n][0]) for n in numbers], [_fresh(made[n][2]) for n in numbers])


def _fresh(text: bytes) -> bytes:
    """Return another object, as from the client: nothing else keeps it."""
    return bytes(bytearray(text))


def shared_by(tasks: int, made: Pairs) -> Measured:
    """Read all pairs in `COMMITS` commits, shared by so many tasks."""
    with tempfile.TemporaryDirectory() as folder:
        measured = Measured(Workload("flat-100"), tasks, Path(folder))
        spare_collections()
        for warm in (True, False):
            if not warm:
                measured.spent, measured.outcomes = Spent(), {}
            each = len(made) // COMMITS
            for begin in range(0, len(made), each):
                for partition, numbers in enumerate(_shares(range(begin, begin + each), tasks)):
                    for at in range(0, len(numbers), BATCH):
                        _production(measured, made, numbers[at : at + BATCH], partition)
                        _shadow(measured, made, numbers[at : at + BATCH], partition)
                measured.commit()
                if warm:
                    break
            made = [(b"w" + key, one, other) for key, one, other in made]
        return measured


def _shares(numbers: range, tasks: int) -> Iterator[range]:
    for task in range(tasks):
        if numbers[task::tasks]:
            yield numbers[task::tasks]


def many_tasks(tasks: int) -> dict[str, Any]:
    """The same pairs, shared by so many tasks of one process."""
    measured = shared_by(tasks, _made(Workload("flat-100"), PAIRS))
    return {"varied": "tasks", "at": tasks, **measured.spent.row(PAIRS)}


def mismatching(percent: int) -> dict[str, Any]:
    """Pairs in one task with so many percent that differ beyond the rules."""
    measured = shared_by(1, _made(Workload("flat-100"), PAIRS, percent))
    share = round(100 * measured.outcomes.get("mismatch", 0) / PAIRS)
    if share != percent:
        raise SystemExit(f"{share} % of the pairs were mismatches, not {percent} %")
    return {"varied": "mismatches", "at": percent, **measured.spent.row(PAIRS)}


def in_rounds(measures: Sequence[Callable[[], dict[str, Any]]]) -> list[dict[str, Any]]:
    """Measure all, one after the other, `ROUNDS` times; return the median of each by its cost a pair."""
    rounds = [[measure() for measure in measures] for _ in range(ROUNDS)]
    return [sorted(same, key=_cost)[ROUNDS // 2] for same in zip(*rounds, strict=True)]


def _cost(row: dict[str, Any]) -> float:
    return float(row["read_us_per_pair"] + row["commit_us_per_pair"])


def rows(of: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield all measurements, or those of one kind."""
    if of in (None, "waiting"):
        yield from in_rounds([partial(waiting, count, order) for count in WAITING for order in ORDERS])
    if of in (None, "tasks"):
        yield from in_rounds([partial(many_tasks, tasks) for tasks in TASKS])
    if of in (None, "mismatches"):
        yield from in_rounds([partial(mismatching, percent) for percent in MISMATCHES])


def latency_line(row: dict[str, Any]) -> str:
    """The line of a row of `bench.latency`: without its latencies where they do not count."""
    cpu = f"{row['cpu_percent']:g} %"
    if row["varied"] == "idle":
        return f"| none | - | - | - | {cpu} | - | - | yes |"
    counts = not row.get("reasons")
    latencies = f"{row['p50_ms']:,.0f} | {row['p99_ms']:,.0f}" if counts else "- | -"
    load, verdict = "- | -", "not checked"  # a row of an earlier program
    if "reasons" in row:
        load = f"{row['late_p99_ms']:,.0f} | {row['core_wait_percent']:.0f} %"
        verdict = "yes" if counts else f"no: {'; '.join(row['reasons'])}"
    return f"| {row['at']:,} | {row['rows']:,} | {latencies} | {cpu} | {load} | {verdict} |"


def page_with(results: table.Results) -> str:
    """docs/benchmarks.md with the table of growth and latency."""
    made = ["| measured | at | CPU µs a pair, reading | at commits | CPU ms a commit |", "|---|--:|--:|--:|--:|"]
    paced = [
        "| records a second | rows | p50 ms | p99 ms | CPU of a core | load late, p99 ms | waits for a core | counts |",
        "|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    for row in results["rows"]:
        if row["varied"] in ("idle", "rate"):
            paced.append(latency_line(row))
        else:
            name = WORDS[row["varied"]] + (f", {ORDER_WORDS[row['order']]}" if "order" in row else "")
            if (windows := row.get("windows", 1)) > 1:
                name += f", {windows} of them in a commit"
            figures = f"{row['read_us_per_pair']:g} | {row['commit_us_per_pair']:g} | {row['ms_per_commit']:,.0f}"
            made.append(f"| {name} | {row['at']:,} | {figures} |")
    whole = [*made, "", *paced, "", sentence(results["conditions"])]
    return table.placed(table.DOCS.read_text("utf-8"), whole, BEGIN, END)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--of", choices=("waiting", "tasks", "mismatches"))
    parser.add_argument("--write", action="store_true", help="keep all, with bench.latency, and draw docs/growth.svg")
    asked = parser.parse_args()
    began, found = conditions(), []
    for row in itertools.chain(rows(asked.of), latency.measured() if asked.write else ()):
        print(json.dumps(row), flush=True)
        found.append(row)
    if asked.write:
        results = table.Results(conditions=began, rows=found)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
        table.DOCS.write_text(page_with(results), "utf-8")
        draw = [str(environments.python_of("plots")), str(HERE / "growth_plot.py"), str(RESULTS), str(PLOT)]
        subprocess.run(draw, check=True)


if __name__ == "__main__":
    main()
