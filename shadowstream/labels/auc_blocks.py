"""Blocks of labelled pairs, by which the area under the ROC curve (AUC) of both sides is compared. Free of order.

The AUC is the chance that a true label has a greater answer than a false one. A block is one labelled pair of the rarer
label with some of the other, all of one window. A block's unit d is the share of them that production ranks right, less
the share that the candidate ranks right; equal answers are half right. No pair is in two blocks, so where pairs do not
depend on each other, each d has the mean AUC(production) - AUC(candidate), whatever came before.

Which pairs make a block depends on the hashes of their ids only, not on an answer or on the order of reading. Blocks
are formed once all pairs of the window have a label or their horizon has passed. Blocks of the labels so far would
choose by the time of arrival, and would change with each label.

An answer that is no number: the candidate's counts as worse by 1 in all comparisons of its pair, production's as equal.
"""

import math
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np

from shadowstream.labels.store import WaitingEntry
from shadowstream.labels.usable import number_of, value_of


class Ranked(NamedTuple):
    """Answers of one labelled pair, NaN if they are no numbers, and its label."""

    production: float
    shadow: float
    positive: bool


def ranked(production: str | None, shadow: str | None, label: str | None) -> Ranked | None:
    """Return a labelled pair, its values as JSON; None if it ranks nothing: no answer, or a label of another kind.

    >>> ranked("0.25", "null", "true"), ranked("0.25", "0.5", "2")
    (Ranked(production=0.25, shadow=nan, positive=True), None)
    """
    truth = number_of(value_of(label), logical=True)
    one, other = (number_of(value_of(text), logical=True) for text in (production, shadow))
    if truth not in (0.0, 1.0) or (math.isnan(one) and math.isnan(other)):
        return None
    return Ranked(one, other, truth == 1.0)


def differences(entries: Iterable[WaitingEntry]) -> list[float]:
    """Return d of each block of the labelled pairs of one window; none if they all have one label.

    >>> pairs = [WaitingEntry(b"%d" % at, 0, "", "", "0.5", str(at), truth=str(at % 2)) for at in range(3)]
    >>> differences(pairs)
    [0.0]
    """
    found: tuple[list[Ranked], list[Ranked]] = ([], [])
    for entry in sorted(entries, key=_place):
        if (pair := ranked(entry.production, entry.shadow, entry.truth)) is not None:
            found[pair.positive].append(pair)
    rarer, others = sorted(found, key=len)
    if not rarer:
        return []
    # The others are dealt to the blocks in turn.
    block = np.arange(len(others)) % len(rarer)
    heads, members = np.array(rarer, np.float64)[block], np.array(others, np.float64)
    one, other = heads[:, :2], members[:, :2]
    right = np.where(heads[:, 2:] > 0.0, one > other, one < other) + (one == other) / 2.0
    production, shadow = (np.isnan(one) | np.isnan(other)).T
    worse_by = np.where(shadow, 1.0, np.where(production, 0.0, right[:, 0] - right[:, 1]))
    # Sums of halves are exact, so their order changes no bit.
    shares: list[float] = (np.bincount(block, worse_by) / np.bincount(block)).tolist()
    return shares


def _place(entry: WaitingEntry) -> tuple[Any, ...]:
    return blake2b(entry.id, digest_size=8).digest(), entry.id
