"""What a candidate returns for one input, as values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from shadowstream.errors import CandidateError

Call = Callable[[Sequence[Any]], "list[Any]"]
"""Values to outputs (a list of `Output`) or a `CandidateError`, one entry a value; an entry of a type in `BARE` is the
value of one output with the input's key."""
BARE = frozenset((dict, bytes, str, int, float, bool))


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a candidate; `key` None keeps the input's key, `drop_key` writes a null key.

    `topic` is one of production's output topics; it can be left out where there is only one.
    """

    value: Any
    key: bytes | None = None
    drop_key: bool = False
    topic: str | None = None


def outputs_of_each(returned: list[Any]) -> list[Any]:
    """As `outputs_of`, of what was returned for each of many inputs; values in `BARE`, if there are no others, as they
    are."""
    if BARE.issuperset(map(type, returned)):
        return returned
    return [outputs_of(one) for one in returned]


def outputs_of(returned: Any) -> list[Output]:
    """What a candidate returned for one input, as a list of outputs; raises `CandidateError` for an odd key or topic.

    >>> [o.value for o in outputs_of([1, Output(2)])]
    [1, 2]
    >>> outputs_of(None)
    []
    """
    if returned is None:
        return []
    many = returned if isinstance(returned, list) else [returned]
    outputs = [one if isinstance(one, Output) else Output(one) for one in many]
    for one in outputs:
        if not isinstance(one.key, bytes | None):
            raise CandidateError(f"an output's key is bytes or None, not {type(one.key).__name__}")
        if not isinstance(one.topic, str | None):
            raise CandidateError(f"an output's topic is str or None, not {type(one.topic).__name__}")
    return outputs


def key_of(output: Output, input_key: bytes | None) -> bytes | None:
    """The key that an output is written with.

    >>> key_of(Output(1), b"k"), key_of(Output(1, b"own"), b"k"), key_of(Output(1, drop_key=True), b"k")
    (b'k', b'own', None)
    """
    if output.drop_key:
        return None
    return input_key if output.key is None else output.key
