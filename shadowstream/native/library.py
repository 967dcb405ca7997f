"""The compiled kernel, loaded by ctypes: its calls hold no lock of Python's, and one build serves all versions."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shadowstream.native.build import FOLDER, file_name

SWITCH = "SHADOWSTREAM_NATIVE"
"""The environment variable that switches the kernel off; the value is one of `OFF`."""
OFF = ("0", "false", "no", "off")
ABI = 6
SPANS_MAX = 8
UNKNOWN = 255
"""The level of a pair that the kernel leaves to Python."""

OP = np.dtype(
    [
        *(("kind", "u1"), ("rule", "u1"), ("field", "i2"), ("to", "i4"), ("low", "i8"), ("high", "i8")),
        *(("atol", "f8"), ("rtol", "f8")),
    ],
    align=True,
)
"""One step of a program; differences.h describes it."""
DIFFERENCE = np.dtype(
    [("pair", "i8"), ("field", "i4"), ("nulls", "i4"), ("values", "i8", 2), ("lengths", "i8", 2)], align=True
)
"""One field in which a pair differs; differences.h describes it."""
ROOM = 4_096
"""Differences that one call notes; where there are more, another call follows."""
Ops = npt.NDArray[Any]
Levels = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]
_KINDS = "end boolean whole float double text bytes fixed uuid loop next union branch goto open close"
KIND = {name: number for number, name in enumerate(_KINDS.split())}
EXACT, IGNORE, NUMBER, OTHER = range(4)
"""The rule of an op: a difference is a mismatch, is ignored, is held against a tolerance, or is UNKNOWN."""


class _Side(ctypes.Structure):
    _fields_ = (
        ("bytes", ctypes.c_void_p),
        ("offsets", ctypes.c_void_p),
        ("start", ctypes.c_int64),
        ("bytes_max", ctypes.c_int64),
        ("head", ctypes.c_char_p),
    )


class _Names(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("count", "values", "mask")),
        *((name, ctypes.c_void_p) for name in ("key", "slots", "codes", "firsts", "distinct")),
    )


class Values(NamedTuple):
    """Values of one side in one buffer. The body of each begins at `start`, behind `head` if that is not empty.

    Other values, and those of more than `bytes_max` bytes, are UNKNOWN.
    """

    buffer: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    start: int
    bytes_max: int
    head: bytes = b""

    @classmethod
    def of(cls, values: Sequence[bytes], longest: int = sys.maxsize) -> Values:
        """Lay values one behind the other, each of them a body. Raises OverflowError if one has more than `longest`
        bytes, before it copies any; TypeError for one that has no length."""
        offsets = np.zeros(len(values) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, values), np.int64, len(values)), out=offsets[1:])
        _check_longest(offsets, longest)
        return cls(np.frombuffer(b"".join(values), np.uint8), offsets, 0, sys.maxsize)

    def headed(self, head: bytes, bytes_max: int) -> Values:
        """The same values; those with this head have a body."""
        return Values(self.buffer, self.offsets, len(head), bytes_max, head)

    @property
    def longest(self) -> int:
        """The bytes of the longest value."""
        return int(np.diff(self.offsets).max(initial=0))

    def have_head(self, head: bytes) -> bool:
        """Whether all begin with these bytes."""
        begins = self.offsets[:-1]
        if int(np.diff(self.offsets).min(initial=len(head))) < len(head):
            return False
        wanted = np.frombuffer(head, np.uint8)
        return all(bool((self.buffer[begins + place] == byte).all()) for place, byte in enumerate(wanted))

    def part(self, begin: int, end: int) -> bytes:
        return self.buffer[begin:end].tobytes()

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def _side(self) -> _Side:
        return _Side(address(self.buffer), address(self.offsets), self.start, self.bytes_max, self.head or None)


class Measured(NamedTuple):
    """The hash of each of some texts, and the offsets that they have one behind the other: one more than texts."""

    hashes: Hashes
    offsets: npt.NDArray[np.int64]


class Codes(NamedTuple):
    """The values of one span as codes, in order of first appearance, and the bytes of each code."""

    codes: npt.NDArray[np.int64]
    parts: list[bytes]


class _Naming:
    """The room for the codes of so many spans in values, and for those of each code."""

    def __init__(self, spans: int, values: Values, key: Hashes) -> None:
        self._values, count = values, len(values)
        mask = (1 << (2 * count).bit_length()) - 1
        self._codes, self._firsts = np.empty((spans, count), np.int64), np.empty((spans, count, 2), np.int64)
        self._distinct = np.zeros(spans, np.int64)
        self._slots = np.full((spans, mask + 1), -1, np.int64)
        arrays = self._slots, self._codes, self._firsts, self._distinct
        self.names = _Names(spans, count, mask, address(key), *map(address, arrays))

    def codes(self) -> list[Codes]:
        bounds = (firsts[:n].tolist() for firsts, n in zip(self._firsts, self._distinct.tolist(), strict=True))
        return [
            Codes(codes, [self._values.part(*one) for one in found])
            for codes, found in zip(self._codes, bounds, strict=True)
        ]


class Walked(NamedTuple):
    """The level of each pair, or `UNKNOWN`; `noted`: the mismatches whose differences are all in `found`, by pair.

    `codes`: those of production's values; None if one of them is UNKNOWN.
    """

    levels: Levels
    noted: npt.NDArray[np.bool_]
    found: npt.NDArray[Any]
    codes: list[Codes] | None


class Kernel:
    """The functions of a compiled kernel. Raises OSError for a file that is none, or one of another version."""

    def __init__(self, path: Path) -> None:
        library = ctypes.CDLL(str(path))
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        try:
            abi, self._compare, self._codes, self._hashes, self._buckets = (
                getattr(library, f"shadowstream_{name}") for name in ("abi", "compare", "codes", "hashes", "buckets")
            )
        except AttributeError as error:
            raise OSError(f"{path.name} is no kernel: {error}") from error
        if abi() != (ABI << 16 | OP.itemsize):
            raise OSError(f"{path.name} has interface {abi():#x}, expected {ABI << 16 | OP.itemsize:#x}")
        self.path, self._library = path, library
        with_lock = ctypes.PyDLL(str(path))  # these read objects of Python
        self._places, self._join = with_lock.shadowstream_places, with_lock.shadowstream_join
        self._hash_at = with_lock.shadowstream_hash_at
        self._hash_at.argtypes, self._hash_at.restype = (pointer, pointer, number, pointer, pointer), None
        self._places.argtypes, self._places.restype = (ctypes.py_object, number, *(pointer,) * 4), ctypes.c_int32
        self._join.argtypes, self._join.restype = (pointer, pointer, number, pointer), None
        readers = ctypes.pythonapi.PyList_GetItem, ctypes.pythonapi.PyBytes_AsStringAndSize
        self._readers = [ctypes.cast(reader, pointer) for reader in readers]
        self.key = np.frombuffer(os.urandom(16), np.uint64)
        """The secret key of this process: hashes are equal within it only."""
        side = ctypes.POINTER(_Side)
        self._compare.argtypes = (
            *(pointer, side, side, ctypes.c_int32, number, number, number),
            *(pointer, pointer, pointer, number, pointer, pointer),
        )
        self._compare.restype = number
        of_siphash = (pointer, ctypes.c_int32, ctypes.c_int32, pointer)
        self._hashes.argtypes, self._hashes.restype = (side, number, *of_siphash), None
        self._buckets.argtypes, self._buckets.restype = (side, number, ctypes.c_uint32, pointer), None
        self._codes.argtypes = (pointer, side, number, pointer)

    def function(self, name: str, result: Any, arguments: int) -> Any:
        """A further function of the library, whose arguments are addresses and whole numbers."""
        found = getattr(self._library, f"shadowstream_{name}")
        found.argtypes, found.restype = (ctypes.c_void_p,) * arguments, result
        return found

    def walk(
        self, ops: Ops, production: Values, shadow: Values, fields: int, equal: bool = False, spans: int = 0
    ) -> Walked:
        """The level and the differences of each pair. `fields`, `spans`: as many as the program numbers; `equal`: equal
        bytes are a match."""
        count = min(len(production), len(shadow))
        levels, noted = np.empty(count, np.uint8), np.empty(count, np.bool_)
        sides = production._side(), shadow._side()
        at, parts, naming = 0, [], _Naming(spans, production, self.key)
        named = ctypes.byref(naming.names) if spans else None
        while at < count:
            part, size = np.empty(ROOM + fields, DIFFERENCE), np.zeros(1, np.int64)
            given = at, count, fields, address(levels), address(noted), address(part), len(part), address(size)
            at = self._compare(address(ops), *map(ctypes.byref, sides), equal, *given, named)
            parts.append(part[: size[0]])
        found = np.concatenate(parts) if parts else np.empty(0, DIFFERENCE)
        return Walked(levels, noted, found, naming.codes() if naming.names.count else None)

    def laid(self, texts: Sequence[object], longest: int = sys.maxsize) -> Values:
        """As `Values.of`, in a fifth of its time. Raises TypeError for a text that is no `bytes`."""
        kept = texts if type(texts) is list else list(texts)
        places, offsets = self._places_of(kept)
        _check_longest(offsets, longest)
        buffer = np.empty(int(offsets[-1]), np.uint8)
        self._join(address(places), address(offsets), len(kept), address(buffer))
        return Values(buffer, offsets, 0, sys.maxsize)

    def measured(self, texts: Sequence[object]) -> Measured:
        """The hash of each text, and their offsets, without a copy: texts may be large. Raises as `laid` does."""
        kept = texts if type(texts) is list else list(texts)
        places, offsets = self._places_of(kept)
        hashes = np.empty(len(kept), np.uint64)
        self._hash_at(address(places), address(offsets), len(kept), address(self.key), address(hashes))
        return Measured(hashes, offsets)

    def _places_of(self, kept: list[object]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
        """The address of each text of a list, good as long as the list is, and the offsets one behind the other."""
        places, offsets = np.empty(len(kept), np.uint64), np.empty(len(kept) + 1, np.int64)
        self._places(kept, len(kept), *self._readers, address(places), address(offsets))
        return places, offsets

    def hashes(self, values: Values, key: Hashes | None = None, rounds: tuple[int, int] = (1, 3)) -> Hashes:
        """The SipHash of each value from its first byte; `key`: that of this process."""
        found = np.empty(len(values), np.uint64)
        side, key = values._side(), self.key if key is None else key
        self._hashes(ctypes.byref(side), len(values), address(key), *rounds, address(found))
        return found

    def buckets(self, values: Values, buckets: int) -> npt.NDArray[np.int64]:
        """The bucket of each value, by its CRC-32 from its first byte."""
        found = np.empty(len(values), np.int64)
        side = values._side()
        self._buckets(ctypes.byref(side), len(values), buckets, address(found))
        return found

    def codes(self, ops: Ops, values: Values, spans: int) -> list[Codes] | None:
        """The codes of each of the `spans` of a program; None if one of the values is UNKNOWN."""
        side, naming = values._side(), _Naming(spans, values, self.key)
        if self._codes(address(ops), ctypes.byref(side), len(values), ctypes.byref(naming.names)):
            return None
        return naming.codes()


def _check_longest(offsets: npt.NDArray[np.int64], longest: int) -> None:
    # If all of them together are short enough, so is each.
    if offsets[-1] > longest and int(np.diff(offsets).max()) > longest:
        raise OverflowError(f"a value has more than {longest} bytes")


def address(array: npt.NDArray[Any]) -> int:
    """The address of an array's first byte, which is good as long as the array is."""
    if array.flags.writeable and array.size:  # five times as fast as the other way
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # type: ignore[arg-type]  # numpy's stub lacks it
    found: int = array.ctypes.data
    return found


class State(NamedTuple):
    """The kernel of this process, or the reason why there is none."""

    kernel: Kernel | None
    reason: str


def state(allowed: bool = True) -> State:
    """The kernel unless it is switched off; `allowed`: config `schemas.native`. It is loaded once."""
    if not allowed:
        return State(None, "schemas.native: false switches native code off")
    if os.environ.get(SWITCH, "").strip().lower() in OFF:
        return State(None, f"{SWITCH}={os.environ[SWITCH]} switches the native comparison off")
    return _loaded()


@cache
def _loaded() -> State:
    try:
        path = FOLDER / file_name()
        if not path.exists():
            return State(None, "no library was built for this machine: make setup builds it where a C compiler is")
        return State(Kernel(path), f"loaded {path.name}")
    except OSError as error:
        return State(None, f"the library cannot be loaded: {error}")
