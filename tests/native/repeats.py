"""The oracle of the kernel's dedupe window: histories by chance, in which Python's window finds the same."""

import random
from collections import Counter

import numpy as np

from shadowstream.joiner.intake.dedupe import DedupeWindow, Digests
from shadowstream.native.library import Kernel

NUMBERS = 2**32
"""Records after which a number's low bits come again."""


def kept(window: DedupeWindow, least: int) -> list[list[int]]:
    """Hashes, contents and offsets of the records that a window keeps, from an offset on."""
    slots = np.arange(window._kept_from, window._taken + 1) & window._mask
    slots = slots[window._offsets[slots] >= least]
    return [column[slots].tolist() for column in (window._hashes, window._contents, window._offsets)]


def begin_at(window: DedupeWindow, number: int) -> DedupeWindow:
    """Let a window go on as if it had taken so many records, all out of the span."""
    window._taken, window._kept_from = number, number + 1
    window._newest[:] = number % NUMBERS
    return window


def differences(seed: int, kernel: Kernel) -> tuple[Counter[str], list[str]]:
    """Hold the kernel's window against Python's over one history; count repeats, and name what differs."""
    by_chance = random.Random(seed)
    span, first, number = by_chance.randint(1, 60), by_chance.choice([1, 4, 64]), by_chance.choice([0, NUMBERS - 30])
    windows = [begin_at(DedupeWindow(span, first, one), number) for one in (None, kernel)]
    # Ids that share a bucket, and ids that share all of the lower half of their hashes.
    pool = [by_chance.getrandbits(62) for _ in range(by_chance.randint(2, 40))]
    pool += [id_ ^ 1 << by_chance.choice([8, 33, 60]) for id_ in pool]
    counts: Counter[str] = Counter()
    offset = 0
    for _ in range(by_chance.randint(1, 25)):
        size = by_chance.randint(1, 40)
        ids = np.array(by_chance.choices(pool, k=size), np.uint64)
        contents: Digests = np.array(by_chance.choices(range(3), k=size), np.int64)
        offsets = [offset := offset + by_chance.choice([1, 1, 1, 2, 9]) for _ in range(size)]
        by_python, by_kernel = (one.repeats(ids, contents, offsets) for one in windows)
        if by_python != by_kernel:
            return counts, [f"repeats {by_kernel}, but Python finds {by_python}"]
        least = offset - span
        if kept(windows[0], least) != kept(windows[1], least) or kept(windows[1], 0) != kept(windows[1], least):
            return counts, [f"{len(windows[1])} records are kept, but Python keeps {len(windows[0])} or others"]
        counts["repeats"] += len(by_python)
    return counts, []
