"""Outputs of a candidate for one input, as values."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from shadowstream.errors import CandidateError
from shadowstream.records import OWN_HEADERS

Call = Callable[[Sequence[Any]], "list[Any]"]
"""A function from values to one result each: outputs (a list of `Output`) or a `CandidateError`. A result of a type in
`BARE` is the value of one output with the input's key."""
BARE = frozenset((dict, bytes, str, int, float, bool))


class CandidateObject(NamedTuple):
    """Object of a candidate with state, and its call."""

    object: Any
    call: Call


@dataclass(frozen=True, slots=True)
class Output:
    """Output of a candidate, where the value alone does not say it all."""

    value: Any
    """Value as the candidate returns it, before it is encoded."""
    key: bytes | None = None
    """Key of the output; None keeps the input's key."""
    drop_key: bool = False
    """Whether to write a null key."""
    topic: str | None = None
    """One of production's output topics; optional if there is only one."""
    headers: Sequence[tuple[str, bytes]] = ()
    """Headers of the output, beside those that shadowstream writes (s and p, and the carried ones of inputs)."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """In place of outputs: the candidate was not called, by declaration. `cause`: as in the runner's marks."""

    cause: str


def outputs_of_each(returned: list[Any]) -> list[Any]:
    """Convert the return value of each input like `outputs_of`; if all are in `BARE`, return them unchanged."""
    if BARE.issuperset(map(type, returned)):
        return returned
    return [outputs_of(value) for value in returned]


def outputs_of(returned: Any) -> list[Output]:
    """Convert a candidate's return value to a list of outputs; raise `CandidateError` for a wrong key, topic or header.

    >>> [o.value for o in outputs_of([1, Output(2)])]
    [1, 2]
    >>> outputs_of(None)
    []
    """
    if returned is None:
        return []
    many = returned if isinstance(returned, list) else [returned]
    outputs = [output if isinstance(output, Output) else Output(output) for output in many]
    for output in outputs:
        if not isinstance(output.key, bytes | None):
            raise CandidateError(f"an output's key is bytes or None, not {type(output.key).__name__}")
        if not isinstance(output.topic, str | None):
            raise CandidateError(f"an output's topic is str or None, not {type(output.topic).__name__}")
        if not are_headers(output.headers):
            raise CandidateError("an output's headers are a list of tuples of a name (str) and a value (bytes)")
    return outputs


def are_headers(value: object) -> bool:
    """Return whether a value has the form of `Output.headers`.

    >>> are_headers([("a", b"1"), ("a", b"2")]), are_headers([("a", "1")]), are_headers({"a": b"1"})
    (True, False, False)
    """
    return isinstance(value, list | tuple) and all(
        isinstance(one, tuple)
        and len(one) == 2
        and isinstance(one[0], str)
        and bool(one[0])
        and isinstance(one[1], bytes)
        for one in value
    )


def key_of(output: Output, input_key: bytes | None) -> bytes | None:
    """Return the key with which an output is written.

    >>> key_of(Output(1), b"k"), key_of(Output(1, b"own"), b"k"), key_of(Output(1, drop_key=True), b"k")
    (b'k', b'own', None)
    """
    if output.drop_key:
        return None
    return input_key if output.key is None else output.key


def headers_of(output: Output, carried: Collection[str]) -> list[tuple[str, bytes]]:
    """Return the headers of an output; raise `CandidateError` for one that shadowstream itself writes.

    `carried`: the headers that the runner copies from the input.
    """
    for name, _ in output.headers:
        if name in OWN_HEADERS or name in carried:
            why = "copies from the input" if name in carried else "writes itself"
            raise CandidateError(f"an output has the header {name!r}, which shadowstream {why}; give it another name")
    return list(output.headers)


def check_size(key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]], bytes_max: int) -> None:
    """Raise `CandidateError` for a record that is too large.

    It would surface only at the commit, and fail it again after each restart.
    """
    size = len(value or b"") + len(key or b"") + sum(len(name.encode()) + len(one) for name, one in headers)
    if size > bytes_max:
        raise CandidateError(
            f"output of {size} bytes, its key and headers included; limits.value_bytes_max is {bytes_max}"
        )
