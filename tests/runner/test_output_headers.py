"""Headers that a candidate gives its outputs."""

from typing import Any

import pytest

from shadowstream.protocol.headers import PACKED_HEADER
from shadowstream.runner.outputs import Output
from tests.runner.test_step import ran, runner

OWN = [("trace", b"a"), ("trace", b"b")]
CANDIDATE = {"call": "tests.runner.test_output_headers:answer", "trusted": True, "partitioner": "input"}


def answer(value: Any) -> Any:
    """The candidate of these tests does what its input says."""
    answers: dict[str, Any] = {
        "own": OWN,
        "a text": [("trace", "a")],
        "an object": {"trace": b"a"},
        "no name": [("", b"a")],
        "the packed one": [(PACKED_HEADER, b"a")],
        "a copied one": [("kind", b"a")],
        "too long": [("trace", b"x" * 1_000)],
    }
    return Output({"n": 0}, headers=answers[value])


def test_headers_of_an_output_follow_the_packed_one() -> None:
    (write,), _, _ = ran(runner(candidate=CANDIDATE), "own")
    (name, _), *own = write.headers or []
    assert (name, own) == (PACKED_HEADER, OWN)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("a text", "an output's headers are a list of tuples of a name (str) and a value (bytes)"),
        ("an object", "an output's headers are a list of tuples"),
        ("no name", "an output's headers are a list of tuples"),
        ("the packed one", "the header 's', which shadowstream writes itself; give it another name"),
        ("a copied one", "the header 'kind', which shadowstream copies from the input; give it another name"),
        ("too long", "its key and headers included; limits.value_bytes_max is 1000"),
    ],
)
def test_an_output_with_other_headers_is_refused_with_the_reason(value: str, error: str) -> None:
    step = runner(candidate=CANDIDATE, compare={"dimensions": [{"name": "kind", "header": "kind"}]})
    writes, mark, _ = ran(step, value)
    assert mark["counters"]["absent"] == {"error": 1}
    (letter,) = writes
    assert error in dict(letter.headers or [])["__connect.errors.exception.message"].decode()
