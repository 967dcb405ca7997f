"""Reports of a role to the supervisor that started it, through a pipe whose other end the supervisor holds.

An exit code proves nothing: foreign code in a role can end the process with any code. The supervisor relies on these
reports:

==================  =====================================================  =====================================
report              the role sends it                                      the supervisor
==================  =====================================================  =====================================
finished            once its bounded trial is done and committed           never starts it again, if it exits 0
config_error        before it exits 2, after its message on stderr         ends all roles
taken_over          before it exits 5, because another run took over       ends all roles
caught_up           once it has read again what a restart needs            counts it as started; an earlier end
                                                                           lengthens the wait for the next start
broker_unreachable  whenever a client cannot reach a broker                logs it once for all roles
==================  =====================================================  =====================================

A process without a supervisor reports nothing.
"""

import os
import stat
from contextlib import suppress
from enum import StrEnum

VARIABLE = "SHADOWSTREAM_REPORT"  # environment variable with the child's end of the pipe
LINE_MAX = 2_000  # bytes of a line: fewer than a pipe takes at once, so that lines do not mix


class Report(StrEnum):
    """Report of a role; the head of this file explains each."""

    FINISHED = "finished"
    CONFIG_ERROR = "config_error"
    TAKEN_OVER = "taken_over"
    CAUGHT_UP = "caught_up"
    BROKER_UNREACHABLE = "broker_unreachable"


class _Pipe:
    """This process's end of the pipe, if it has a supervisor."""

    end: int | None = None


def inherited_pipe(variable: str) -> int | None:
    """Take this process's end of a pipe from the environment, so that no process started later inherits it."""
    with suppress(ValueError, OSError):
        end = int(os.environ.pop(variable, ""))
        if stat.S_ISFIFO(os.fstat(end).st_mode):
            os.set_inheritable(end, False)
            return end
    return None


def connect() -> None:
    """Connect this process to the supervisor that started it, if there is one."""
    if (end := inherited_pipe(VARIABLE)) is not None:
        os.set_blocking(end, False)
        _Pipe.end = end


def is_supervised() -> bool:
    return _Pipe.end is not None


def send(report: Report, text: str = "") -> None:
    """Report to the supervisor, if there is one. A supervisor that is gone or does not read is no error."""
    if _Pipe.end is None:
        return
    line = f"{report} {text}".replace("\n", " ").encode("utf-8", "replace")[:LINE_MAX]
    with suppress(OSError):
        os.write(_Pipe.end, line + b"\n")


class Reports:
    """The supervisor's end of one child's pipe."""

    def __init__(self) -> None:
        self._end, self.child_end = os.pipe()
        os.set_blocking(self._end, False)
        self._begun = b""
        self.received: dict[str, str] = {}  # the last text of each report

    def started(self) -> None:
        os.close(self.child_end)

    def read(self) -> list[tuple[str, str]]:
        with suppress(BlockingIOError):
            while chunk := os.read(self._end, 65_536):
                self._begun += chunk
        *lines, self._begun = self._begun.split(b"\n")
        found = [(word, text) for word, _, text in (line.decode("utf-8", "replace").partition(" ") for line in lines)]
        self.received.update(found)
        return found

    def close(self) -> None:
        os.close(self._end)
