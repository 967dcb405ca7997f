"""Seeds to verdicts, in as many processes as there are cores."""

import multiprocessing
import re
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from shadowstream.testing.simulation import coverage
from shadowstream.testing.simulation.check import Verdict
from shadowstream.testing.simulation.generator import history, is_determined
from shadowstream.testing.simulation.history import History
from shadowstream.testing.simulation.play import Trial, played, played_shedding, played_spilling
from shadowstream.testing.simulation.shrink import shrunk

COVERED_FROM = 500
"""From so many seeds on an outcome that was never shown under an identity fails the run."""
SHOWN_MAX = 3
CHUNK = 10


class Result(NamedTuple):
    """What came of one seed."""

    seed: int
    identity: str
    offences: tuple[str, ...]
    seen: Counter[str]
    records: int
    commits: int
    befallen: dict[str, int]


class Way(NamedTuple):
    """How histories are played, the make target by which a seed is repeated, and outcomes that need not be shown."""

    play: Callable[[History], Trial]
    target: str
    may_lack: tuple[str, ...] = ()
    everything: bool = True
    """Whether every outcome that is possible must be shown."""


STEPS = Way(played, "sim")
SHEDDING = Way(played_shedding, "sim SIM_ARGS=--shed")
SPILLING = Way(played_spilling, "sim SIM_ARGS=--spill")


def judged(one: History, way: Way = STEPS) -> tuple[tuple[str, ...], Trial | None, Counter[str]]:
    """Play a history and compare; a crash of the joiner is an offence like any other."""
    try:
        trial = way.play(one)
        verdict = Verdict(trial)
        offences = (*trial.offences(), *verdict.offences)
    except Exception as error:  # noqa: BLE001 - whatever it raises, its seed must be named and shrunk
        where = traceback.extract_tb(error.__traceback__)[-1]
        offence = f"{type(error).__name__}: {error} ({where.filename.rpartition('/')[2]}:{where.lineno})"
        return (offence,), None, Counter()
    return offences, trial, verdict.seen


def run_seed(seed: int, way: Way = STEPS) -> Result:
    one = history(seed)
    offences, trial, seen = judged(one, way)
    if trial is None:
        return Result(seed, one.setup.identity, offences, seen, 0, 0, {})
    records, commits = len(trial.world.logs.labels), len(trial.stored.stats)
    return Result(seed, one.setup.identity, offences, seen, records, commits, dict(trial.befallen))


def results(first: int, seeds: int, processes: int, way: Way = STEPS) -> Iterator[Result]:
    numbers = range(first, first + seeds)
    if processes == 1:
        yield from (run_seed(seed, way) for seed in numbers)
        return
    # No more than have a chunk to play: each imports all roles anew.
    with multiprocessing.get_context("spawn").Pool(min(processes, -(-seeds // CHUNK))) as pool:
        yield from pool.imap(partial(run_seed, way=way), numbers, chunksize=CHUNK)


def _kinds(offences: tuple[str, ...]) -> set[str]:
    """Offences without their figures: a smaller history is to fail in the same way."""
    return {re.sub(r"\d+", "#", offence) for offence in offences}


def report(result: Result, way: Way = STEPS) -> Iterator[str]:
    """A failing seed with its history made small, and how to repeat it."""
    yield f"seed {result.seed} ({result.identity}):"
    yield from (f"  {offence}" for offence in result.offences[:5])
    kinds = _kinds(result.offences)
    small = shrunk(history(result.seed), lambda one: is_determined(one) and bool(kinds & _kinds(judged(one, way)[0])))
    yield "  shrunk history:"
    yield from (f"    {line}" for line in small.lines())
    yield from (f"    -> {offence}" for offence in judged(small, way)[0][:8])
    yield f"  to repeat it: make {way.target} SEEDS=1 FIRST_SEED={result.seed}"


def run(first: int, seeds: int, processes: int, way: Way = STEPS) -> tuple[bool, list[str]]:
    began = time.monotonic()
    seen: Counter[tuple[str, str]] = Counter()
    befallen: Counter[str] = Counter()
    failed: list[Result] = []
    records = commits = 0
    for result in results(first, seeds, processes, way):
        seen.update({(outcome, result.identity): n for outcome, n in result.seen.items()})
        befallen.update(result.befallen)
        records, commits = records + result.records, commits + result.commits
        if result.offences:
            failed.append(result)
    wall_s = time.monotonic() - began
    lines = [line for result in failed[:SHOWN_MAX] for line in report(result, way)]
    if len(failed) > SHOWN_MAX:
        lines.append(f"further failing seeds: {' '.join(str(result.seed) for result in failed[SHOWN_MAX:][:50])}")
    lines += coverage.table(seen)
    shown = coverage.faults(seen, way.may_lack) if seeds >= COVERED_FROM and way.everything else []
    lines += shown
    lines += [f"{name.ljust(40)} {n:6}" for name, n in sorted(befallen.items())]
    lines.append(
        f"{seeds} seeds from {first}: {len(failed)} wrong; {records} records, {commits} commits; "
        f"{wall_s:.1f} s in {processes} processes"
    )
    return not failed and not shown, lines
