"""Outcomes by bucket of the key: records and pairs that are units or bad units of a rate and no compared pairs."""

import zlib
from collections import Counter, defaultdict
from typing import Any, TypeAlias

from shadowstream.protocol.count_names import JOINT, LABELS
from shadowstream.protocol.outcomes import IN_RATES, PAIRS, duplicate, repeated
from shadowstream.records import KEY_BUCKETS, Side

NO_BUCKET = -1
"""Bucket of a record without a key: it belongs to no cluster."""
ONE_DIFFERS = (f"{JOINT}shadow", f"{JOINT}twin")
ONE_IS_RIGHT = LABELS[1:3]
_SIDES = (Side.PRODUCTION, Side.SHADOW)
BY_BUCKET = frozenset(
    (
        *(outcome for outcome in IN_RATES if outcome not in PAIRS),
        *(named(side) for named in (duplicate, repeated) for side in _SIDES),
        *(*ONE_DIFFERS, *ONE_IS_RIGHT),
    )
)
"""The outcomes that are counted by bucket beside compared pairs."""
At: TypeAlias = tuple[Any, ...]
"""A window and what else separates counts."""


def bucket_of(key: bytes | None) -> int:
    """Return the bucket of a key.

    >>> bucket_of(b"user-7"), bucket_of(None)
    (801, -1)
    """
    return NO_BUCKET if key is None else zlib.crc32(key) % KEY_BUCKETS


class KeyOutcomes:
    """Counts since the last commit, as `outcome_buckets` in schemas/stats.avsc.

    >>> counts = KeyOutcomes()
    >>> counts.add((0, "ab"), "missing", 801)
    >>> counts.add((0, "ab"), "match", 801)
    >>> counts.of((0, "ab"))
    [{'outcome': 'missing', 'bucket': 801, 'n': 1}]
    """

    def __init__(self) -> None:
        self._cells = defaultdict[At, Counter[tuple[str, int]]](Counter)

    def add(self, at: At, outcome: str, bucket: int, n: int = 1) -> None:
        """Count an outcome if it is one of `BY_BUCKET` and has a bucket; `n` is -1 for a corrected one."""
        if bucket != NO_BUCKET and outcome in BY_BUCKET:
            self._cells[at][str(outcome), bucket] += n

    def of(self, at: At) -> list[dict[str, Any]]:
        counts = self._cells.get(at)
        if counts is None:
            return []
        return [{"outcome": name, "bucket": bucket, "n": n} for (name, bucket), n in sorted(counts.items()) if n]

    def clear(self) -> None:
        self._cells.clear()
