"""Counts of compared pairs by bucket and slice, for the windows of many tasks at once: each has few pairs a commit."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from shadowstream.codecs.commit_records import encoded_buckets, encoded_slices
from shadowstream.compare.dimension_codes import Coded, Ints
from shadowstream.joiner.accounting.part_counts import Mask
from shadowstream.joiner.accounting.window_tally import Tally
from shadowstream.records import KEY_BUCKETS

CELLS_MAX = 65_536
"""The largest number of combinations of values that is counted in a table; more are counted by sorting."""


class Dimensions(NamedTuple):
    """Some of the declared dimensions: their places among them, and their names."""

    places: tuple[int, ...]
    names: tuple[str, ...]


def count_buckets(tallies: Sequence[Tally], groups: Ints, buckets: Ints, mask: Mask, bad: Mask) -> None:
    """Add the pairs of `mask` by bucket, and the bad ones among them; `groups`: the tally of each."""
    held = mask & (buckets >= 0)
    joint = groups * KEY_BUCKETS + buckets
    found, n, s = _counted(joint[held], joint[held & bad], len(tallies) * KEY_BUCKETS)
    cuts = np.searchsorted(found, np.arange(len(tallies) + 1) * KEY_BUCKETS).tolist()
    found %= KEY_BUCKETS
    is_new = any(tally.buckets.is_new for tally in tallies)  # the bytes of a later addition are of no use
    encoded = encoded_buckets((found, n, s), cuts) if is_new else [None] * len(tallies)
    for tally, (begin, end), of_window in zip(tallies, pairwise(cuts), encoded, strict=True):
        if begin < end:
            tally.buckets.add(found[begin:end], n[begin:end], s[begin:end], of_window)


def count_slices(
    tallies: Sequence[Tally], groups: Ints, columns: Sequence[Coded], of: Dimensions, masks: tuple[Mask, Mask]
) -> None:
    """Add the pairs of the first mask, and the bad ones of the second, by their values of some dimensions."""
    (mask, bad), places = masks, of.places
    chosen = [_in_order(columns[place]) for place in places]
    joint, size = groups, 1
    for column in chosen:
        joint, size = joint * len(column.values) + column.codes, size * len(column.values)
    found, n, s = _counted(joint[mask], joint[mask & bad], len(tallies) * size)
    cuts = np.searchsorted(found, np.arange(len(tallies) + 1) * size).tolist()
    codes = (found % size).tolist()
    known = {code: _names_of(code, chosen) for code in {*codes}}
    names, pairs, differing = list(map(known.__getitem__, codes)), n.tolist(), s.tolist()
    sums = [tally.slices_of(places) for tally in tallies]
    is_new = any(one.is_new for one in sums)
    encoded = encoded_slices(of.names, known, codes, pairs, differing) if is_new else []
    for one, (begin, end) in zip(sums, pairwise(cuts), strict=True):
        if begin < end:
            part = slice(begin, end)
            one.add(names[part], pairs[part], differing[part], b"".join(encoded[part]) if is_new else None)


def _in_order(column: Coded) -> Coded:
    """Return a column with codes in the order of its texts; hidden values may share a text."""
    texts = sorted({*column.values})
    code_of = {text: code for code, text in enumerate(texts)}
    return Coded(np.array([code_of[text] for text in column.values], np.int64)[column.codes], texts)


def _names_of(code: int, columns: Sequence[Coded]) -> tuple[str, ...]:
    names = []
    for column in reversed(columns):
        code, place = divmod(code, len(column.values))
        names.append(column.values[place])
    return tuple(reversed(names))


def _counted(codes: Ints, bad: Ints, size: int) -> tuple[Ints, Ints, Ints]:
    """Return the codes that occur, ascending, how often each does, and how often among the bad ones."""
    if size <= CELLS_MAX:
        counts = np.bincount(codes, minlength=size)
        found = np.flatnonzero(counts)
        return found, counts[found], np.bincount(bad, minlength=size)[found]
    found, n = np.unique(codes, return_counts=True)
    return found, n, np.bincount(np.searchsorted(found, bad), minlength=len(found))
