"""The oracle of the kernel's table of ids: histories by chance, in which a dictionary holds the same."""

import ctypes
import random
from collections import Counter
from collections.abc import Sequence

import numpy as np

from shadowstream.native.hashed import Hashed
from shadowstream.native.library import Kernel, Values, address
from shadowstream.native.pair_table import ABSENT, ENTRIES_MIN, ROOM_MIN, PairTable, TableError, _ids

IDS_MAX = 4 * ENTRIES_MIN


def hashed(ids: Sequence[bytes], bits: int) -> Hashed:
    """Ids with hashes of so few bits that many share an entry, and some all of their hash."""
    values = Values.of(ids)
    hashes = [hash(id_) % (1 << bits) for id_ in ids]
    return Hashed(values, np.array(hashes, np.uint64))


class _History:
    """One table, and the dictionary that must hold the same."""

    def __init__(self, seed: int, kernel: Kernel) -> None:
        self.by_chance = random.Random(seed)
        self.bits = self.by_chance.choice([3, 6, 8, 20])
        self.table, self.slots = PairTable(kernel), dict[bytes, int]()
        self.free = list(range(IDS_MAX))
        self.by_chance.shuffle(self.free)

    def some(self) -> list[bytes]:
        count, chosen = self.by_chance.choice([1, 5, 40, IDS_MAX // 2]), self.by_chance.randint(1, IDS_MAX)
        return [b"%d" % n * (n % 5) for n in (self.by_chance.randrange(chosen) for _ in range(count))]

    def enter(self) -> bool:
        ids = self.some()
        slots = [ABSENT if self.by_chance.random() < 0.1 else self.free.pop() for _ in ids[: len(self.free)]]
        ids, expected = ids[: len(slots)], []
        for id_, slot in zip(ids, slots, strict=True):
            expected.append(slot if slot == ABSENT else self.slots.setdefault(id_, slot))
        found = self.table.enter(hashed(ids, self.bits), np.array(slots, np.int64)).tolist()
        unused = [slot for slot, first in zip(slots, expected, strict=True) if first != slot]
        self.free = unused + self.free
        return found == expected

    def take(self) -> bool:
        ids = self.some()
        expected = [self.slots.pop(id_, ABSENT) for id_ in ids]
        self.free = [slot for slot in expected if slot != ABSENT] + self.free
        return self.table.take(hashed(ids, self.bits)).tolist() == expected

    def drop(self) -> bool:
        """Drop the slot of an id, or one without an id, which is refused."""
        slot = self.by_chance.randrange(IDS_MAX)
        known = {of: id_ for id_, of in self.slots.items()}
        if slot in known:
            del self.slots[known[slot]]
            self.free.insert(0, slot)
        try:
            self.table.drop(slot)
        except TableError:
            return slot not in known
        return slot in known

    def move(self) -> bool:
        to = np.full(IDS_MAX, ABSENT, np.int64)
        for new, id_ in enumerate(self.by_chance.sample(sorted(self.slots), len(self.slots))):
            to[self.slots[id_]] = new
            self.slots[id_] = new
        self.free = [slot for slot in range(IDS_MAX) if slot >= len(self.slots)]
        self.table.move(to, len(self.slots))
        return True

    def holds_the_same(self) -> bool:
        ids = [*sorted(self.slots), b"none of them"]
        slots = [self.slots[id_] for id_ in ids[:-1]]
        return (
            len(self.table) == len(self.slots)
            and self.table.find(hashed(ids, self.bits)).tolist() == [*slots, ABSENT]
            and sorted(self.table.slots().tolist()) == sorted(slots)
            and [self.table.id_of(slot) for slot in slots] == ids[:-1]
        )


def _refusals(kernel: Kernel) -> list[str]:
    """Hold the kernel to the room that it has, which the table's own code never lets it reach."""
    ids, problems = hashed([b"%d" % n for n in range(ENTRIES_MIN)], 20), []

    def entered(table: PairTable, slots: Sequence[int]) -> int:
        given, firsts, by = _ids(ids), np.empty(len(slots), np.int64), np.array(slots, np.int64)
        done: int = table._enter(table._at, ctypes.addressof(given), len(slots), address(by), address(firsts))
        return done

    full, narrow, few = PairTable(kernel), PairTable(kernel), PairTable(kernel)
    full._make_room(1, 4 * ROOM_MIN, 2 * ENTRIES_MIN)
    if entered(full, range(ENTRIES_MIN)) != ENTRIES_MIN - 1:
        problems.append("a table without an empty entry")
    few._make_room(ENTRIES_MIN, 4 * ROOM_MIN, 10)
    if entered(few, [9, few._table.slots, 8]) != 1:
        problems.append("a slot beyond the table")
    narrow._make_room(ENTRIES_MIN, 0, ENTRIES_MIN)
    narrow._table.room = 100
    if entered(narrow, range(ENTRIES_MIN)) != 100 // 16:
        problems.append("an id beyond the arena")
    arena, places = np.empty(88, np.uint8), narrow._places
    if narrow._pack(narrow._at, address(arena), len(arena), None, address(places), len(places)):
        problems.append("an arena that is too small for its ids")
    again, one = PairTable(kernel), hashed([b"one"], 20)
    again.enter(one, np.array([3]))
    again.take(one)
    again.enter(one, np.array([4]))
    if again._drop(again._at, 3) or len(again) != 1:
        problems.append("a slot whose id is another slot's by now")
    return problems


def differences(seed: int, kernel: Kernel) -> tuple[Counter[str], list[str]]:
    """Hold the kernel's table against a dictionary over one history; count steps, and name what differs."""
    history, counts = _History(seed, kernel), Counter[str]()
    for n in range(history.by_chance.randint(1, 20)):
        step = history.by_chance.choice([history.enter, history.enter, history.take, history.drop, history.move])
        if not step():
            return counts, [f"step {n}, {step.__name__}: the dictionary gives another answer"]
        if not history.holds_the_same():
            return counts, [f"step {n}, {step.__name__}: the dictionary holds something else afterwards"]
        counts["pairings"] += 1
    return counts, _refusals(kernel)
