"""Second answers: the candidate called again with one input, as at the first time, and nothing else changes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from shadowstream.errors import CandidateDown
from shadowstream.protocol.rechecks import ANSWERED, FAILED, SILENT, UNDECODABLE, Answer, InputAt, Request
from shadowstream.runner.candidate_attempts import Attempts
from shadowstream.runner.cpu_cost import Meter
from shadowstream.runner.second_answers import second_answers
from shadowstream.runner.step import RunnerStep
from tests.runner.test_step import IN, REVISION, batch, runner


class Seeing:
    """A call that remembers the values that it gets."""

    def __init__(self, call: Any) -> None:
        self.call, self.values = call, list[Any]()

    def __call__(self, values: Sequence[Any]) -> Any:
        self.values += values
        return self.call(values)


def asked(offset: int, topic: str = "out", k: int = 0) -> Request:
    return Request(f"out/0/{offset}", InputAt(*IN, offset), topic, k)


def answers(step: RunnerStep, *values: str, requests: Sequence[Request]) -> dict[str, Answer]:
    return {request.pair_id: answer for request, answer in second_answers(step, batch(*values), requests)}


CASES: dict[str, tuple[str, int, Answer]] = {
    "a value": ("plain", 0, Answer(ANSWERED, b'{"n":0}')),
    "the second of two": ("two", 1, Answer(ANSWERED, b'{"n":2}')),
    "a second of one": ("plain", 1, Answer(SILENT)),
    "nothing": ("nothing", 0, Answer(SILENT)),
    "a tombstone": ("tombstone", 0, Answer(ANSWERED, None)),
    "an exception": ("raise", 0, Answer(FAILED)),
    "a value beyond the schema": ("unwritable", 0, Answer(FAILED)),
    "a value beyond the bound": ("large", 0, Answer(FAILED)),
    "another topic": ("elsewhere", 0, Answer(FAILED)),
    "an input that cannot be decoded": ("undecodable", 0, Answer(UNDECODABLE)),
}


@pytest.mark.parametrize(("value", "k", "answer"), CASES.values(), ids=CASES)
def test_each_input_has_one_answer_that_is_no_output(value: str, k: int, answer: Answer) -> None:
    step = runner()
    assert answers(step, value, requests=[asked(0, k=k)]) == {"out/0/0": answer}
    assert (step.writes, step.records, step.dirty(), step.ended) == ([], 0, False, {})


def test_only_requested_inputs_are_called_each_once() -> None:
    step = runner(production={"outputs": ["out", "second"]})
    step.call = seen = Seeing(step.call)
    requests = [asked(1, "out", 1), Request("second/0/9", InputAt(*IN, 1), "second", 0), asked(7)]
    found = answers(step, "plain", "both", "plain", requests=requests)
    assert seen.values == ["both"]
    assert found == {"out/0/1": Answer(ANSWERED, b"3"), "second/0/9": Answer(ANSWERED, b"2")}


def test_after_enough_calls_the_rest_is_left() -> None:
    left = iter([False, True])
    found = list(second_answers(runner(), batch("plain", "plain"), [asked(0), asked(1)], lambda: next(left)))
    assert [request for request, _ in found] == [asked(0)]


class Down:
    """A candidate whose process ends, or which rests."""

    def __init__(self, absence: str | None) -> None:
        self.absence = absence

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        raise CandidateDown("ended", absence=self.absence)


def test_an_input_that_ends_the_process_fails_and_a_rest_waits() -> None:
    step = runner()
    step.attempts = Attempts("attempts", REVISION, None)
    step.call = Down("crashed")
    assert answers(step, "plain", requests=[asked(0)]) == {"out/0/0": Answer(FAILED)}
    assert step.attempts.calls.now() is None
    assert step.attempts.ended_inputs == []
    step.call = Down(None)
    with pytest.raises(CandidateDown):
        answers(step, "plain", requests=[asked(0)])


def test_the_cost_of_a_second_call_is_not_counted() -> None:
    ticks = iter(range(100))
    step = runner()
    step.meter = meter = Meter(lambda: next(ticks), 0)
    step.call = meter.of_batches(lambda values: [{"n": 0} for _ in values])
    answers(step, "plain", requests=[asked(0)])
    assert step.meter.take() == []


def test_the_candidate_does_not_see_productions_answer() -> None:
    step = runner(inputs=["in"], production={"answer": "score"}, candidate={"call": "tests.runner.test_step:answer"})
    step.call = seen = Seeing(lambda values: [{"n": 0} for _ in values])
    given = replace(batch("plain"), values=[b'{"n": 1, "score": 2}'])
    list(second_answers(step, given, [asked(0, "in")]))
    assert seen.values == [{"n": 1}]
