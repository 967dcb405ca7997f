"""The candidate of every simulated trial: what it answers stands in its input; and functions of `compare`."""

import json
from dataclasses import replace
from typing import Any

from shadowstream.compare.hooks import Unanswered
from shadowstream.records import Side
from shadowstream.runner.outputs import Output
from shadowstream.testing.simulation.history import FAILS, FAILURE, OUTPUTS, Answer, Input

CHANGES: dict[str, dict[str, Any]] = {
    "near": {"near": 1.25},
    "noisy": {"noise": 9},
    "declared": {"grade": "new"},
    "differs": {"n": -1},
    **{kind: {"n": -1} for kind in ("unstable", "vanishing", "failing")},
    "failed": {FAILURE: FAILS},
    "answered": {"answered": 1},
    "unanswered": {"asked": 1},
    "unexplained": {"unexplained": 1},
}
"""What an output of each kind holds otherwise than a plain one."""
UNREADABLE = b"\x00"
"""An input that the runner cannot decode."""


def content(answer: Answer, one: Input, blind: bool) -> bytes | None:
    if answer.kind == "tombstone":
        return None
    if answer.kind == "broken":
        return b"\xff" + bytes([answer.k])
    value: dict[str, Any] = {"k": answer.k, "near": 1.0, "noise": 0, "n": one.number, "grade": "old"}
    value |= {"answered": 0, "asked": 0, "unexplained": 0} | CHANGES.get(answer.kind, {})
    if not blind:
        value["cid"] = one.id.decode()
    return json.dumps(value).encode()


def stamped(value: bytes | None) -> bytes | None:
    """The value as a producer writes it a second time that puts the time of writing into it."""
    return value + b" " if value else value


def input_value(one: Input) -> bytes:
    """The value of an input: its correlation id and what the candidate does with it."""
    if one.absence == "undecodable":
        return UNREADABLE
    blind = Side.SHADOW in one.blind
    values = [content(answer, one, blind) for answer in one.answers[Side.SHADOW]]
    shown = [None if value is None else value.decode("latin-1") for value in values]
    orders = {"fails": one.absence is not None, "blind": blind, "values": shown, "topic": OUTPUTS[one.topic]}
    again = {"again": [answer.kind for answer in one.answers[Side.SHADOW]]}
    return json.dumps({"cid": one.id.decode(), "number": one.number, **orders, **again}).encode()


def candidate(value: Any) -> Any:
    """Fails, or returns what the input says."""
    if value["fails"]:
        raise ValueError(f"cannot score {value['number']}")
    return [
        Output(None if text is None else _value(text.encode("latin-1")), drop_key=value["blind"], topic=value["topic"])
        for text in value["values"]
    ]


def candidate_again(value: Any) -> Any:
    """What it answers when it is called again: the same, unless the kind of the output says otherwise."""
    kinds = value["again"]
    if "failing" in kinds:
        raise ValueError(f"cannot score {value['number']} again")
    outputs: list[Output | None] = list(candidate(value))
    for k, kind in enumerate(kinds):
        output = outputs[k]
        if kind == "unstable" and output is not None:
            outputs[k] = replace(output, value={**output.value, "n": -2})
        elif kind == "vanishing":
            outputs[k] = None
    return [output for output in outputs if output is not None]


def _value(raw: bytes) -> Any:
    return raw if raw[:1] == b"\xff" else json.loads(raw)


def tolerates(production: Any, shadow: Any) -> bool:
    """Every difference."""
    return True


def ends(production: Any, shadow: Any) -> bool:
    """Nothing: whoever calls it never hears an answer."""
    raise Unanswered("ended its process (exit code 1)")
