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
ABI = 3
SPANS_MAX = 8
UNKNOWN = 255
"""The level of a pair that the kernel leaves to Python."""

OP = np.dtype(
    [("kind", "u1"), ("rule", "u1"), ("to", "i4"), ("low", "i8"), ("high", "i8"), ("atol", "f8"), ("rtol", "f8")],
    align=True,
)
"""One step of a program; kernel.c describes it."""
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
    )


class Values(NamedTuple):
    """Values of one side in one buffer. The body of each begins at `start`; more than `bytes_max` bytes are UNKNOWN."""

    buffer: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    start: int
    bytes_max: int

    @classmethod
    def of(cls, values: Sequence[bytes], start: int, bytes_max: int) -> Values:
        """Lay values one behind the other."""
        offsets = np.zeros(len(values) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, values), np.int64, len(values)), out=offsets[1:])
        return cls(np.frombuffer(b"".join(values), np.uint8), offsets, start, bytes_max)

    def part(self, begin: int, end: int) -> bytes:
        return self.buffer[begin:end].tobytes()

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def _side(self) -> _Side:
        return _Side(address(self.buffer), address(self.offsets), self.start, self.bytes_max)


class Codes(NamedTuple):
    """The values of one span as codes, in order of first appearance, and the bytes of each code."""

    codes: npt.NDArray[np.int64]
    parts: list[bytes]


class Kernel:
    """The functions of a compiled kernel. Raises OSError for a file that is none, or one of another version."""

    def __init__(self, path: Path) -> None:
        library = ctypes.CDLL(str(path))
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        try:
            abi, self._compare, self._codes, self._hashes = (
                getattr(library, f"shadowstream_{name}") for name in ("abi", "compare", "codes", "hashes")
            )
        except AttributeError as error:
            raise OSError(f"{path.name} is no kernel: {error}") from error
        if abi() != (ABI << 16 | OP.itemsize):
            raise OSError(f"{path.name} has interface {abi():#x}, expected {ABI << 16 | OP.itemsize:#x}")
        self.path, self._library = path, library
        with_lock = ctypes.PyDLL(str(path))  # these two read objects of Python
        self._places, self._join = with_lock.shadowstream_places, with_lock.shadowstream_join
        self._places.argtypes, self._places.restype = (ctypes.py_object, number, *(pointer,) * 4), ctypes.c_int32
        self._join.argtypes, self._join.restype = (pointer, pointer, number, pointer), None
        readers = ctypes.pythonapi.PyList_GetItem, ctypes.pythonapi.PyBytes_AsStringAndSize
        self._readers = [ctypes.cast(reader, pointer) for reader in readers]
        self.key = np.frombuffer(os.urandom(16), np.uint64)
        """The secret key of this process: hashes are equal within it only."""
        side = ctypes.POINTER(_Side)
        self._compare.argtypes, self._compare.restype = (pointer, side, side, number, pointer), None
        of_siphash = (pointer, ctypes.c_int32, ctypes.c_int32, pointer)
        self._hashes.argtypes, self._hashes.restype = (side, number, *of_siphash), None
        self._codes.argtypes = (
            *(pointer, side, number, ctypes.c_int32, pointer, number),
            *(pointer, pointer, pointer, pointer),
        )

    def function(self, name: str, result: Any, arguments: int) -> Any:
        """A further function of the library, whose arguments are addresses and whole numbers."""
        found = getattr(self._library, f"shadowstream_{name}")
        found.argtypes, found.restype = (ctypes.c_void_p,) * arguments, result
        return found

    def levels(self, ops: Ops, production: Values, shadow: Values) -> Levels:
        """The level of each pair, or `UNKNOWN`."""
        levels = np.full(len(production), UNKNOWN, np.uint8)
        sides = production._side(), shadow._side()
        self._compare(ops.ctypes.data, *map(ctypes.byref, sides), min(map(len, (production, shadow))), address(levels))
        return levels

    def laid(self, texts: Sequence[object], start: int = 0, bytes_max: int = sys.maxsize) -> Values:
        """As `Values.of`, in a fifth of its time. Raises TypeError for a text that is no `bytes`."""
        count, texts = len(texts), texts if type(texts) is list else list(texts)
        places, offsets = np.empty(count, np.uint64), np.empty(count + 1, np.int64)
        self._places(texts, count, *self._readers, address(places), address(offsets))
        buffer = np.empty(int(offsets[-1]), np.uint8)
        self._join(address(places), address(offsets), count, address(buffer))
        return Values(buffer, offsets, start, bytes_max)

    def hashes(self, values: Values, key: Hashes | None = None, rounds: tuple[int, int] = (1, 3)) -> Hashes:
        """The SipHash of each value from its first byte; `key`: that of this process."""
        found = np.empty(len(values), np.uint64)
        side, key = values._side(), self.key if key is None else key
        self._hashes(ctypes.byref(side), len(values), address(key), *rounds, address(found))
        return found

    def codes(self, ops: Ops, values: Values, spans: int) -> list[Codes] | None:
        """The codes of each of the `spans` of a program; None if one of the values is UNKNOWN."""
        count = len(values)
        mask = (1 << (2 * count).bit_length()) - 1
        slots = np.full((spans, mask + 1), -1, np.int64)
        codes, firsts = np.empty((spans, count), np.int64), np.empty((spans, count, 2), np.int64)
        distinct = np.zeros(spans, np.int64)
        side = values._side()
        given = ops.ctypes.data, ctypes.byref(side), count, spans, address(self.key), mask
        if self._codes(*given, address(slots), address(codes), address(firsts), address(distinct)):
            return None
        return [
            Codes(codes[n], [values.part(*bounds) for bounds in firsts[n, : distinct[n]].tolist()])
            for n in range(spans)
        ]


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
