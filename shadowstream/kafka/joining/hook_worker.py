"""The process that runs functions of `compare`: it may hang, exit or die, and the joiner continues.

`hook_process` starts it with one end of a socket. A request is (entry, number of arguments it takes, arguments); an
answer is (kind, value). The kind is `returned`, or `raised` or `refused` with a message.
"""

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
    """Load a function if it is not loaded, and call it if there are arguments."""
    try:
        if (entry, takes) not in known:
            known[entry, takes] = fenced(entry, load(entry, "", takes))
        if arguments is None:
            return "returned", None
        result = known[entry, takes](*arguments)
        # Results of numpy and similar libraries become plain values.
        return "returned", result.tolist() if hasattr(result, "tolist") else result
    except ConfigError as error:
        return "refused", str(error).removeprefix(": ")
    except HookError as error:
        return "raised", str(error)


def main(fd: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the joiner handles Ctrl-C and ends this process
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
            except Exception as error:  # noqa: BLE001 - a function's result may fail to pickle in any way
                connection.send(("raised", f"{request[0]}: returned no plain value: {type(error).__name__}"))


if __name__ == "__main__":
    main(int(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)
