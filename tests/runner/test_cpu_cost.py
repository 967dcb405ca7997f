"""What the candidate costs, by a clock in hand: which inputs are measured, in which window, and what is costly."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.encoder import Encoder
from shadowstream.codecs.schemas import NoSchemas
from shadowstream.config import Candidate, Config
from shadowstream.protocol import marks
from shadowstream.runner.candidate import load, load_stateful
from shadowstream.runner.candidate_state import Stateful
from shadowstream.runner.cpu_cost import Meter, meter_of
from shadowstream.runner.step import RunnerStep
from tests.runner.test_step import IN, REVISION, batch, commit, config

MS = 1_000_000
COST = {"rate": "cost", "reference_ms": 2.0, "ratio": 1.5, "limit": 0.01}


class Clock:
    """CPU time that only goes on where a candidate says so."""

    now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


CLOCK = Clock()


def spend(value: Any) -> Any:
    """Takes as many ms as its input says: `12 raise`."""
    ms, _, what = value.partition(" ")
    CLOCK.now_ns += int(float(ms) * MS)
    if what == "raise":
        raise ValueError("no score")
    return {"nothing": None, "nan": {"n": float("nan")}}.get(what, {"n": 0})


def spend_all(values: list[Any]) -> list[Any]:
    """As many ms as they say together."""
    return [spend(value) for value in values]


def too_few(values: list[Any]) -> list[Any]:
    """Answers one of several."""
    return [spend(value) for value in values][:1]


class Spender:
    """With state."""

    def __call__(self, value: Any) -> Any:
        return spend(value)


def settings(call: str, criterion: dict[str, Any] | None = None, **candidate: Any) -> Config:
    unit = "block" if candidate.get("takes") == "batch" else "record"
    judged = [{"rate": "mismatch", "limit": 0.01}, COST | {"unit": unit} if criterion is None else criterion]
    named = {"call": f"tests.runner.test_cpu_cost:{call}", "trusted": True, "partitioner": "input"}
    return config(candidate=named | candidate, judge={"window_ms": 1_000, "criteria": judged})


def runner(made: Config, call: Callable[[Candidate, Meter | None], Any] = load) -> RunnerStep:
    meter = meter_of(made, CLOCK)
    encoders, decoder = {"out": Encoder(NoSchemas(), "out-value", "json")}, Decoder(NoSchemas())
    asked = call(made.candidate, meter)
    step = RunnerStep(made, REVISION, asked, decoder, encoders, {"out": 4}, meter=meter)
    step.assign(IN, 0, marks.Counters(), -1)
    return step


def costs(step: RunnerStep, *values: str, first: int = 0) -> list[tuple[int, int, int] | None]:
    """By window of a commit: threshold in ns, inputs measured, those over it. Each input lies 600 ms after the last."""
    step.step(batch(*values, first=first), 77)
    _, (mark,), _ = commit(step)
    found = [window["cost"] for window in mark["windows"]]
    return [one and (one["over_ns"], one["measured"], one["over"]) for one in found]


def test_inputs_are_counted_by_window_and_costly_above_the_threshold_only() -> None:
    step = runner(settings("spend"))
    assert costs(step, "1", "3", "3.000001", "9", "0") == [(3 * MS, 2, 0), (3 * MS, 2, 2), (3 * MS, 1, 0)]
    assert costs(step, "4", first=5) == [(3 * MS, 1, 1)]


def test_unanswered_inputs_are_no_units_and_silence_is_an_answer() -> None:
    values = ("9 raise", "9 nothing", "undecodable", "9 nan")
    assert costs(runner(settings("spend")), *values) == [(3 * MS, 1, 1), (3 * MS, 1, 1)]
    assert costs(runner(settings("spend")), "9 raise", "undecodable") == [None]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("1", "1", "7", "1"), [(3 * MS, 2, 0), (3 * MS, 2, 0)]),
        (("4", "4", "4", "4"), [(3 * MS, 2, 2), (3 * MS, 2, 2)]),
        # One of them raises, so they are asked one by one, and those calls are what counts.
        (("1", "7", "9 raise", "4"), [(3 * MS, 2, 1), (3 * MS, 1, 1)]),
    ],
)
def test_a_batch_shares_its_time_out_evenly(values: Sequence[str], expected: list[Any]) -> None:
    assert costs(runner(settings("spend_all", takes="batch")), *values) == expected


def test_of_a_batch_of_another_length_the_calls_one_by_one_count() -> None:
    assert costs(runner(settings("too_few", takes="batch")), "1", "9") == [(3 * MS, 2, 1)]
    assert load(settings("too_few", takes="batch").candidate, Meter(CLOCK, 1))([]) == []


def test_a_candidate_with_state_is_measured_as_any_other() -> None:
    made = settings("Spender", state="warm_up", warm_up_records=1)

    def stateful(candidate: Candidate, meter: Meter | None) -> Stateful:
        one = Stateful(made, REVISION, load_stateful(candidate, meter), 4)
        one.assign(IN, None, None)
        return one

    assert costs(runner(made, stateful), "9", "1") == [(3 * MS, 2, 1)]


def test_what_was_dropped_before_its_commit_is_not_counted() -> None:
    step = runner(settings("spend"))
    step.step(batch("9", "9"), 77)
    step.drop()
    step.assign(IN, 0, marks.Counters(), -1)
    assert costs(step, "9", "1") == [(3 * MS, 2, 1)]


def test_without_the_criterion_nothing_is_measured() -> None:
    made = settings("spend", {"rate": "missing", "limit": 0.01})
    assert meter_of(made, CLOCK) is None
    assert costs(runner(made), "9") == [None]
