"""The oracle of the kernel's calls on columns of objects: columns by chance, in which numpy moves the same."""

import random
import sys
from collections import Counter

import numpy as np

from shadowstream.native.library import Kernel
from shadowstream.native.row_memory import RowMemory

ROWS_MAX = 400


def differences(seed: int, kernel: Kernel) -> tuple[Counter[str], list[str]]:
    """Take objects from a column by chance; count them, and name what differs."""
    by_chance, memory, problems = random.Random(seed), RowMemory(kernel), list[str]()
    rows = by_chance.randint(200, ROWS_MAX)  # more than fit into the pieces of memory that numpy keeps for itself
    column = np.array([b"%d" % n * (n % 99) for n in range(rows)], np.object_)
    numbers, known = np.zeros((rows, 4), np.int64), column.tolist()
    slots = np.array(by_chance.sample(range(rows), by_chance.randint(0, rows)), np.int64)
    before = list(map(sys.getrefcount, known))
    memory.fetch(slots, numbers, column)
    if column.tolist() != known:
        problems.append("asking for rows changes them")
    taken = memory.take(slots, column)
    if taken.tolist() != [known[slot] for slot in slots]:
        problems.append("other objects are taken")
    left = {*range(rows)}.difference(slots.tolist())
    if column.tolist() != [known[n] if n in left else None for n in range(rows)]:
        problems.append("other objects are left")
    if list(map(sys.getrefcount, known)) != before:
        problems.append("objects have other counts of references")
    for bad in (-1, rows):
        beyond = np.array([*slots[:3], bad], np.int64)
        memory.fetch(beyond, numbers, column)
        try:
            memory.take(beyond, column)
        except IndexError:
            continue
        problems.append(f"slot {bad} of {rows} is not refused")
    return Counter(exchanges=len(slots)), problems
