"""What an engine tells the harness, one JSON object a line on stdout: how far it is, and in the end what it found."""

import json
import sys
import time
from typing import Any

STEPS = 50
"""So many times in a run the progress is told."""


def spec() -> dict[str, Any]:
    """What the harness asks for: bootstrap, topics `production`, `shadow` and `found`, `schema`, `pairs`, `atol`."""
    with open(sys.argv[1], encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    return found


class Telling:
    """Progress in pairs with this process's CPU seconds, from which the harness takes the steady rate."""

    def __init__(self, pairs: int) -> None:
        self._step = max(1, pairs // STEPS)
        self._next = 0

    def reached(self, pairs: int) -> None:
        """So many pairs are done."""
        if pairs >= self._next:
            self._next = pairs + self._step
            say(pairs=pairs, cpu_s=time.process_time())

    def found(self, pairs: int, mismatches: int, **more: Any) -> None:
        """The end of the work."""
        say(pairs=pairs, cpu_s=time.process_time())
        say(found={"pairs": pairs, "mismatches": mismatches, **more})


def say(**words: Any) -> None:
    print(json.dumps(words), flush=True)
