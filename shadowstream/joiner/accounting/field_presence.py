"""Presence of values at the paths of criteria: the share of pairs in which a criterion can measure anything.

`neither:<path>`: pairs in which both sides lack a value, for checks that need one. `looked:<path>` and `there:<path>`:
pairs that were examined for a `field` criterion, and those in which a side has a value. An examination decodes values,
so only a sample is examined: the same pairs on replay.
"""

import zlib
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from shadowstream.compare.comparer import Comparing
from shadowstream.compare.differences import ABSENT
from shadowstream.compare.record_parts import KeptHeaders
from shadowstream.errors import RecordError
from shadowstream.paths import parse_path
from shadowstream.records import Side

SAMPLED_ONE_IN = 8
NEITHER, LOOKED, THERE = "neither:", "looked:", "there:"
Values = Sequence[bytes | None]
Mask = npt.NDArray[np.bool_]


def is_nothing(value: Any) -> bool:
    return value is None or value is ABSENT


def presence(
    compare: Comparing, values: tuple[Values, Values], times_ms: Sequence[int], paths: Collection[str]
) -> dict[str, Mask]:
    """Examine a sample of pairs; return masks of the examined pairs, and of those with a value, by path."""
    sampled = _sampled(values[0], times_ms)
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


def presence_of_parts(
    compare: Comparing,
    production: Values,
    times_ms: Sequence[int],
    paths: Collection[str],
    headers: Iterable[tuple[KeptHeaders, KeptHeaders]],
) -> dict[str, Mask]:
    """Do as `presence` for paths into parts beside the values; `headers`: the compared headers of both sides."""
    sampled = _sampled(production, times_ms)
    kept = list(headers)
    found = {LOOKED + path: sampled for path in paths}
    for path in paths:
        names = parse_path(path)
        there = (any(compare.parts.holds(names, one) for one in both) for both in kept)
        found[THERE + path] = sampled & np.fromiter(there, np.bool_, len(times_ms))
    return found


def _sampled(production: Values, times_ms: Sequence[int]) -> Mask:
    return np.fromiter(map(_is_sampled, production, times_ms), np.bool_, len(times_ms))


def _is_sampled(value: bytes | None, time_ms: int) -> bool:
    return zlib.crc32(b"%d" % time_ms, zlib.crc32(value or b"")) % SAMPLED_ONE_IN == 0
