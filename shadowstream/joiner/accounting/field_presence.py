"""Whether the sides hold anything at a path: what a criterion can measure is a share of the pairs, counted beside it.

`neither:<path>`: pairs in which both sides hold nothing there, for checks that need a value. `looked:<path>` and
`there:<path>`: pairs that were looked at for the path of a `field` criterion, and those of which a side holds
something there. Looking costs a decoding, so only a sample is looked at: the same pairs on replay.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from shadowstream.compare.comparer import Comparing
from shadowstream.compare.differences import ABSENT
from shadowstream.errors import RecordError
from shadowstream.records import Side

SAMPLED_ONE_IN = 8
NEITHER, LOOKED, THERE = "neither:", "looked:", "there:"
Values = Sequence[bytes | None]
Mask = npt.NDArray[np.bool_]


def is_nothing(value: Any) -> bool:
    """Whether there is no value: null, or no such field."""
    return value is None or value is ABSENT


def presence(
    compare: Comparing, values: tuple[Values, Values], times_ms: Sequence[int], paths: Collection[str]
) -> dict[str, Mask]:
    """Of a sample of pairs, by path: those that were looked at, and those of which a side holds something there."""
    sampled = np.fromiter(map(_is_sampled, values[0], times_ms), np.bool_, len(times_ms))
    rows = np.flatnonzero(sampled).tolist()
    if not rows or not paths:
        return {}
    there = {path: np.zeros(len(times_ms), np.bool_) for path in paths}
    for side in (Side.PRODUCTION, Side.SHADOW):
        for row, value in zip(rows, compare.decode(side, [values[side][row] for row in rows]), strict=True):
            if value is not None and not isinstance(value, RecordError):
                for path in compare.holding([value], paths):
                    there[path][row] = True
    return {LOOKED + path: sampled for path in paths} | {THERE + path: found for path, found in there.items()}


def _is_sampled(value: bytes | None, time_ms: int) -> bool:
    return zlib.crc32(b"%d" % time_ms, zlib.crc32(value or b"")) % SAMPLED_ONE_IN == 0
