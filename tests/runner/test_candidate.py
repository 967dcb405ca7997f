"""Whatever the candidate does is an observation; only what cannot be loaded is an error."""

import sys
from typing import Any

import pytest

from shadowstream.config import Candidate
from shadowstream.errors import CandidateError, ConfigError
from shadowstream.runner.candidate import load
from shadowstream.runner.outputs import Output

NOT_CALLABLE = 7


def odd(value: Any) -> Any:
    """Fails in many ways."""
    if value == "exit":
        sys.exit(3)
    if value == "interrupt":
        raise KeyboardInterrupt
    if value == "deep":
        return odd("deep")
    if value == "memory":
        raise MemoryError
    if value == "list":
        return [value, Output(value, b"k")]
    return None if value == "nothing" else value.upper()


def odd_batch(values: list[Any]) -> list[Any]:
    """The same for a list."""
    return [odd(value) for value in values]


def too_few(values: list[Any]) -> list[Any]:
    """Loses the last of several."""
    return values[:-1] if len(values) > 1 else values


def no_list(values: list[Any]) -> Any:
    """Forgets that it takes a list."""
    return len(values)


def candidate(name: str, **more: Any) -> Candidate:
    return Candidate.model_validate(
        {"call": f"tests.runner.test_candidate:{name}", "isolation": "in-process", "trusted": True} | more
    )


def results_of(results: Any) -> list[Any]:
    """Values, or the first word of the error. A bare one stands for one output."""
    return [
        str(one).partition(":")[0]
        if isinstance(one, CandidateError)
        else [output.value for output in one]
        if isinstance(one, list)
        else [one]
        for one in results
    ]


@pytest.mark.parametrize(("name", "takes"), [("odd", "value"), ("odd_batch", "batch")])
def test_an_error_of_one_input_does_not_affect_the_others(name: str, takes: str) -> None:
    call = load(candidate(name, takes=takes))
    values = ["a", "exit", "nothing", 5, "deep", "list", "memory", "b"]
    assert results_of(call(values)) == [
        ["A"], "SystemExit", [], "AttributeError", "RecursionError", ["list", "list"], "MemoryError", ["B"],
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "takes"), [("odd", "value"), ("odd_batch", "batch")])
def test_an_interrupt_is_for_us_and_not_the_candidates(name: str, takes: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        load(candidate(name, takes=takes))(["a", "interrupt"])


def test_a_batch_without_values_asks_the_candidate_nothing_that_could_fail() -> None:
    assert load(candidate("no_list", takes="batch"))([]) == []


def test_a_batch_of_another_length_is_called_one_by_one() -> None:
    assert results_of(load(candidate("too_few", takes="batch"))([1, 2, 3])) == [[1], [2], [3]]


def test_a_batch_result_that_is_no_list_fails_each_value() -> None:
    results = load(candidate("no_list", takes="batch"))([1, 2])
    assert [str(one) for one in results] == [
        "output refused: a batch of 1 values must return a list of that length, got int"
    ] * 2


def test_the_message_of_an_error_is_bounded() -> None:
    (error,) = load(candidate("odd"))([b"x" * 10_000 + b"\xff"])
    assert not isinstance(error, CandidateError)
    (error,) = load(candidate("odd"))([{"a" * 10_000: 1}])
    assert isinstance(error, CandidateError)
    assert len(str(error)) <= 500


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        (candidate("odd", trusted=False), "set `trusted: true`"),
        (candidate("absent"), "cannot load 'tests.runner.test_candidate:absent'"),
        (candidate("odd", call="no.such.module:f"), "No module named 'no'"),
        (candidate("NOT_CALLABLE"), "is not callable"),
    ],
)
def test_what_cannot_be_loaded_is_a_config_error_that_says_why(candidate: Candidate, message: str) -> None:
    with pytest.raises(ConfigError, match="candidate") as caught:
        load(candidate)
    assert message in str(caught.value)
