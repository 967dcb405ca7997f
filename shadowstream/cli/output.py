"""Output of all commands: data on stdout, messages on stderr, exit codes, and no control characters for the
terminal."""

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import orjson
import typer

from shadowstream.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_WIDTH_OFF_TERMINAL = 240
_WIDTH_LEAST = 40
_WIDTH_OF_COLUMN = 16
"""Columns of a terminal that a column of a table needs beside the one with ids."""
_WIDTH_OF_LAST = 48
"""Columns that suffice for the last column of a table, whose texts may be of any length."""
DECISION_STYLES = {"promote": "green", "reject": "red", "not_yet": "yellow"}

Json = Annotated[bool, typer.Option("--json", help="JSON on stdout, for programs")]
ConfigPath = Annotated[str, typer.Argument(metavar="CONFIG", help="the trial's YAML file", show_default=False)]


class ExitCode(IntEnum):
    """The exit codes of the process (docs/exit-codes.md). Only `gate` turns a decision into REJECT or NOT_YET."""

    OK = 0
    BROKE = 1
    USAGE = 2
    REJECT = 3
    NOT_YET = 4
    TAKEN_OVER = 5
    INTERRUPTED = 130


def say(text: str) -> None:
    """Print a message to the user on stderr."""
    print(printable(text), file=sys.stderr, flush=True)


def put(text: str) -> None:
    """Write a line of data on stdout."""
    print(printable(text), flush=True)


def put_wrapped(text: str) -> None:
    """Write a line of text to stdout; on a terminal, wrap it at whole words and indent continuation lines."""
    put("\n".join(map(wrapped, text.splitlines())) if sys.stdout.isatty() else text)


def wrapped(text: str, width: int | None = None) -> str:
    """`text` wrapped at whole words for `width` columns, by default the terminal's, continuation lines indented."""
    columns = max(_WIDTH_LEAST, (width or shutil.get_terminal_size().columns) - 1)
    more = f"{text[: len(text) - len(text.lstrip())]}  "
    kept = text.replace(" %", "\u00a0%")  # a number and its percent sign stay on one line
    lines = textwrap.fill(kept, columns, subsequent_indent=more, break_long_words=False, break_on_hyphens=False)
    return lines.replace("\u00a0%", " %")


def put_json(value: Any, out: TextIO | None = None) -> None:
    """Write one line of JSON on `out`, by default stdout: bytes as UTF-8, NaN and infinities as null."""
    stream = out or sys.stdout
    # In one write: roles that end together share a pipe, and unbuffered `print` writes the line end separately.
    stream.write(orjson.dumps(value, default=_plain).decode() + "\n")
    stream.flush()


def put_or_say(record: Any, text: str, *, as_json: bool) -> None:
    """Write the result of a command as JSON, or tell it to the user."""
    if as_json:
        put_json(record)
    else:
        say(text)


def console() -> "Console":
    """The console for tables: stdout, coloured on a terminal unless NO_COLOR is set, wide outside a terminal."""
    from rich.console import Console  # a local import, as all of Rich: most commands print plain lines

    width = None if sys.stdout.isatty() else _WIDTH_OFF_TERMINAL
    return Console(file=sys.stdout, width=width, no_color=bool(os.environ.get("NO_COLOR")), highlight=False)


def new_table() -> "Table":
    """A table without lines, whose columns and rows are to be added."""
    from rich.table import Table

    return Table(box=None, pad_edge=False)


def put_rows(
    titles: Sequence[str], rows: Sequence[Sequence["Text"]], *, id_at: int, if_room: int | None = None
) -> None:
    """Print rows as a table, on a terminal too narrow for it as blocks. The ids in column `id_at` are never broken.

    `if_room`: a later column that a table has only on a terminal with room for it, and if it is not empty.
    """
    from rich.text import Text

    shown = console()
    longest = max(len(row[id_at]) for row in rows)
    columns = len(titles) - (if_room is not None)
    if not shown.is_terminal or shown.width >= longest + _WIDTH_OF_COLUMN * (columns - 1):
        if if_room is not None and not (shown.is_terminal and _has_room(shown.width, titles, rows, if_room)):
            titles = [*titles[:if_room], *titles[if_room + 1 :]]
            rows = [[*row[:if_room], *row[if_room + 1 :]] for row in rows]
        table = new_table()
        for at, title in enumerate(titles):
            table.add_column(title, overflow="fold", no_wrap=at == id_at, ratio=int(at == len(titles) - 1) or None)
        for row in rows:
            table.add_row(*row)
        shown.print(table)
        return
    for row in rows:
        shown.print(row[id_at], soft_wrap=True, style="bold")
        for at, (title, text) in enumerate(zip(titles, row, strict=True)):
            if at != id_at and text.plain not in ("", "-"):
                first, *more = text.plain.splitlines()
                if more or ": " in title:
                    lines = [f"  {title}:", *(f"    {line}" for line in (first, *more))]
                else:
                    lines = [f"  {title}: {first}"]
                folded = "\n".join(wrapped(line, shown.width) for line in lines)
                shown.print(Text(folded, style=text.style), soft_wrap=True)


def _has_room(width: int, titles: Sequence[str], rows: Sequence[Sequence["Text"]], at: int) -> bool:
    """Whether a table with column `at`, which must hold something, leaves the other columns as wide as their texts."""
    widths = [
        max(len(line) for text in (title, *(row[place].plain for row in rows)) for line in text.splitlines() or [""])
        for place, title in enumerate(titles)
    ]
    widths[-1] = min(widths[-1], _WIDTH_OF_LAST)
    return any(row[at].plain for row in rows) and width >= sum(widths) + 2 * (len(widths) - 1)


def put_styled(text: str, style: str) -> None:
    """Write a line of text to stdout; on a terminal wrapped and in a style, without colour if NO_COLOR is set."""
    if sys.stdout.isatty():
        console().print(cell(wrapped(text), style), soft_wrap=True)
    else:
        put(text)


def cell(text: str, style: str = "") -> "Text":
    """The text of a table cell, printed literally: no markup, no control characters."""
    from rich.text import Text

    return Text(printable(text), style=style)


def printable(text: str) -> str:
    r"""`text` with control characters escaped: what a record holds must not steer a terminal.

    >>> printable("a\x1b[31mb\nc")
    'a\\x1b[31mb\nc'
    """
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def error_object(error: BaseException, code: ExitCode, message: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"kind": type(error).__name__, "message": message, "exit_code": int(code)}
    if isinstance(error, ConfigError):
        shown["kind"] = "ConfigError"
    problems = getattr(error, "problems", None)  # by name: its module loads the whole config
    if problems is not None:
        shown["problems"] = [problem._asdict() for problem in problems]
    return {"error": shown}


def _plain(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
