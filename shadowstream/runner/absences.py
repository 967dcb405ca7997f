"""Inputs without output, as runs of consecutive offsets, and why: the class of the reason, and its text.

A text is the same for many inputs, or it holds a value and is another for each. A mark bounds what it holds of them:
beyond `TEXTS_MAX` texts only what stands before the colon is kept, the type of an exception say.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from shadowstream.compare.redact import Redactor
from shadowstream.protocol.marks import identity_hash

TEXT_CHARS_MAX = 200
TEXTS_MAX = 32
KINDS_MAX = 64


class Reason(NamedTuple):
    """Why an input has no output: its class (`marks.ABSENT_REASONS`), and in words."""

    absence: str
    text: str = ""


def short(text: str) -> str:
    """A text of user code on one line and bounded.

    >>> short("ValueError: two\\nlines")
    'ValueError: two lines'
    """
    line = " ".join(text.split())
    return line if len(line) <= TEXT_CHARS_MAX else f"{line[: TEXT_CHARS_MAX - 1]}…"


def reason_of(absence: str, error: Exception, redactor: Redactor) -> Reason:
    """The reason of one input; where values are redacted, the text keeps what stands before the colon."""
    head = f"{reason}: " if (reason := getattr(error, "reason", "")) else ""
    return Reason(absence, short(redactor.reason(f"{head}{error}") or ""))


class Texts:
    """The texts that one mark holds."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def index(self, text: str) -> int:
        """The place of a text, or of what stands before its colon where there is no room; -1 for none."""
        for one, room in ((text, TEXTS_MAX), (text.partition(":")[0], KINDS_MAX)):
            if one in self.known or (one and len(self.known) < room):
                return self.known.setdefault(one, len(self.known))
        return -1


def add_absence(runs: list[dict[str, Any]], offset: int, key: bytes | None, reason: str, why: int) -> None:
    """Add an input to runs of absences (schemas/mark.avsc). `why`: the place of its text."""
    ids = [] if key is None else [identity_hash(key)]
    last = runs[-1] if runs else None
    # In a run every input has an id or none has, so that ids stay aligned with the offsets.
    if (
        last is not None
        and (last["reason"], last["why"], last["offset"] + last["count"]) == (reason, why, offset)
        and bool(last["ids"]) == bool(ids)
    ):
        last["count"] += 1
        last["ids"] += ids
    else:
        runs.append({"offset": offset, "count": 1, "reason": reason, "ids": ids, "why": why})
