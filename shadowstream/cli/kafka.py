"""`kafka`: a real local broker for users without one."""

import contextlib
import io
import sys
from pathlib import Path
from typing import Annotated, TextIO

import typer

from shadowstream.cli.output import Json, put_json


def kafka(
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="port on 127.0.0.1; default: a free one")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="where its data stays; default: a temporary folder, removed at the end")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a real Apache Kafka on this machine until Ctrl-C; the first line on stdout is its bootstrap address."""
    # A local import: only this command needs the broker.
    from shadowstream.testing.serve import serve

    with contextlib.redirect_stdout(_Announced(sys.stdout)) if as_json else contextlib.nullcontext():
        serve(port, data_dir)


class _Announced(io.TextIOBase):
    """Converts each line that `serve` prints, which holds only the bootstrap address, to JSON."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._begun = ""

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            put_json({"bootstrap": line}, self._out)
        return len(text)
