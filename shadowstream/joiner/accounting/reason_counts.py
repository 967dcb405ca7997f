"""Counts of reasons by outcome, window and revision since the last commit.

Only rare outcomes have a reason. A reason is shortened and its positions are removed, so that equal causes add up.
Beyond a limit new kinds count as `(other)` of their outcome, so that the sum of a window stays complete.
"""

import re
from collections import Counter

from shadowstream.protocol.outcomes import REASON_UNCOUNTED
from shadowstream.protocol.reasons import OTHER, REASON_CHARS_MAX, reason_name

KINDS_MAX = 32  # kinds of reasons in one window between two commits
BYTES_MAX = 100_000  # bytes of all kinds between two commits, so that a stats record stays below the broker's limit
_POSITION = re.compile(r"\b(byte|bytes|char|character|characters|column|line|offset|position|at|of) \d+")
_BYTES = re.compile(r"\b[0-9a-f]{8,}\b")

At = tuple[int, str]  # start of a window, ms, and revision


def kind_of(reason: str) -> str:
    """Remove from a reason the parts that are specific to one record.

    >>> kind_of("decode: not JSON: unexpected character: line 1 column 7 (char 6)")
    'decode: not JSON: unexpected character: line … column … (char …)'
    """
    found = _BYTES.sub("…", _POSITION.sub(r"\1 …", reason))
    return found if len(found) <= REASON_CHARS_MAX else found[: REASON_CHARS_MAX - 1] + "…"


class ReasonCounts:
    """Counts of reasons between two commits.

    >>> counts = ReasonCounts()
    >>> counts.add((0, "ab"), "missing", None)
    >>> counts.add((0, "ab"), "unpairable_production", "no field 'id'")
    >>> counts.of((0, "ab"))
    {"unpairable_production: no field 'id'": 1}
    """

    def __init__(self) -> None:
        self._cells: dict[At, Counter[str]] = {}
        self._left = BYTES_MAX

    def add(self, at: At, outcome: str, reason: str | None) -> None:
        """Count one record or pair that ended with an outcome for a reason."""
        if reason is None or outcome in REASON_UNCOUNTED:
            return
        cell = self._cells.setdefault(at, Counter())
        name = reason_name(outcome, kind_of(reason))
        if name not in cell:
            size = len(name.encode("utf-8", "replace"))
            if len(cell) >= KINDS_MAX or size > self._left:
                name = reason_name(outcome, OTHER)
            else:
                self._left -= size
        cell[name] += 1

    def of(self, at: At) -> dict[str, int]:
        return dict(self._cells[at]) if at in self._cells else {}

    def clear(self) -> None:
        self._cells.clear()
        self._left = BYTES_MAX
