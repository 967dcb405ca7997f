"""The process that runs functions of `compare`: it may hang, exit or die, and the joiner continues.

A request is (entry, number of arguments it takes, arguments); an answer is [kind, value]. The kind is `returned`, or
`raised` or `refused` with a message.
"""

import os
import socket
import sys
from typing import Any

from shadowstream.compare.hooks import Hook, HookError, fenced, load
from shadowstream.errors import ConfigError
from shadowstream.worker import frames, serving
from shadowstream.worker.values import packed


def answer(known: dict[tuple[str, int], Hook], entry: str, takes: int, arguments: tuple[Any, ...] | None) -> list[Any]:
    """Load a function if it is not loaded, and call it if there are arguments."""
    try:
        if (entry, takes) not in known:
            known[entry, takes] = fenced(entry, load(entry, "", takes))
        return ["returned", None if arguments is None else known[entry, takes](*arguments)]
    except ConfigError as error:
        return ["refused", str(error).removeprefix(": ")]
    except HookError as error:
        return ["raised", str(error)]


def main(fd: int) -> None:
    known: dict[tuple[str, int], Hook] = {}
    with socket.socket(fileno=fd) as pipe:
        for path, *request in serving.requests(pipe):
            sys.path[:] = path
            reply = answer(known, *request)
            try:
                data = packed(reply)
            except Exception as error:  # noqa: BLE001 - a function's result may fail to be written in any way
                data = packed(["raised", f"{request[0]}: returned no plain value: {type(error).__name__}: {error}"])
            frames.send(pipe, data)


if __name__ == "__main__":
    main(int(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)
