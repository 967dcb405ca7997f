"""Calls of `compare` functions in a process beside the joiner: an exception, a hang or an exit affects one pair.

A function that raises makes its pair a difference with that reason. A function that does not answer within
`compare.call_timeout_ms`, or ends its process, has compared nothing: its pair is `uncompared`, which lowers coverage.
The next call starts a new process. Repeated failures would delay the joiner longer than its group waits. So after
`FAILURES_MAX` of them the function is not called for `REST_S`, and each pair that needs it is `uncompared` at once. So
are the pairs for which a turn of the loop has no time left (`TURN_SHARE`).
"""

import pickle
import time
from collections import deque
from typing import Any

from shadowstream.compare.hooks import Hook, HookError, Unanswered
from shadowstream.config import CandidateLimits, Config
from shadowstream.errors import ConfigError
from shadowstream.logs import get_logger
from shadowstream.worker.isolated import bounds_of, module_path
from shadowstream.worker.process import Ended, WorkerProcess

log = get_logger("joiner")
LOAD_S = 60.0  # time limit of the import of a function's module
FAILURES_MAX = 5
REST_S = 60.0
TURN_SHARE = 3  # all calls of one turn of the loop may take this part of max.poll.interval.ms
MODULE = "shadowstream.kafka.joining.hook_worker"
ANSWER_BYTES_MAX = 16_000_000
FAILED_MAX = 64  # number of failed calls that are remembered and not repeated


class HookProcess:
    """Loader and caller of the config's functions in one process of their own, started when it is needed."""

    def __init__(self, config: Config) -> None:
        self._timeout_ms = config.compare.call_timeout_ms
        self._bounds = bounds_of(config, CandidateLimits())
        self._shown = config.compare.shows_texts
        self._path = module_path()
        self._process: WorkerProcess | None = None
        self._failures: dict[str, deque[float]] = {}
        self._loaded: set[tuple[str, int]] = set()
        self._failed_calls: dict[bytes, str] = {}
        self._turn_s = config.kafka.poll_interval_ms / 1000 / TURN_SHARE
        self._left_s = self._turn_s
        self.in_use = False

    def turn(self) -> None:
        self._left_s = self._turn_s

    def load(self, entry: str, key: str = "compare.rules", arguments: int = 2) -> Hook:
        """Return the function of an entry point, as `compare.hooks.load` does. Raises `ConfigError` if that fails."""
        self.in_use = True
        what, answer = self._load_once(entry, arguments)
        if what == "refused":
            raise ConfigError(f"{key}: {answer}")
        if what != "returned":
            raise ConfigError(f"{key}: cannot load {entry!r}: {answer}")

        def call(*values: Any) -> Any:
            return self._call(entry, arguments, values)

        return call

    def _call(self, entry: str, takes: int, values: tuple[Any, ...]) -> Any:
        try:
            request = pickle.dumps((self._path, entry, takes, values))
        except (pickle.PickleError, AttributeError, TypeError) as error:
            raise HookError(f"{entry}: {type(error).__name__}: its arguments are no plain values") from error
        if request in self._failed_calls:  # a differing pair is compared again to describe its difference
            raise Unanswered(f"{entry}: {self._failed_calls[request]}")
        self._check_rest(entry)
        what, answer = self._load_once(entry, takes)
        began = time.monotonic()
        if what == "returned":
            what, answer = self._ask(request, self._timeout_ms / 1000)
        self._left_s -= time.monotonic() - began
        if what == "returned":
            return answer
        if what == "raised":
            raise HookError(answer)
        self._failed(entry, answer, request)
        raise Unanswered(f"{entry}: {answer}")

    def _load_once(self, entry: str, takes: int) -> tuple[str, Any]:
        """Let the current process load a function, if it has not yet."""
        if (entry, takes) in self._loaded:
            return "returned", None
        what, answer = self._ask(pickle.dumps((self._path, entry, takes, None)), LOAD_S)
        if what == "returned":
            self._loaded.add((entry, takes))
        return what, answer

    def close(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None
        self._loaded.clear()

    def _check_rest(self, entry: str) -> None:
        failures = self._failures.get(entry)
        if failures and len(failures) == FAILURES_MAX and time.monotonic() - failures[-1] < REST_S:
            raise Unanswered(f"{entry}: rests, after it did not answer or ended its process {FAILURES_MAX} times")
        if self._left_s <= 0:
            raise Unanswered(f"{entry}: calls of one turn took a third of max.poll.interval.ms; it is not asked now")

    def _failed(self, entry: str, answer: str, request: bytes) -> None:
        while len(self._failed_calls) >= FAILED_MAX:
            del self._failed_calls[next(iter(self._failed_calls))]
        self._failed_calls[request] = answer
        self._failures.setdefault(entry, deque(maxlen=FAILURES_MAX)).append(time.monotonic())
        log.error("hook_failed", call=entry, reason=answer, restarted=True)

    def _ask(self, request: bytes, limit_s: float) -> tuple[str, Any]:
        """Return the worker's answer; (`ended`, reason) if there is none, after which there is no worker either."""
        try:
            if self._process is None:
                self._process = WorkerProcess(MODULE, self._bounds, (), self._shown)
            self._process.send_pickled(request, limit_s)
            kind, value = self._process.receive(ANSWER_BYTES_MAX, limit_s)
        except TimeoutError:
            self.close()
            return "ended", f"no answer within compare.call_timeout_ms: {self._timeout_ms}"
        except Ended as error:
            self.close()
            return "ended", f"its process {error}"
        return str(kind), value
