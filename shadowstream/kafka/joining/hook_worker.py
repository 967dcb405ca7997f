"""The process in which functions of `compare` run: it may hang, exit or die, and the joiner goes on.

Started by `hook_process` with one end of a socket. A request is (number, entry, arguments it takes, arguments); an
answer is (what, value): `returned`, or `raised` or `refused` with a sentence.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any

from shadowstream.compare.hooks import Hook, HookError, fenced, load
from shadowstream.errors import ConfigError

PR_SET_PDEATHSIG = 1


def answer(known: dict[tuple[str, int], Hook], entry: str, takes: int, arguments: tuple[Any, ...] | None) -> Any:
    """Load a function where it is not known, and call it where there are arguments."""
    try:
        if (entry, takes) not in known:
            known[entry, takes] = fenced(entry, load(entry, "", takes))
        if arguments is None:
            return "returned", None
        result = known[entry, takes](*arguments)
        # What numpy and its like return, as plain values.
        return "returned", result.tolist() if hasattr(result, "tolist") else result
    except ConfigError as error:
        return "refused", str(error).removeprefix(": ")
    except HookError as error:
        return "raised", str(error)


def main(fd: int) -> None:
    """Answer until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the joiner, which ends this process
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    sys.path.insert(0, "")
    known: dict[tuple[str, int], Hook] = {}
    with Connection(fd) as connection:
        while True:
            try:
                request = connection.recv()
            except EOFError:
                return
            reply = answer(known, *request)
            try:
                connection.send(reply)
            except Exception as error:  # noqa: BLE001 - what a function returned may not be sent
                connection.send(("raised", f"{request[0]}: returned no plain value: {type(error).__name__}"))


if __name__ == "__main__":
    main(int(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)
