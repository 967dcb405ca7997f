"""Spilling: where the values of what waits lie changes no outcome."""

from __future__ import annotations

from random import Random

from shadowstream.joiner.rows import Row, Rows
from shadowstream.joiner.shelf import Shelf
from shadowstream.kafka.spill_file import SpillFile


def test_rows_come_back_from_a_shelf_as_they_were_put_however_they_are_taken_and_spilled() -> None:
    random = Random(7)
    for _ in range(60):
        spill, shelf, waits, offset = SpillFile(None, 10_000_000), Shelf(), {}, 0
        for _ in range(60):
            n, size = random.randint(1, 200), random.choice([0, 1, 50])
            rows = [Row(offset + i, i, random.choice([None, random.randbytes(size)]), b"k") for i in range(n)]
            offset += n
            shelf.put(Rows.of(rows))
            waits.update((row.offset, row) for row in rows)
            if random.random() < 0.5:
                shelf.spill(spill)
            taken = random.sample(sorted(waits), random.randint(0, len(waits)))
            if random.random() < 0.5:
                taken = sorted(taken)[: len(taken) // 2]
            if taken:
                assert shelf.row(taken[0]) == waits[taken[0]]
                assert shelf.take(taken).rows() == [waits.pop(one) for one in taken]
            if waits:
                one = random.choice(sorted(waits))
                assert shelf.take_row(one) == waits.pop(one)
        if waits:
            shelf.take(sorted(waits))
        assert spill.size == 0
