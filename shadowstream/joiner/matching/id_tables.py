"""Tables from the ids of the rows that wait to the rows' slots: in Python, and by the kernel for ids that are bytes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import compress, repeat
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shadowstream.errors import ShadowstreamBug
from shadowstream.joiner.matching.row_slots import FREE, Slots
from shadowstream.native.hashed import Hashed
from shadowstream.native.library import Kernel
from shadowstream.native.pair_table import PairTable

NONE = FREE
"""The slot that stands for no row."""


class IdTable(Protocol):
    """The slot of the first row of each id. `hashed`: the ids as the kernel takes them, if intake made that."""

    def take(self, ids: Sequence[Hashable], hashed: Hashed | None) -> Slots:
        """Remove ids; return the slot of each, `NONE` for those without a row or that came before in `ids`."""

    def enter(self, ids: Sequence[Hashable], hashed: Hashed | None, slots: Slots) -> Slots:
        """Enter ids, but those with the slot `NONE`, unless they are there; return the slot that each has now."""

    def slot_of(self, id_: Hashable) -> int:
        """Return the slot of an id, or `NONE`."""

    def id_of(self, slot: int) -> Hashable:
        """Return the id of a slot, which has one."""

    def drop(self, slot: int) -> None:
        """Remove the id of a slot, which has one."""

    def ids(self) -> list[Hashable]:
        """Return all ids."""

    def move(self, to: Slots, count: int) -> None:
        """Give the slots new numbers, all below `count`: by old number, `NONE` for those without a row."""


class DictTable(IdTable):
    """Ids of any kind in a dictionary.

    >>> table = DictTable()
    >>> table.enter([b"a", b"b", b"a"], None, np.array([7, 5, 6])).tolist()
    [7, 5, 7]
    >>> table.take([b"c", b"a", b"a"], None).tolist(), table.id_of(5)
    ([-1, 7, -1], b'b')
    """

    def __init__(self) -> None:
        self._slots: dict[Hashable, int] = {}
        self._ids = np.empty(0, np.object_)
        """The id of each slot that has one."""

    def take(self, ids: Sequence[Hashable], hashed: Hashed | None) -> Slots:
        found = np.fromiter(map(self._slots.pop, ids, repeat(NONE)), np.int64, len(ids))
        if len(self._ids):
            self._ids[found] = None  # the last slot stands for `NONE`, and has no id
        return found

    def enter(self, ids: Sequence[Hashable], hashed: Hashed | None, slots: Slots) -> Slots:
        if (new := slots != NONE).all():
            given = slots.tolist()
            found = list(map(self._slots.setdefault, ids, given))
            firsts = slots if found == given else np.array(found, np.int64)
        else:
            firsts = slots.copy()
            firsts[new] = list(map(self._slots.setdefault, compress(ids, new), slots[new].tolist()))
            ids, slots = list(compress(ids, new)), slots[new]
        if len(slots):
            self._note(np.fromiter(ids, np.object_, len(slots)), slots)
        return firsts

    def _note(self, ids: npt.NDArray[np.object_], slots: Slots) -> None:
        highest, size = int(slots.max()), len(self._ids)
        if highest + 1 >= size:
            self._ids.resize((highest + 2) * 3 // 2, refcheck=False)  # in place: no id is touched
            self._ids[size:] = None
        self._ids[slots] = ids

    def slot_of(self, id_: Hashable) -> int:
        return self._slots.get(id_, NONE)

    def id_of(self, slot: int) -> Hashable:
        id_: Hashable = self._ids[slot]
        return id_

    def drop(self, slot: int) -> None:
        del self._slots[self._ids[slot]]
        self._ids[slot] = None

    def ids(self) -> list[Hashable]:
        return list(self._slots)

    def move(self, to: Slots, count: int) -> None:
        self._slots = {id_: int(to[slot]) for id_, slot in self._slots.items()}
        self._ids = np.full(count + 1, None, np.object_)
        for id_, slot in self._slots.items():
            self._ids[slot] = id_


class KernelTable(IdTable):
    """Ids that are bytes in the kernel's table, all others in a dictionary."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel, self._pairs, self._others = kernel, PairTable(kernel), DictTable()

    def take(self, ids: Sequence[Hashable], hashed: Hashed | None) -> Slots:
        if hashed is not None:
            return self._pairs.take(hashed)
        slots = np.full(len(ids), NONE, np.int64)
        texts, others = _divided(ids)
        if texts:
            slots[texts] = self._pairs.take(self._hashed(ids, texts))
        if others:
            slots[others] = self._others.take([ids[n] for n in others], None)
        return slots

    def enter(self, ids: Sequence[Hashable], hashed: Hashed | None, slots: Slots) -> Slots:
        if hashed is not None:
            return self._pairs.enter(hashed, slots)
        firsts = slots.copy()
        texts, others = _divided(ids)
        if texts:
            firsts[texts] = self._pairs.enter(self._hashed(ids, texts), slots[texts])
        if others:
            firsts[others] = self._others.enter([ids[n] for n in others], None, slots[others])
        return firsts

    def slot_of(self, id_: Hashable) -> int:
        if not isinstance(id_, bytes):
            return self._others.slot_of(id_)
        return int(self._pairs.find(self._hashed([id_], [0]))[0])

    def id_of(self, slot: int) -> Hashable:
        id_ = self._pairs.id_of(slot)
        return self._others.id_of(slot) if id_ is None else id_

    def drop(self, slot: int) -> None:
        if self._pairs.id_of(slot) is None:
            self._others.drop(slot)
        else:
            self._pairs.drop(slot)

    def ids(self) -> list[Hashable]:
        texts = (self._pairs.id_of(slot) for slot in self._pairs.slots().tolist())
        return [*texts, *self._others.ids()]

    def _hashed(self, ids: Sequence[Hashable], places: Sequence[int]) -> Hashed:
        hashed = Hashed.of([ids[n] for n in places], self._kernel)
        if hashed is None:
            raise ShadowstreamBug("an id that is no bytes is in the kernel's table")
        return hashed

    def move(self, to: Slots, count: int) -> None:
        self._pairs.move(to, count)
        self._others.move(to, count)


def _divided(ids: Sequence[Hashable]) -> tuple[list[int], list[int]]:
    """Return the places of ids that are bytes, and of all others."""
    texts = [n for n, id_ in enumerate(ids) if isinstance(id_, bytes)]
    return texts, [n for n, id_ in enumerate(ids) if not isinstance(id_, bytes)]
