"""The kernel's table from ids to the slots of rows that wait (pairing.h). Its memory is numpy's and grows by need."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from shadowstream.native.hashed import Hashed
from shadowstream.native.library import Kernel, address

Slots = npt.NDArray[np.int64]
ABSENT = -1
HEAD, UNIT = 12, 8
"""Bytes of a record before its id: slot, length, hash. Records begin at multiples of a unit."""
ENTRIES_MIN, ROOM_MIN = 64, 1_024
EMPTY = 0xFFFF_FFFF
"""The place of an entry without a record."""
_HEAD = struct.Struct("=iII")
_FULL = 0.7
"""The share of entries in use above which there are made more; fewer below a sixth of it."""


class _Table(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("entries", "places", "arena")),
        *((name, ctypes.c_int64) for name in ("mask", "slots", "room", "count", "used", "live")),
    )


class _Ids(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_void_p) for name in ("bytes", "offsets", "hashes"))


_POINTER, _NUMBER, _SHORT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "find": (_NUMBER, _POINTER, _POINTER, _NUMBER, _SHORT, _POINTER),
    "enter": (_NUMBER, _POINTER, _POINTER, _NUMBER, _POINTER, _POINTER),
    "drop": (_SHORT, _POINTER, _SHORT),
    "rehash": (None, _POINTER, _POINTER, _NUMBER),
    "pack": (_SHORT, _POINTER, _POINTER, _NUMBER, _POINTER, _POINTER, _NUMBER),
}
"""Of each function the result and the arguments."""


class TableError(Exception):
    """The kernel refused a call: a slot beyond the table, or an error of this module."""


class PairTable:
    """The slot of the first row of each id that waits; ids are bytes.

    Memory: an entry of 8 bytes, at most 70 % and at least 12 % of them in use; 8 bytes a slot; an id with a head of 12
    bytes in an arena that is at least a quarter in use. Small tables keep a minimum.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._find, self._enter, self._drop, self._rehash, self._pack = (_function(kernel, name) for name in _FUNCTIONS)
        self._table = _Table(count=0, used=0, live=0)
        self._at = ctypes.addressof(self._table)
        self._entries: npt.NDArray[np.uint32]
        self._places: Slots
        self._arena: npt.NDArray[np.uint8]
        self._take_entries(_empty(ENTRIES_MIN))
        self._take_places(np.empty(0, np.int64))
        self._take_arena(np.empty(ROOM_MIN, np.uint8))

    def __len__(self) -> int:
        count: int = self._table.count
        return count

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the table takes."""
        return sum(one.nbytes for one in (self._entries, self._places, self._arena))

    def find(self, ids: Hashed) -> Slots:
        """The slot of each id; `ABSENT` for those without one."""
        return self._found(ids, removes=False)

    def take(self, ids: Hashed) -> Slots:
        """Remove ids; return the slot of each, `ABSENT` for those without one and for an id that came before."""
        slots = self._found(ids, removes=True)
        self._shrink()
        return slots

    def enter(self, ids: Hashed, slots: Slots) -> Slots:
        """Enter ids with their slots, those with a negative slot left out; return the slot that each id has now.

        Of several rows of one id the first one stays. Raises `TableError` for a negative number of slots.
        """
        firsts = np.empty(len(ids), np.int64)
        if not len(ids):
            return firsts
        self._make_room(len(ids), (HEAD + UNIT) * len(ids) + int(ids.texts.offsets[-1]), int(slots.max()) + 1)
        given = _ids(ids)
        done = self._enter(self._at, ctypes.addressof(given), len(ids), address(slots), address(firsts))
        if done != len(ids):
            raise TableError(f"no room for id {done} of {len(ids)}, slot {slots[done]}")
        return firsts

    def drop(self, slot: int) -> None:
        """Remove the id of a slot. Raises `TableError` if it has none."""
        if not self._drop(self._at, slot):
            raise TableError(f"slot {slot} has no id")
        self._shrink()

    def id_of(self, slot: int) -> bytes | None:
        """The id of a slot; None if it has none."""
        place = int(self._places[slot]) if 0 <= slot < len(self._places) else ABSENT
        if not 0 <= place <= self._table.used - HEAD:
            return None
        own, length, _ = _HEAD.unpack_from(self._arena.data, place)
        return self._arena[place + HEAD : place + HEAD + length].tobytes() if own == slot else None

    def slots(self) -> Slots:
        """The slots of all ids, in no order."""
        places = self._entries[self._entries[:, 1] != EMPTY, 1].astype(np.int64) * UNIT
        slots: Slots = self._arena.view(np.int32)[places // 4].astype(np.int64)
        return slots

    def move(self, to: Slots, count: int) -> None:
        """Give the slots new numbers, below `count`: by old number, `ABSENT` for those that no row is in."""
        moved = np.full(max(len(to), self._table.slots), ABSENT, np.int64)
        moved[: len(to)] = to
        self._packed(max(ROOM_MIN, 2 * self._table.live), moved, np.full(count, ABSENT, np.int64))

    def _found(self, ids: Hashed, *, removes: bool) -> Slots:
        slots = np.empty(len(ids), np.int64)
        if not self._table.count:
            slots.fill(ABSENT)
            return slots
        given = _ids(ids)
        self._find(self._at, ctypes.addressof(given), len(ids), removes, address(slots))
        return slots

    def _make_room(self, more: int, size: int, slots: int) -> None:
        """See to room for so many ids of so many bytes, heads included, and for all slots below a number."""
        table = self._table
        if table.count + more > _FULL * (table.mask + 1):
            self._resize(table.count + more)
        if slots > table.slots:
            places = np.full(max(slots, table.slots * 3 // 2), ABSENT, np.int64)
            places[: table.slots] = self._places
            self._take_places(places)
        if table.used + size > table.room:
            if 2 * (table.live + size) <= table.room:
                self._packed(0)
            else:
                self._packed(max(ROOM_MIN, 3 * (table.live + size)))

    def _shrink(self) -> None:
        table = self._table
        if table.mask >= ENTRIES_MIN and 6 * table.count < _FULL * (table.mask + 1):
            self._resize(table.count)
        if table.room > ROOM_MIN and 4 * table.live < table.room:
            self._packed(max(ROOM_MIN, 2 * table.live))

    def _resize(self, count: int) -> None:
        """Take as many entries as leave a third to two thirds of them in use by so many ids."""
        size = ENTRIES_MIN
        while count > _FULL * size * 0.9:
            size *= 2
        if size == self._table.mask + 1:
            return
        entries = _empty(size)
        self._rehash(self._at, address(entries), size - 1)
        self._take_entries(entries)

    def _packed(self, room: int, moved: Slots | None = None, places: Slots | None = None) -> None:
        """Pack the arena, into one of `room` bytes or, with 0, within itself."""
        arena = np.empty(room // UNIT * UNIT, np.uint8) if room else self._arena
        places = self._places if places is None else places
        by = None if moved is None else address(moved)
        if not self._pack(self._at, address(arena), len(arena), by, address(places), len(places)):
            raise TableError("the ids of the table cannot be packed")
        self._take_places(places)
        self._take_arena(arena)

    def _take_entries(self, entries: npt.NDArray[Any]) -> None:
        self._entries, self._table.entries, self._table.mask = entries, address(entries), len(entries) - 1

    def _take_places(self, places: npt.NDArray[Any]) -> None:
        self._places, self._table.places, self._table.slots = places, address(places), len(places)

    def _take_arena(self, arena: npt.NDArray[np.uint8]) -> None:
        self._arena, self._table.arena, self._table.room = arena, address(arena), len(arena)


def _function(kernel: Kernel, name: str) -> Callable[..., Any]:
    result, *arguments = _FUNCTIONS[name]
    function: Any = getattr(kernel._library, f"shadowstream_pair_{name}")
    function.restype, function.argtypes = result, arguments
    return function  # type: ignore[no-any-return]  # a function of ctypes


def _empty(entries: int) -> npt.NDArray[Any]:
    return np.full((entries, 2), EMPTY, np.uint32)  # hash and place


def _ids(of: Hashed) -> _Ids:
    return _Ids(address(of.texts.buffer), address(of.texts.offsets), address(of.hashes))
