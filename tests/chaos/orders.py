"""What the load holds, and what is true of it: for each order what both sides write and how each record must end.

Knows nothing of how the joiner decides. An order's kind is its number modulo `OUT_OF`: most are answered alike.
"""

import json
from collections import Counter
from collections.abc import Iterable

from tests.pipeline.candidates import ADDS, DROPS, FAULTY, IGNORED, OUT_OF, RAISES, TOLERATED, answer
from tests.pipeline.trial_fixture import FIRST_MS, order

DIFFERS, UNANSWERED, TWICE, SILENT = 13, 33, 53, 73
"""Beside the faults of `FAULTY`: one is scored otherwise, one production skips, one it answers twice, one both skip."""
STEP_MS = 200
WINDOW_MS = 60_000
CALL = "trial_candidate:chaotic"
CANDIDATE = (
    FAULTY
    + f"""

def chaotic(order):
    said, kind = faulty(order), order["n"] % {OUT_OF}
    if kind == {SILENT}:
        return None
    if kind == {DIFFERS}:
        said["score"] += 1
    return said
"""
)
Ended = tuple[bytes, str]
"""A record's key and the outcome with which it must end."""


def time_ms(n: int) -> int:
    """Event time of the n-th order."""
    return FIRST_MS + n * STEP_MS


def key(n: int) -> bytes:
    return b"order-%d" % n


def number(key: bytes) -> int:
    """The order that a key belongs to."""
    return int(key.rpartition(b"-")[2])


def asked(n: int) -> bytes:
    """The order as an input's value."""
    return json.dumps(order(n)).encode()


def answered(n: int) -> list[bytes]:
    """Production's outputs for the n-th order."""
    text = json.dumps(answer(order(n))).encode()
    return {UNANSWERED: [], SILENT: [], TWICE: [text, text]}.get(n % OUT_OF, [text])


def shadowed(n: int) -> list[bytes]:
    """Keys of the candidate's outputs for the n-th order."""
    return {DROPS: [], RAISES: [], SILENT: [], ADDS: [key(n), b"added-%d" % n]}.get(n % OUT_OF, [key(n)])


def endings(n: int) -> list[Ended]:
    """How everything that both sides write for the n-th order must end."""
    kind = n % OUT_OF
    special = {
        DROPS: [(key(n), "missing")],
        DIFFERS: [(key(n), "mismatch")],
        ADDS: [(key(n), "match"), (b"added-%d" % n, "extra")],
        UNANSWERED: [(key(n), "extra")],
        RAISES: [(key(n), "candidate_error")],
        TWICE: [(key(n), "match"), (key(n), "duplicate_production")],
        TOLERATED: [(key(n), "tolerated")],
        SILENT: [],
        IGNORED: [(key(n), "ignored")],
    }
    return special.get(kind, [(key(n), "match")])


def window(n: int) -> int:
    """Start of the window that the n-th order is counted in."""
    return time_ms(n) - time_ms(n) % WINDOW_MS


def by_window(numbers: Iterable[int]) -> Counter[tuple[int, str]]:
    """Outcomes of all these orders by window, inputs and failed inputs counted too, as stats names them."""
    found: Counter[tuple[int, str]] = Counter()
    for n in numbers:
        at = window(n)
        found.update((at, outcome) for _, outcome in endings(n))
        found[at, "input"] += 1
        found[at, "input_failed"] += n % OUT_OF == RAISES
    return +found
