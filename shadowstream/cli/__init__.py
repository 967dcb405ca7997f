"""The command line: parse, call, print, exit code. A command's own module registers it."""

from __future__ import annotations

import atexit
import faulthandler
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Annotated, Literal

import typer

from shadowstream.cli.output import ExitCode, error_object, put_json, say
from shadowstream.errors import BrokerError, ConfigError, ShadowstreamBug, ShadowstreamError, TakenOver
from shadowstream.kafka import role_report
from shadowstream.kafka.role_report import Report
from shadowstream.logs import configure_logging

_ROOMS = {
    "roles": ("run", "join", "judge", "labels", "up"),
    "alerts": ("alerts",),
    "config_commands": ("validate", "config", "schema"),
    "gate": ("gate",),
    "explain": ("explain",),
    "report": ("report",),
    "replay": ("replay",),
    "override": ("override",),
    "diff": ("diff",),
    "kafka": ("kafka",),
    "demo": ("demo",),
    "topics": ("topics",),
}
"""Modules by the words that they add, in the order of the help. Only what is called is loaded: a role that comes back
from a crash must not first load what the report draws with."""
_LEVEL = "--log-level"
_REPORTED = {ExitCode.USAGE: Report.CONFIG_ERROR, ExitCode.TAKEN_OVER: Report.TAKEN_OVER}
"""What a role reports of an error that another start would not mend."""
_SIGNALS_OF_ITS_OWN = ("run", "join", "judge", "labels", "alerts", "up")
"""Commands that install handlers before they begin anything, and end in order when they are asked to."""


def command_of(arguments: Sequence[str]) -> str | None:
    """The word that names the command; None where none is named."""
    words = iter(arguments)
    for word in words:
        if word == _LEVEL:
            next(words, None)
        elif not word.startswith("-"):
            return word
    return None


def app(arguments: Sequence[str]) -> typer.Typer:
    """The program as far as these arguments need it: the module of their command, all of them where none is named."""
    word = command_of(arguments)
    return _app(*(room for room, commands in _ROOMS.items() if word in commands))


@cache
def _app(*rooms: str) -> typer.Typer:
    made = typer.Typer(
        name="shadowstream",
        help="Shadow releases for Kafka: run a candidate beside production, pair their outputs, decide with evidence.",
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    made.callback()(_every_command)
    for room in rooms or _ROOMS:
        importlib.import_module(f"shadowstream.cli.{room}").register(made)
    return made


def _every_command(
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        typer.Option(_LEVEL, envvar="SHADOWSTREAM_LOG_LEVEL", help="least level of log lines on stderr"),
    ] = "info",
) -> None:
    configure_logging(level=log_level)


def main() -> None:
    """The program `shadowstream`."""
    faulthandler.enable()  # where a client's C code dies, stderr shows in which call
    role_report.connect()
    if command_of(sys.argv[1:]) not in _SIGNALS_OF_ITS_OWN and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        # From here on what is open is closed on the way out.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    code = run(sys.argv[1:])
    # All is committed, closed and said. Taking the interpreter down under the clients' threads has crashed (SIGSEGV).
    # What a candidate has left to be done at exit is done.
    with suppress(KeyboardInterrupt):
        atexit._run_exitfuncs()
    with suppress(OSError, KeyboardInterrupt):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code; whatever it raises becomes ``error: …`` on stderr, never a traceback.

    With ``--json`` stdout gets ``{"error": {"kind", "message", "exit_code"}}`` as well. `SHADOWSTREAM_TRACEBACK=1`
    shows where an error came from.
    """
    try:
        result = app(arguments)(list(arguments) or ["--help"], prog_name="shadowstream", standalone_mode=False)
        sys.stdout.flush()
    except KeyboardInterrupt:
        say("stopped")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has seen enough. What Python still holds for stdout must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.BROKE
    except Exception as error:  # noqa: BLE001 - the last line of defence: an error has to end in an exit code
        return _told(error, as_json="--json" in arguments)
    return result if isinstance(result, int) else ExitCode.OK


def _told(error: Exception, *, as_json: bool) -> ExitCode:
    code, message = _judged(error)
    if os.environ.get("SHADOWSTREAM_TRACEBACK") == "1":
        traceback.print_exception(error)
    if as_json:
        put_json(error_object(error, code, message))
    if not _is_reported(error, code, message):
        say(f"error: {message}")
    return code


def _is_reported(error: Exception, code: ExitCode, message: str) -> bool:
    """Report an error to the supervisor, if there is one; whether that says it, once for all its roles."""
    if not role_report.is_supervised():
        return False
    if code in _REPORTED:
        role_report.send(_REPORTED[code], message)
        return code == ExitCode.TAKEN_OVER
    if isinstance(error, BrokerError):
        from shadowstream.kafka.client.errors import is_unreachable  # here, for it loads the client

        if is_unreachable(error):
            role_report.send(Report.BROKER_UNREACHABLE, message)
            return True
    return False


def _judged(error: Exception) -> tuple[ExitCode, str]:
    """Whose fault it is, by the table of `shadowstream.errors`."""
    if isinstance(error, ConfigError):
        return ExitCode.USAGE, str(error)
    if isinstance(error, TakenOver):
        return ExitCode.TAKEN_OVER, str(error)
    if isinstance(error, ShadowstreamError) and not isinstance(error, ShadowstreamBug):
        return ExitCode.BROKE, str(error)
    if type(error).__name__ == "KafkaException":  # by name: the client is imported at the edge only
        return ExitCode.BROKE, f"the broker or its client failed: {error.args[0].str() if error.args else error}"
    if isinstance(error, typer.Abort):  # Typer's word for Ctrl-C
        return ExitCode.INTERRUPTED, "stopped"
    # A wrong command line. Typer's releases differ in the class that they raise for it, not in its shape.
    usage = getattr(error, "format_message", None)
    if usage is not None:
        context = getattr(error, "ctx", None)
        where = f"; see `{context.command_path} --help`" if context else ""
        told = usage().rstrip(".").replace(": Value error, ", ": ")
        return ExitCode.USAGE, f"{told}{where}"
    return ExitCode.BROKE, (
        f"this is a bug of shadowstream, please report it: {type(error).__name__}: {error} "
        "(SHADOWSTREAM_TRACEBACK=1 shows where)"
    )
