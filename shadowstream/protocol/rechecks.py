"""Requests for a second answer of the candidate (topic rechecks), and the answers (topic second-answers).

The joiner requests, and the runner answers. Both name the pair by the coordinate of production's record, and its input.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from shadowstream.protocol import marks
from shadowstream.records import Partition

ASK, COMPLETE = "ask", "complete"
"""Kinds of requests: the second answer of one pair; a task that will ask no more."""
ANSWERED, SILENT, FAILED, UNDECODABLE, GONE = "answered", "silent", "failed", "undecodable", "gone"
RESULTS = frozenset((ANSWERED, SILENT, FAILED, UNDECODABLE, GONE))


class InputAt(NamedTuple):
    """The coordinate of an input record."""

    topic: str
    partition: int
    offset: int

    @property
    def place(self) -> Partition:
        return Partition(self.topic, self.partition)


class Request(NamedTuple):
    """A request: the k-th output to `topic` of the input at `at`, as the candidate gives it when called again."""

    pair_id: str
    at: InputAt
    topic: str
    k: int

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Request":
        at = InputAt(record["input_topic"], record["input_partition"], record["input_offset"])
        return cls(record["pair_id"], at, record["output_topic"], record["k"])


class Answer(NamedTuple):
    """A second answer. `result`: answered, silent (no such output), failed, undecodable or gone (of the input)."""

    result: str
    value: bytes | None = None

    @property
    def is_answer(self) -> bool:
        return self.result in (ANSWERED, SILENT)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "tuple[str, InputAt, Answer]":
        """Return the pair's id, the input and the answer of a mark (schemas/mark.avsc) of kind recheck."""
        given = record["recheck"]
        at = InputAt(record["input_topic"], record["input_partition"], record["from_offset"])
        return given["pair_id"], at, cls(given["result"], given["value"])


def request_record(pair_id: str, revision: str, at: InputAt, output: tuple[str, int]) -> dict[str, Any]:
    """Return the record of a request (schemas/recheck.avsc). `output`: production's topic, and k.

    >>> record = request_record("out/0/5", "ab", InputAt("in", 1, 7), ("out", 0))
    >>> Request.of(record)
    Request(pair_id='out/0/5', at=InputAt(topic='in', partition=1, offset=7), topic='out', k=0)
    """
    topic, k = output
    of_input = {"input_topic": at.topic, "input_partition": at.partition, "input_offset": at.offset}
    return {
        "kind": ASK,
        "pair_id": pair_id,
        "revision": revision,
        **of_input,
        "output_topic": topic,
        "k": k,
        "task": "",
    }


def complete_record(task: str, revision: str) -> dict[str, Any]:
    """Return the record that a task will request nothing more."""
    return request_record("", revision, InputAt("", -1, -1), ("", 0)) | {"kind": COMPLETE, "task": task}


def answer_mark(revision: str, request: Request, answer: Answer) -> dict[str, Any]:
    """Return the mark of an answer.

    >>> request = Request("out/0/5", InputAt("in", 1, 7), "out", 0)
    >>> Answer.of(answer_mark("ab", request, Answer(SILENT)))
    ('out/0/5', InputAt(topic='in', partition=1, offset=7), Answer(result='silent', value=None))
    """
    at = request.at
    where = {"input_topic": at.topic, "input_partition": at.partition, "from_offset": at.offset}
    given = {"pair_id": request.pair_id, "result": answer.result, "value": answer.value}
    return marks.mark("recheck", revision, **where, recheck=given)
