"""What a role reports to the supervisor that started it, through a pipe that the supervisor holds the other end of.

An exit code proves nothing: foreign code that runs in a role can end the process with any of them. The supervisor
believes a role that has reported it:

==================  =====================================================  =====================================
report              the role sends it                                      the supervisor
==================  =====================================================  =====================================
finished            once its bounded trial is done and committed           never starts it again, if it exits 0
config_error        before it exits 2, after its message on stderr         ends all roles
taken_over          before it exits 5: another run has its place           ends all roles
broker_unreachable  whenever a client cannot reach a broker                says so once for all roles
==================  =====================================================  =====================================

A process without a supervisor reports nothing.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from enum import StrEnum

VARIABLE = "SHADOWSTREAM_REPORT"
"""The variable that names, to a child, its end of the pipe."""
LINE_MAX = 2_000
"""Bytes of a line: shorter than what a pipe takes at once, so that no line is cut by another."""


class Report(StrEnum):
    """What a role can report; see the head of this file."""

    FINISHED = "finished"
    CONFIG_ERROR = "config_error"
    TAKEN_OVER = "taken_over"
    BROKER_UNREACHABLE = "broker_unreachable"


class _Pipe:
    """This process's end of the pipe, if it has a supervisor."""

    end: int | None = None


def connect() -> None:
    """Take this process's end of the pipe from the environment, so that no process started later inherits it."""
    named = os.environ.pop(VARIABLE, "")
    with suppress(ValueError, OSError):
        end = int(named)
        if stat.S_ISFIFO(os.fstat(end).st_mode):
            os.set_inheritable(end, False)
            os.set_blocking(end, False)
            _Pipe.end = end


def is_supervised() -> bool:
    """Whether somebody reads the reports of this process."""
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
        self.received: dict[str, str] = {}
        """The last text of each report."""

    def started(self) -> None:
        """Close the child's end here: the child has it."""
        os.close(self.child_end)

    def read(self) -> list[tuple[str, str]]:
        """Reports that have come since the last call."""
        with suppress(BlockingIOError):
            while chunk := os.read(self._end, 65_536):
                self._begun += chunk
        *lines, self._begun = self._begun.split(b"\n")
        found = [(word, text) for word, _, text in (line.decode("utf-8", "replace").partition(" ") for line in lines)]
        self.received.update(found)
        return found

    def close(self) -> None:
        """Close the supervisor's end."""
        os.close(self._end)
