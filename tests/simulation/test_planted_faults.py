"""The simulator is able to fail: seeds that show every outcome catch each of these faults in the real joiner."""

from collections.abc import Callable, Hashable, Iterable
from typing import Any

import pytest

from shadowstream.compare import expected, rules
from shadowstream.compare.hooks import HookError, Unanswered
from shadowstream.joiner import task
from shadowstream.joiner.accounting.correctable import CorrectableRows
from shadowstream.joiner.completeness.completeness import Completeness
from shadowstream.joiner.completeness.marks_log import PassedMarks
from shadowstream.joiner.intake.dedupe import DedupeWindow
from shadowstream.joiner.intake.production_failures import FAILED, ProductionFailures
from shadowstream.joiner.matching.by_unique_id import UniqueIdStore
from shadowstream.joiner.outcomes.late_records import LateRecords
from shadowstream.joiner.outcomes.rechecks import Rechecks, Verdict
from shadowstream.joiner.recovery import task_commit
from shadowstream.joiner.recovery.task_commit import TaskCommit
from shadowstream.joiner.task import Task
from shadowstream.protocol.outcomes import Outcome
from shadowstream.records import Batch, Side
from shadowstream.testing.simulation.logs import Logs
from shadowstream.testing.simulation.run import STEPS, Way, run_seed
from tests.simulation.test_simulation import SHOWING

Planted = Callable[[Any], Any]
"""From the real function to the faulty one."""


def by_maximum(real: Any) -> Any:
    """The faster side closes, as in Kafka Streams."""

    def bound(self: Completeness, lane: Hashable) -> float:
        if isinstance(lane, tuple) and lane[0] == "joint" and not self.finished:
            known = [self.read_to_ms(side) for side in (lane[1], Side.PRODUCTION)]
            return max((mark for mark in known if mark is not None), default=0) - self._config.grace_ms + 1
        return real(self, lane)

    return bound


def does_nothing(real: Any) -> Any:
    return lambda *_: None


def stable_ends(real: Any) -> Any:
    """Marks name the last stable offset, which may still hide the very outputs."""
    return lambda self, places: {place: self.stable(place) for place in places}


def without_tombstones(real: Any) -> Any:
    def read(self: Task, side: Side, batch: Batch, now_ms: int) -> Any:
        kept = [i for i, value in enumerate(batch.values) if value is not None]
        columns = (batch.offsets, batch.times_ms, batch.keys, batch.values, batch.headers)
        if not kept:
            return set()
        return real(self, side, Batch(batch.place, *([column[i] for i in kept] for column in columns)), now_ms)

    return read


def every_repeat_is(equal: bool) -> Planted:
    return lambda real: lambda *given: dict.fromkeys(real(*given), equal)


def on_arrival(real: Any) -> Any:
    def store(config: Any, sides: int, ahead: Any) -> Any:
        made = real(config, sides, ahead)
        return UniqueIdStore(config.judge.window_ms, sides) if config.identity.kind == "occurrence" else made

    return store


def one_too_high(real: Any) -> Any:
    """The committed offset is the lowest pending one, plus one."""

    def offsets(of: TaskCommit, sequence: int) -> Any:
        committed, *rest = real(of, sequence)
        waits = [len(of.pending.offsets(side)) > 0 for side in map(Side, range(len(committed)))]
        return [one._replace(offset=one.offset + wait) for one, wait in zip(committed, waits, strict=True)], *rest

    return offsets


def one_too_low(real: Any) -> Any:
    """Everything below high - 1 is called accounted for, so that one record is read twice."""
    return lambda checkpoint: real(checkpoint._replace(high=max(0, checkpoint.high - 1)))


def without_what_waits(real: Any) -> Any:
    """After a restart nothing is known of what was pending."""
    return lambda text: real(text)._replace(pending=frozenset())


def by_offsets(real: Any) -> Any:
    """The third ledger is computed: positions instead of records."""

    def read(self: Task, side: Side, batch: Batch, now_ms: int) -> Any:
        unknown = real(self, side, batch, now_ms)
        position = self.sides[side].position
        position.records_read = position.read_to
        return unknown

    return read


def whatever_is_read(real: Any) -> Any:
    """A done mark counts as soon as it is there, whether or not the outputs below its ends have been read."""
    return lambda self, position: real(self, 1 << 60)


def whatever_production_says(real: Any) -> Any:
    """Every failure of the candidate is excused."""
    return lambda self, row, result: result._replace(outcome="both_failed") if result.outcome in FAILED else result


def as_raised(real: Any) -> Any:
    """A function that did not answer counts as one that has raised: a mismatch."""

    def fence(entry: str, function: Any) -> Any:
        call = real(entry, function)

        def raising(*values: Any) -> Any:
            try:
                return call(*values)
            except Unanswered as error:
                raise HookError(str(error)) from error

        return raising

    return fence


def always_unstable(real: Any) -> Any:
    """Whatever the second answer is, it is taken for another one."""
    return lambda *_: Verdict(Outcome.UNSTABLE)


FAULTS: dict[str, tuple[Any, str, Planted]] = {
    "close by maximum": (Completeness, "bound", by_maximum),
    "LSO instead of high watermark": (Logs, "ends", stable_ends),
    "drop tombstones": (Task, "read", without_tombstones),
    "ignore repeats": (DedupeWindow, "repeats", lambda real: lambda *_: {}),
    # As where a repeated key was taken for a re-delivery, whatever its value.
    "take every repeat for a re-delivery": (DedupeWindow, "repeats", every_repeat_is(True)),
    "take no repeat for a re-delivery": (DedupeWindow, "repeats", every_repeat_is(False)),
    "occurrence on arrival": (task, "store_of", on_arrival),
    "forget what was said": (CorrectableRows, "take", does_nothing),
    "forget what was said at a restart": (LateRecords, "restore", does_nothing),
    "off by one in the committed floor": (TaskCommit, "_offsets", one_too_high),
    "off by one in high": (task_commit.checkpoint, "encode", one_too_low),
    "count by offsets": (Task, "read", by_offsets),
    "believe marks before their outputs are read": (PassedMarks, "advance", whatever_is_read),
    "forget what was pending": (task_commit.checkpoint, "decode", without_what_waits),
    "blame the candidate where production failed too": (
        ProductionFailures,
        "judged",
        lambda real: lambda *given: given[-1],
    ),
    "excuse the candidate where production did not fail": (ProductionFailures, "judged", whatever_production_says),
    "blame the candidate for a rule without an answer": (rules, "fenced", as_raised),
    "blame the candidate for a declared change without an answer": (expected, "fenced", as_raised),
    "forget pairs that wait for a second answer": (Rechecks, "offsets", lambda real: lambda *_: iter(())),
    "take each second answer for another one": (Rechecks, "_verdict", always_unstable),
    "ask nobody twice": (Rechecks, "places", lambda real: lambda *_: []),
}


BEGIN = {
    "close by maximum": 70,
    "LSO instead of high watermark": 11,
    "forget pairs that wait for a second answer": 20,
    "take each second answer for another one": 12,
    "ask nobody twice": 16,
}
"""Seeds that have shown these faults: they are tried before the others."""


def plant(fault: tuple[Any, str, Planted], monkeypatch: pytest.MonkeyPatch) -> None:
    where, what, planted = fault
    assert callable(where.__dict__[what]), "what the fault is planted in has gone: plant it anew"
    monkeypatch.setattr(where, what, planted(where.__dict__[what]))


def caught(seeds: Iterable[int], way: Way = STEPS) -> tuple[int, str] | None:
    """The first seed that shows an offence, and the offence."""
    found = ((seed, run_seed(seed, way).offences) for seed in seeds)
    return next(((seed, offences[0]) for seed, offences in found if offences), None)


def test_these_seeds_are_among_those_that_show_nothing_without_a_fault() -> None:
    """`test_few_seeds_show_every_outcome_and_none_wrong` plays them."""
    assert set(BEGIN.values()) <= set(SHOWING)


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(FAULTS[name], monkeypatch)
    seed = caught((BEGIN.get(name, 0), *SHOWING))
    print(f"{name}: caught at seed {seed}")
    assert seed is not None
