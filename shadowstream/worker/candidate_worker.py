"""The candidate's process: confined before it loads the candidate, it answers the runner's requests one by one.

`worker.process` starts it with one end of a socket. Requests are in `REQUESTS`; answers are lists, kind first. Results
of a call go back in parts, as soon as they have taken `PART_S`, so that the runner sees the call advance.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from shadowstream.errors import CandidateError, ConfigError
from shadowstream.model_server.failures import ServerAway
from shadowstream.runner import candidate
from shadowstream.runner.cpu_cost import Meter
from shadowstream.runner.outputs import BARE, Call, CandidateObject, Output
from shadowstream.worker import confinement, frames, serving
from shadowstream.worker.values import joined, packed, packed_result

if TYPE_CHECKING:  # the process of a function starts faster without these
    from shadowstream.config.model_server import Pickle
    from shadowstream.model_server.settings import Settings

AWAY = "away"
"""The kind of an answer without results: the model server cannot answer now."""
PART_S = 0.02
PART_VALUES = 256


class Loading(NamedTuple):
    """How the candidate is loaded and called: keys of config `candidate`, and the runner's search path of modules.

    `server`: settings of the model server that answers in its place.
    """

    call: str
    takes: str
    state: str
    path: list[str]
    measured: bool
    result_bytes_max: int
    pickle: Pickle | None = None
    server: Settings | None = None


class CallBounds(NamedTuple):
    """Bounds of one request: CPU time; time and bytes of answers after which no further value is called."""

    cpu_s: int
    seconds: float
    answer_bytes: int


class Worker:
    """The candidate, its objects by partition, and the call in progress."""

    def __init__(self, pipe: socket.socket) -> None:
        self._pipe = pipe
        self._meter: Meter | None = None
        self._result_bytes_max = 0
        self._make: Any = None
        self._calls: dict[str, Call] = {}
        self._objects: dict[str, CandidateObject] = {}
        self._kinds = candidate.FailureKinds()
        self._failures: list[tuple[str, str]] = []
        self._answers: Sequence[Any] = ()
        self._sent = self._sent_bytes = self._waiting_bytes = 0
        self._ends = self._part_ends = 0.0
        self._bounds = CallBounds(0, 0.0, 0)

    def load(self, loading: Loading) -> None:
        sys.path[:] = loading.path
        self._result_bytes_max = loading.result_bytes_max
        self._meter = Meter(time.thread_time_ns, 0) if loading.measured else None
        spec = SimpleNamespace(**loading._asdict(), isolation="process", trusted=False)
        observer = candidate.CallObserver(cast("Any", self), self._raised, self._enough)
        try:
            if loading.server is not None:
                from shadowstream.model_server.served_model import served  # a local import: few candidates are served

                self._calls[""] = served(loading.server, self.answer, self._enough)
            elif loading.state == "none":
                self._calls[""] = candidate.load(cast("Any", spec), self._meter, observer)
            else:
                self._make = candidate.load_stateful(cast("Any", spec), self._meter, observer)
        except ConfigError as error:
            return self._reply("refused", str(error))
        self._reply("loaded")

    def make(self, key: str) -> None:
        try:
            self._objects[key] = self._make()
        except ConfigError as error:
            return self._reply("raised", str(error))
        self._calls[key] = self._objects[key].call
        self._reply("returned", None)

    def forget(self) -> None:
        self._objects.clear()
        self._calls.clear()
        self._reply("returned", None)

    def snapshot(self, key: str) -> None:
        self._method(key, "snapshot")

    def restore(self, key: str, snapshot: bytes) -> None:
        self._method(key, "restore", snapshot)

    def call(self, key: str, values: list[Any], bounds: CallBounds) -> None:
        """Call with values and send their results; the first ones only, where they take too long or too many bytes."""
        confinement.limit_cpu(bounds.cpu_s)
        self._bounds, self._answers = bounds, ()
        self._sent = self._sent_bytes = self._waiting_bytes = 0
        now = time.monotonic()
        self._ends, self._part_ends = now + bounds.seconds, now + PART_S
        try:
            results = self._calls[key](values)
        except ServerAway as away:
            frames.send(self._pipe, packed([[AWAY, [], []], str(away)]))
        else:
            self._send("done", results)

    # The next two are of an observer of calls (`runner.candidate`).

    def answer(self, answers: Sequence[Any]) -> None:
        self._answers = answers

    def _enough(self) -> bool:
        now = time.monotonic()
        self._waiting_bytes += _length(self._answers[-1])
        if now >= self._part_ends or self._waiting_bytes >= self._result_bytes_max:
            self._send("some", self._answers)
            self._waiting_bytes, self._part_ends = 0, time.monotonic() + PART_S
        return now >= self._ends or self._sent_bytes >= self._bounds.answer_bytes

    def _raised(self, error: BaseException, failure: CandidateError) -> None:
        stack = self._kinds.stack_of_new(error)
        if stack is not None:
            self._failures.append((str(failure), stack))

    def _send(self, kind: str, results: Sequence[Any]) -> None:
        """Send the results that have not been sent, in parts; the last one is of this kind.

        Without state it leaves out results beyond the bytes of a call: their values are called again.
        """
        entries, failures = self._meter.take() if self._meter is not None else [], self._failures
        self._failures, before = [], self._sent
        parts: list[bytes] = []
        for count, data in self._parts([_bare(result) for result in results[before:]]):
            if self._sent and not self._objects and self._sent_bytes >= self._bounds.answer_bytes:
                break
            parts.append(data)
            self._sent, self._sent_bytes = self._sent + count, self._sent_bytes + len(data)
        entries = entries[: self._sent - before]
        parts = parts or [packed([])]
        for data in parts[:-1]:
            frames.send(self._pipe, joined([packed(["some", [], []]), data]))
        frames.send(self._pipe, joined([packed([kind, entries, failures]), parts[-1]]))

    def _parts(self, results: list[Any]) -> Iterator[tuple[int, bytes]]:
        """Yield results in parts of at most `PART_VALUES` and about `result_bytes_max`: their number, and the bytes."""
        for begin in range(0, len(results), PART_VALUES):
            part = results[begin : begin + PART_VALUES]
            data = self._packed(part)
            if data is not None:
                yield len(part), data
            else:
                yield from ((1, joined([self._packed_one(result)])) for result in part)

    def _packed(self, results: Sequence[Any]) -> bytes | None:
        # A huge value would take long to be copied, only to be refused.
        if sum(map(_length, results)) <= self._result_bytes_max:
            with contextlib.suppress(Exception):  # a value of the candidate's may raise anything; it fails alone
                data = packed(list(results))
                return data if len(data) <= self._result_bytes_max else None
        return None

    def _packed_one(self, result: Any) -> bytes:
        largest = self._result_bytes_max
        refused = CandidateError(f"output refused: longer than the {largest} bytes that can be sent")
        return packed_result(refused if _length(result) > largest else result, largest)

    def _method(self, key: str, name: str, *arguments: Any) -> None:
        try:
            returned = getattr(self._objects[key].object, name)(*arguments)
            if name == "snapshot" and not isinstance(returned, bytes):
                return self._reply("raised", f"snapshot() returned {type(returned).__name__}, not bytes")
        except BaseException as error:  # noqa: BLE001 - user code may raise anything, as in its call
            return self._reply("raised", f"{name}() raised {type(error).__name__}: {error}"[:500])
        self._reply("returned", returned)

    def _reply(self, kind: str, value: Any = None) -> None:
        frames.send(self._pipe, packed([kind, value]))


def _is_plain(output: Output) -> bool:
    return output.key is None and not output.drop_key and output.topic is None and not output.headers


def _bare(result: Any) -> Any:
    """Return the value of an only output with its input's key, if such a value can stand for the output."""
    if type(result) is list and len(result) == 1 and _is_plain(result[0]):
        value = result[0].value
        return value if type(value) in BARE else result
    return result


def _length(result: Any) -> int:
    """Return the length of a text or bytes as the value of one output; 0 for all else."""
    if isinstance(result, list) and len(result) == 1:
        result = getattr(result[0], "value", None)
    return len(result) if isinstance(result, str | bytes) else 0


REQUESTS = ("load", "make", "forget", "snapshot", "restore", "call")


def main(fd: int) -> None:
    with socket.socket(fileno=fd) as pipe:
        worker = Worker(pipe)
        for kind, *arguments in serving.requests(pipe):
            getattr(worker, kind if kind in REQUESTS else "")(*arguments)


if __name__ == "__main__":
    main(int(sys.argv[1]))
    os._exit(0)
