"""How every command speaks: data on stdout, talk on stderr, one exit code; nothing that a terminal would obey."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from enum import IntEnum
from typing import Annotated, Any, TextIO

import orjson
import typer
from rich.console import Console
from rich.text import Text

from shadowstream.configfile import ConfigFileError
from shadowstream.errors import ConfigError

_WIDTH_OFF_TERMINAL = 240
_WIDTH_LEAST = 40

Json = Annotated[bool, typer.Option("--json", help="JSON on stdout, for programs")]
ConfigPath = Annotated[str, typer.Argument(metavar="CONFIG", help="the trial's YAML file", show_default=False)]


class ExitCode(IntEnum):
    """What the process says to whoever started it (docs/exit-codes.md). Only `gate` turns a decision into REJECT or
    NOT_YET."""

    OK = 0
    BROKE = 1
    USAGE = 2
    REJECT = 3
    NOT_YET = 4
    TAKEN_OVER = 5
    INTERRUPTED = 130


def say(text: str) -> None:
    """Tell the person at the terminal something, on stderr."""
    print(printable(text), file=sys.stderr, flush=True)


def put(text: str) -> None:
    """Write a line of data on stdout."""
    print(printable(text), flush=True)


def put_wrapped(text: str) -> None:
    """Write a line of sentences on stdout; on a terminal in its width, whole words only, what follows indented more."""
    if not sys.stdout.isatty():
        put(text)
        return
    indent = text[: len(text) - len(text.lstrip())]
    width = max(_WIDTH_LEAST, shutil.get_terminal_size().columns - 1)
    for line in text.splitlines():
        more = f"{indent}  "
        put(textwrap.fill(line, width, subsequent_indent=more, break_long_words=False, break_on_hyphens=False))


def put_json(value: Any, out: TextIO | None = None) -> None:
    """Write one line of JSON on `out`, by default stdout: bytes as UTF-8, NaN and infinities as null."""
    stream = out or sys.stdout
    # In one piece: roles that end together share a pipe, and unbuffered `print` writes the end of the line apart.
    stream.write(orjson.dumps(value, default=_plain).decode() + "\n")
    stream.flush()


def console() -> Console:
    """Where tables go: stdout, coloured on a terminal unless NO_COLOR is set, wide where nobody looks at columns."""
    width = None if sys.stdout.isatty() else _WIDTH_OFF_TERMINAL
    return Console(file=sys.stdout, width=width, no_color=bool(os.environ.get("NO_COLOR")), highlight=False)


def cell(text: str, style: str = "") -> Text:
    """Text of a table that is shown as it is: no markup, no control characters."""
    return Text(printable(text), style=style)


def printable(text: str) -> str:
    r"""`text` with control characters escaped: what a record holds must not steer a terminal.

    >>> printable("a\x1b[31mb\nc")
    'a\\x1b[31mb\nc'
    """
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def error_object(error: BaseException, code: ExitCode, message: str) -> dict[str, Any]:
    """An error as ``--json`` prints it."""
    told: dict[str, Any] = {"kind": type(error).__name__, "message": message, "exit_code": int(code)}
    if isinstance(error, ConfigError):
        told["kind"] = "ConfigError"
    if isinstance(error, ConfigFileError):
        told["problems"] = [problem._asdict() for problem in error.problems]
    return {"error": told}


def _plain(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
