"""Inputs without output, as runs of consecutive offsets, with the class and the text of the reason.

The text of a reason is either the same for many inputs, or it contains a value and differs for each input. A mark
bounds its texts: beyond `TEXTS_MAX` texts it keeps only the part before the colon, such as the type of an exception.
"""

from typing import Any, NamedTuple

from shadowstream.compare.redact import Redactor
from shadowstream.config import Config
from shadowstream.errors import CandidateError
from shadowstream.protocol.marks import identity_hash

TEXT_CHARS_MAX = 200
EXCEPTION_CHARS_MAX = 100
TEXTS_MAX = 32
KINDS_MAX = 64
RUN_BYTES, ID_BYTES = 40, 10
"""About the size of a run of absences in a mark, and of the id of each of its inputs (docs/topics.md)."""


class Reason(NamedTuple):
    """Reason of an absence: its class (`marks.ABSENT_REASONS`), and a text."""

    absence: str
    text: str = ""


def short(text: str) -> str:
    """Return a text of user code on a single line, with bounded length.

    >>> short("ValueError: two\\nlines")
    'ValueError: two lines'
    """
    line = " ".join(text.split())
    return line if len(line) <= TEXT_CHARS_MAX else f"{line[: TEXT_CHARS_MAX - 1]}…"


QUOTES = ("error", "undecodable")
"""Classes whose texts may quote a value. The texts of all others are shadowstream's own."""


def text_of(absence: str, error: Exception, redactor: Redactor) -> str:
    """Return the text of the reason of one input as it may be shown."""
    head = f"{reason}: " if (reason := getattr(error, "reason", "")) else ""
    text = f"{head}{error}"
    return (redactor.reason(text) or "") if absence in QUOTES else text


def reason_of(absence: str, error: Exception, redactor: Redactor) -> Reason:
    """Return the reason of one input, on one line."""
    return Reason(absence, short(text_of(absence, error, redactor)))


def exception_of(error: CandidateError) -> str:
    """Return the class of the exception that a failure of the candidate names, or the kind of failure without one.

    >>> exception_of(CandidateError("ZeroDivisionError: division by zero")), exception_of(CandidateError("KeyError"))
    ('ZeroDivisionError', 'KeyError')
    >>> exception_of(CandidateError("output refused: no JSON")), exception_of(CandidateError("", absence="timeout"))
    ('output_refused', 'timeout')
    """
    if error.absence != "error":
        return error.absence
    head = str(error).partition(":")[0]
    return head[:EXCEPTION_CHARS_MAX] if head.isidentifier() else "output_refused"


class ReasonTexts:
    """Texts of reasons in one mark."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def index(self, text: str) -> int:
        """Return the index of a text, or of its part before the colon if the mark is full; -1 for neither."""
        for candidate, limit in ((text, TEXTS_MAX), (text.partition(":")[0], KINDS_MAX)):
            if candidate in self.known or (candidate and len(self.known) < limit):
                return self.known.setdefault(candidate, len(self.known))
        return -1


def id_of(key: bytes | None, config: Config) -> int | None:
    """Return the hash by which a mark names an input; keyed, where the config hides keys."""
    return None if key is None else identity_hash(key, config.compare.id_secret)


def add_absence(runs: list[dict[str, Any]], offset: int, id_: int | None, reason: str, why: int) -> None:
    """Add an input to runs of absences (schemas/mark.avsc). `id_`: its key's hash; `why`: the index of its text."""
    ids = [] if id_ is None else [id_]
    last = runs[-1] if runs else None
    # In a run, either every input has an id or none has, so that ids stay aligned with the offsets.
    follows = last and (last["reason"], last["why"], last["offset"] + last["count"]) == (reason, why, offset)
    if last and follows and bool(last["ids"]) == bool(ids):
        last["count"] += 1
        last["ids"] += ids
    else:
        runs.append({"offset": offset, "count": 1, "reason": reason, "ids": ids, "why": why})
