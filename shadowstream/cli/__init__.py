"""The command line: parse, call, print, exit code. A module with groups of commands registers them itself."""

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

from shadowstream import extras, loading
from shadowstream.cli.commands import COMMANDS
from shadowstream.cli.output import ExitCode, error_object, put, put_json, say
from shadowstream.errors import BrokerError, ConfigError, ShadowstreamBug, ShadowstreamError, TakenOver
from shadowstream.kafka import role_report
from shadowstream.kafka.role_report import Report

_LEVEL = "--log-level"
_REPORTED = {ExitCode.USAGE: Report.CONFIG_ERROR, ExitCode.TAKEN_OVER: Report.TAKEN_OVER}
"""The supervisor report for errors that a restart would not solve."""
_SIGNALS_OF_ITS_OWN = ("run", "join", "judge", "labels", "alerts", "up", "web")
"""Commands that install handlers before they begin, and end in order on request."""


def command_of(arguments: Sequence[str]) -> str | None:
    """The word that names the command; None without a command."""
    words = iter(arguments)
    for word in words:
        if word == _LEVEL:
            next(words, None)
        elif not word.startswith("-"):
            return word
    return None


def app(arguments: Sequence[str]) -> typer.Typer:
    """The program for these arguments: with the module of their command, or, if they name none, with the names and
    first sentences of all commands, which is all that the help shows."""
    return _app(COMMANDS[word].module if (word := command_of(arguments)) in COMMANDS else None)


@cache
def _app(module: str | None) -> typer.Typer:
    made = typer.Typer(
        name="shadowstream",
        help="Shadow releases for Kafka: run a candidate beside production, pair their outputs, decide with evidence.",
        pretty_exceptions_enable=False,
        add_completion=True,
    )
    made.callback()(_every_command)
    if module is None:
        for name, command in COMMANDS.items():
            made.command(name, help=command.help)(lambda: None)
        return made
    loading.load_pydantic()
    loaded = importlib.import_module(f"shadowstream.cli.{module}")
    if hasattr(loaded, "register"):
        loaded.register(made)
    else:
        for name in [name for name, command in COMMANDS.items() if command.module == module]:
            made.command()(getattr(loaded, name.replace("-", "_")))
    return made


def _show_version(asked: bool) -> None:
    if asked:
        from shadowstream.cli.version import version_text  # a local import: it loads Kafka's client

        put(version_text())
        raise typer.Exit


def _every_command(
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        typer.Option(_LEVEL, envvar="SHADOWSTREAM_LOG_LEVEL", help="least level of log lines on stderr"),
    ] = "info",
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="show the versions and exit")
    ] = False,
) -> None:
    from shadowstream.logs import configure_logging  # a local import: the help needs no log

    configure_logging(level=log_level)


def main() -> None:
    faulthandler.enable()  # if a client's C code crashes, stderr shows the call
    role_report.connect()
    if command_of(sys.argv[1:]) not in _SIGNALS_OF_ITS_OWN and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        # From here on, open resources are closed on the way out.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        sys.unraisablehook = _end_if_interrupted
    code = run(sys.argv[1:])
    # Everything is committed, closed and printed. Interpreter shutdown under the clients' threads has crashed
    # (SIGSEGV). Exit functions of the candidate still run.
    with suppress(KeyboardInterrupt):
        atexit._run_exitfuncs()
    with suppress(OSError, KeyboardInterrupt):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _end_if_interrupted(raised: "sys.UnraisableHookArgs") -> None:
    """End the process: Ctrl-C within a callback of the interpreter, as an import has them, would be lost otherwise."""
    if isinstance(raised.exc_value, KeyboardInterrupt):
        os._exit(ExitCode.INTERRUPTED)
    sys.__unraisablehook__(raised)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code. Exceptions become ``error: …`` on stderr, never a traceback.

    With ``--json`` stdout also gets ``{"error": {"kind", "message", "exit_code"}}``. `SHADOWSTREAM_TRACEBACK=1`
    prints the traceback of an error.
    """
    try:
        _require_extras(arguments)
        program = app(_completed() or arguments)
        loading.collect_the_rest()
        result = program(list(arguments) or ["--help"], prog_name="shadowstream", standalone_mode=False)
        sys.stdout.flush()
    except KeyboardInterrupt:
        say("stopped")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader has closed the pipe. Python's buffer for stdout must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.BROKE
    except Exception as error:  # noqa: BLE001 - the last line of defence: every error must give an exit code
        return _report_error(error, arguments)
    return result if isinstance(result, int) else ExitCode.OK


def _completed() -> list[str]:
    """The words of the line that a shell wants completed; none if it wants something else. Typer reads the same two."""
    if "_SHADOWSTREAM_COMPLETE" not in os.environ:
        return []
    return (os.environ.get("_TYPER_COMPLETE_ARGS") or os.environ.get("COMP_WORDS", "")).split()[1:]


def _require_extras(arguments: Sequence[str]) -> None:
    """Raise `ConfigError` before anything begins if the command lacks a library; its help needs none."""
    if (word := command_of(arguments)) in COMMANDS and "--help" not in arguments:
        extras.require(f"`{word}`", *COMMANDS[word].extras)


def _report_error(error: Exception, arguments: Sequence[str]) -> ExitCode:
    if isinstance(error, ModuleNotFoundError) and (extra := extras.extra_of(error.name)) is not None:
        error = extras.missing(extra, f"`{command_of(arguments)}`", error.name)
    code, message = _judged(error)
    if os.environ.get("SHADOWSTREAM_TRACEBACK") == "1":
        traceback.print_exception(error)
    if "--json" in arguments:
        put_json(error_object(error, code, message))
    if not _is_reported(error, code, message):
        say(f"error: {message}")
    return code


def _is_reported(error: Exception, code: ExitCode, message: str) -> bool:
    """Report an error to the supervisor, if there is one; return whether the supervisor prints it, once for all
    roles."""
    if not role_report.is_supervised():
        return False
    if code in _REPORTED:
        role_report.send(_REPORTED[code], message)
        return code == ExitCode.TAKEN_OVER
    if isinstance(error, BrokerError):
        from shadowstream.kafka.client.errors import is_unreachable  # a local import, because it loads the client

        if is_unreachable(error):
            role_report.send(Report.BROKER_UNREACHABLE, message)
            return True
    return False


def _judged(error: Exception) -> tuple[ExitCode, str]:
    """The exit code and the message of an error, by the table of `shadowstream.errors`."""
    if isinstance(error, ConfigError):
        return ExitCode.USAGE, str(error)
    if isinstance(error, TakenOver):
        return ExitCode.TAKEN_OVER, str(error)
    if isinstance(error, ShadowstreamError) and not isinstance(error, ShadowstreamBug):
        return ExitCode.BROKE, str(error)
    if type(error).__name__ == "KafkaException":  # by name: the client is imported at the edge only
        return ExitCode.BROKE, f"the broker or its client failed: {error.args[0].str() if error.args else error}"
    if isinstance(error, typer.Abort):  # Typer's exception for Ctrl-C
        return ExitCode.INTERRUPTED, "stopped"
    # A wrong command line. Typer's releases raise different classes for it, with the same attributes.
    usage = getattr(error, "format_message", None)
    if usage is not None:
        context = getattr(error, "ctx", None)
        where = f"; see `{context.command_path} --help`" if context else ""
        message = usage().rstrip(".").replace(": Value error, ", ": ")
        return ExitCode.USAGE, f"{message}{where}"
    return ExitCode.BROKE, (
        f"this is a bug of shadowstream, please report it: {type(error).__name__}: {error} "
        "(SHADOWSTREAM_TRACEBACK=1 shows where)"
    )
