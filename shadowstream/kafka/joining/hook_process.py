"""Calls of `compare` functions in a process beside the joiner: an exception, a hang or an exit affects one pair.

A function that raises makes its pair a difference with that reason. A function that does not answer within
`compare.call_timeout_ms`, or ends its process, has compared nothing: its pair is `uncompared`, which lowers coverage.
The next call starts a new process. Repeated failures would delay the joiner longer than its group waits. So after
`FAILURES_MAX` of them the function is not called for `REST_S`, and each pair that needs it is `uncompared` at once. So
are the pairs for which a turn of the loop has no time left (`TURN_SHARE`).
"""

import contextlib
import io
import multiprocessing
import pickle
import subprocess
import sys
import time
from collections import deque
from multiprocessing.connection import Connection
from typing import Any

from shadowstream.compare.hooks import Hook, HookError, Unanswered
from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.logs import get_logger

log = get_logger("joiner")
LOAD_S = 60.0  # time limit of the import of a function's module
FAILURES_MAX = 5
REST_S = 60.0
TURN_SHARE = 3  # all calls of one turn of the loop may take this part of max.poll.interval.ms
FAILED_MAX = 64  # number of failed calls that are remembered and not repeated
_PLAIN = frozenset(("builtins", "datetime", "decimal", "uuid", "_codecs", "collections", "fractions"))
_EXACT = frozenset((("shadowstream.codecs.numbers", "ExactFloat"), ("shadowstream.codecs.far_times", "FarTime")))
"""Values that a decoder makes, and that a function may return."""


class _Plain(pickle.Unpickler):
    """Unpickler of standard-library values only: a class of the function's own would run its code here."""

    def find_class(self, module: str, name: str) -> Any:
        unsafe = module == "builtins" and name in ("eval", "exec", "getattr", "open", "__import__")
        if (module, name) not in _EXACT and (module not in _PLAIN or unsafe):
            raise pickle.UnpicklingError(f"{module}.{name} is no plain value")
        return super().find_class(module, name)


class HookProcess:
    """Loader and caller of the config's functions in one process of their own, started when it is needed."""

    def __init__(self, config: Config) -> None:
        self._timeout_ms = config.compare.call_timeout_ms
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
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
            raise ConfigError(f"{key}: cannot load {entry!r}: its module {answer}")

        def call(*values: Any) -> Any:
            return self._call(entry, arguments, values)

        return call

    def _call(self, entry: str, takes: int, values: tuple[Any, ...]) -> Any:
        try:
            request = pickle.dumps((entry, takes, values))
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
        what, answer = self._ask(pickle.dumps((entry, takes, None)), LOAD_S)
        if what == "returned":
            self._loaded.add((entry, takes))
        return what, answer

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._connection = None
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

    def _started(self) -> Connection:
        if self._connection is None:
            own, others = multiprocessing.Pipe()
            with others:
                fd = others.fileno()
                command = [sys.executable, "-m", "shadowstream.kafka.joining.hook_worker", str(fd)]
                self._process = subprocess.Popen(command, pass_fds=(fd,), stdin=subprocess.DEVNULL)
            self._connection = own
        return self._connection

    def _ask(self, request: bytes, limit_s: float) -> tuple[str, Any]:
        """Return the worker's answer; (`ended`, reason) if there is none, after which there is no worker either."""
        try:
            connection = self._started()
            connection.send_bytes(request)
            if not connection.poll(limit_s):
                self.close()
                return "ended", f"no answer within compare.call_timeout_ms: {self._timeout_ms}"
            what, value = _Plain(io.BytesIO(connection.recv_bytes())).load()
            return what, value
        except (EOFError, OSError):
            return "ended", self._ended()
        except (pickle.PickleError, AttributeError, TypeError):
            entry = pickle.loads(request)[0]
            return "raised", f"{entry}: UnpicklingError: its result is no plain value"

    def _ended(self) -> str:
        code: int | None = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(5)
        self.close()
        return f"ended its process (exit code {code})"
