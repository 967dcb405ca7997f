"""The kernel's table of ids holds the same as a dictionary, in memory that is bounded by what it holds."""

import numpy as np

from shadowstream.native.hashed import Hashed
from shadowstream.native.library import Kernel
from shadowstream.native.pair_table import ABSENT, PairTable
from tests.native.pairings import differences

BYTES_A_ROW = 80
"""The most that a large table takes for an id of 10 bytes, its entry and its slot."""


def test_histories_by_chance_give_what_a_dictionary_gives(kernel: Kernel) -> None:
    steps = 0
    for seed in range(100):
        counts, problems = differences(seed, kernel)
        assert problems == [], f"seed {seed}"
        steps += counts["pairings"]
    assert steps > 400


def test_memory_follows_what_waits_up_and_down(kernel: Kernel) -> None:
    table, batch, count = PairTable(kernel), 1_000, 60_000
    least = table.nbytes

    def ids(first: int) -> Hashed:
        made = Hashed.of([b"k%09d" % n for n in range(first, first + batch)], kernel)
        assert made is not None
        return made

    for first in range(0, 3 * count, batch):
        slots = np.arange(first, first + batch) % count
        if first >= count:
            assert (table.take(ids(first - count)) == slots).all()
        assert (table.enter(ids(first), slots) == slots).all()
    assert table.nbytes <= BYTES_A_ROW * count
    assert (table.take(ids(0)) == ABSENT).all()
    for first in range(2 * count, 3 * count, batch):
        table.take(ids(first))
    assert len(table) == 0
    table.move(np.full(count, ABSENT, np.int64), 0)
    assert table.nbytes <= 2 * least
