"""A process for the user's code, as its role sees it: started with nothing of the role's, bounded, and ended for sure.

The runner calls the candidate in one, the joiner the functions of `compare`.
"""

import contextlib
import os
import pickle
import signal
import site
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from shadowstream.child_processes import module_command
from shadowstream.logs import get_logger
from shadowstream.worker import frames, values
from shadowstream.worker.confinement import Bounds
from shadowstream.worker.frames import BrokenFrame
from shadowstream.worker.scratch import Overfull, Scratch

log = get_logger("worker")
READY_S = 60.0
PASSED = ("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PATH", "PYTHONHASHSEED", "PYTHONPATH", "TZ")
SHOWN_EVERY_S = 10.0
SHOWN_CHARS_MAX = 2_000  # of the candidate's output, in each `SHOWN_EVERY_S`
_READ_BYTES = 1 << 16
_BUFFER_BYTES = 1 << 20


class Ended(Exception):
    """The process has ended, or has been ended; the message says how."""


class OutputLog:
    """Log of what the process prints: the first characters in each span of time; the rest is counted and dropped.

    `shown`: whether the text may be logged; it can hold values of records.
    """

    def __init__(self, shown: bool) -> None:
        self._shown = shown
        self._next_at, self._left, self._dropped = 0.0, SHOWN_CHARS_MAX, 0

    def follow(self, pipe: int) -> None:
        """Read the pipe to its end, so that the process can always write."""
        with open(pipe, "rb", buffering=0) as stream:
            while data := stream.read(_READ_BYTES):
                self._take(data)
        self._report_dropped()

    def _take(self, data: bytes) -> None:
        if time.monotonic() >= self._next_at:
            self._report_dropped()
            self._next_at, self._left = time.monotonic() + SHOWN_EVERY_S, SHOWN_CHARS_MAX
        part = data[: self._left] if self._shown else b""
        self._left -= len(part)
        self._dropped += len(data) - len(part)
        if text := part.decode("utf-8", "replace").strip():
            log.info("worker_output", text=text)

    def _report_dropped(self) -> None:
        if self._dropped:
            log.info("worker_output_dropped", bytes=self._dropped)
            self._dropped = 0


def environment(names: Sequence[str], scratch: str) -> dict[str, str]:
    """Return the environment of the process: the named variables and a few without secrets. Home is the scratch."""
    kept = {name: os.environ[name] for name in (*PASSED, *names) if name in os.environ}
    return {"HOME": scratch, "TMPDIR": scratch, "PYTHONUSERBASE": site.getuserbase(), **kept}


class WorkerProcess:
    """One process, with one request at a time. `module`: what it runs, with the number of its end of the pipe."""

    def __init__(self, module: str, bounds: Bounds, names: Sequence[str], shown: bool) -> None:
        self._scratch = Scratch(bounds.scratch_bytes)
        bounds = replace(bounds, scratch=self._scratch.path, parent=os.getpid())
        self._pipe, others = socket.socketpair()
        self.received = 0  # bytes of the last answer
        for end in (self._pipe, others):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        printed, prints = os.pipe()
        try:
            self._process = subprocess.Popen(
                module_command(module, str(others.fileno())),
                env=environment(names, self._scratch.path),
                stdin=subprocess.DEVNULL,
                stdout=prints,
                stderr=prints,
                pass_fds=(others.fileno(),),
                start_new_session=True,
            )
        finally:
            others.close()
            os.close(prints)
        threading.Thread(target=OutputLog(shown).follow, args=(printed,), name="worker-output", daemon=True).start()
        try:
            self.send(bounds, READY_S)
            _, self.enforced = self.receive(1 << 16, READY_S)
        except TimeoutError as error:
            self.close()
            raise Ended(f"did not start within {READY_S:.0f} s") from error

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, request: Any, limit_s: float) -> None:
        """Send a request. Raises `TimeoutError` or, if the process is gone, `Ended`."""
        self.send_pickled(pickle.dumps(request, protocol=5), limit_s)

    def send_pickled(self, request: bytes, limit_s: float) -> None:
        try:
            frames.send(self._pipe, request, limit_s)
        except BrokenFrame as error:
            raise Ended(self._end_text(error)) from error

    def receive(
        self,
        bytes_max: int,
        limit_s: float,
        waiting: Callable[[float], None] | None = None,
        room: values.Room | None = None,
    ) -> list[Any]:
        """Receive an answer of two parts; `room` is for the containers of all parts.

        Raises `TimeoutError` or, without a usable answer, `Ended`.
        """

        def look(seconds: float) -> None:
            self._scratch.check()
            if waiting is not None:
                waiting(seconds)

        try:
            data = frames.receive(self._pipe, bytes_max, limit_s, look)
            self._scratch.check()
            self.received, answer = len(data), values.unpacked(data, room)
            if not isinstance(answer, list) or len(answer) != 2:
                raise BrokenFrame("it sent an answer of another form")
        except BrokenFrame as error:
            raise Ended(self._end_text(error)) from error
        except TimeoutError:
            raise
        except Overfull as error:
            self.close()
            raise Ended(f"ended by the runner: {error}") from error
        except ValueError as error:
            raise Ended(self._end_text(f"it sent what is no answer: {error}")) from error
        except Exception as error:  # its bytes can be anything
            raise Ended(self._end_text(f"it sent what is no answer: {type(error).__name__}")) from error
        return answer

    def _end_text(self, reason: object) -> str:
        code: int | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(0.2)
        self.close()
        if code is None:
            return f"ended by the runner: {reason}"
        if code >= 0:
            return f"ended with exit code {code}"
        try:
            return f"ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"ended by signal {-code}"

    def close(self) -> None:
        """End the process and its group, and remove its folder."""
        self._pipe.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self._scratch.remove()
