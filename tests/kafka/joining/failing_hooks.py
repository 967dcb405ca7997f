"""Functions of a comparison that do what no function should."""

import ctypes
import os
import signal
import sys
import time
from decimal import Decimal
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
