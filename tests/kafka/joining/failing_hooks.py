"""Functions of a comparison that do what no function should."""

import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np


def bad(production: Any, shadow: Any) -> Any:
    """What it does stands in production's value."""
    if production == "exits":
        os._exit(0)
    if production == "ends":
        sys.exit(0)
    if production == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if production == "faults":
        ctypes.string_at(0)
    if production == "sleeps":
        time.sleep(60)
    if production == "spins":
        while True:
            pass
    if production == "raises":
        raise ValueError("no")
    if production == "returns itself":
        return Odd()
    return production == "good"


class Odd:
    """No plain value."""


def columns(production: list[Any], shadow: list[Any]) -> Any:
    """As numpy answers; ends the process on one value."""
    if "exits" in production:
        os._exit(3)
    return np.array([value == "good" for value in production])


def halved(value: Any) -> Any:
    """A normaliser that hangs on one value."""
    if value == "sleeps":
        time.sleep(60)
    return Decimal(value) / 2


def out(value: Any) -> None:
    """Prints, which must not be taken for an answer."""
    print("printed", value, flush=True)


def reaches(value: Any) -> list[Any]:
    """Its environment, and what becomes of a look into the joiner, a connection and a child process."""
    attempts = (Path(f"/proc/{os.getppid()}/environ").read_bytes, socket.socket, os.fork)
    return [dict(os.environ), *map(_outcome, attempts)]


def _outcome(attempt: Callable[[], Any]) -> str:
    try:
        attempt()
    except OSError as error:
        return type(error).__name__
    return "done"
