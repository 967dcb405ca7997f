"""Checkpoint of one side: the commit metadata from which recovery restores.

Form ``1`` is zlib and base85 over varints ``sequence, high, progress position, correctable floor, runs, (gap,
length)*``. Every record below the offset ``high`` has been counted, except the pending offsets in the runs. The
committed offset is the lowest pending one. Recovery reads from there to ``high`` again and keeps only the pending
records. Form ``2`` has no runs: the pending set did not fit, and the state record of the same sequence number holds it.
Form ``3`` has the fields of `LogPlace` instead of the runs: a log in the topic `state` holds it (`pending_log`).
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from shadowstream.errors import ConfigError
from shadowstream.joiner.offset_spans import Spans
from shadowstream.joiner.recovery import base85_arrays, varint_arrays
from shadowstream.joiner.recovery.varint_arrays import numbers_of
from shadowstream.protocol.metadata_codec import LOGGED, OVERFLOW, WHOLE, opened, overflows, pack, unpack
from shadowstream.protocol.varints import varints_of
from shadowstream.records import METADATA_CHARS_MAX

_FAST = 1  # a tenth of the time of level 6 for a million offsets, for a sixth more bytes
LOG_RECORDS_MAX = 10_000
PENDING_MAX = 100_000_000  # limit of the pending set, because a few characters can encode any number of offsets


class LogPlace(NamedTuple):
    """Place in the log of a pending set: its base by sequence number and parts, the deltas after it, the set's size."""

    base: int
    parts: int
    deltas: int
    size: int


class Checkpoint(NamedTuple):
    """Metadata of one side's partition. The pending set is elsewhere with `overflow` (state record) or `log`."""

    sequence: int
    high: int
    pending: Collection[int]
    progress: int = 0
    correctable_floor: int = 0
    overflow: bool = False
    log: LogPlace | None = None


def pending_text(pending: Iterable[int], level: int = _FAST) -> str:
    """Convert a pending set to text of any length, for the state record; `level`: zlib's.

    >>> sorted(pending_of(pending_text([7, 3, 4])))
    [3, 4, 7]
    """
    return pack(varint_arrays.varints_of(Spans.of(pending).gaps_and_lengths()), level, base85_arrays.encoded)


def pending_of(text: str) -> frozenset[int]:
    return _spread(numbers_of(unpack(text)))


def _spread(numbers: list[int]) -> frozenset[int]:
    if sum(numbers[1::2]) > PENDING_MAX:
        raise ConfigError(f"commit metadata names over {PENDING_MAX} pending records; did another program change it?")
    offsets: set[int] = set()
    at = 0
    for gap, length in zip(numbers[::2], numbers[1::2], strict=True):
        offsets.update(range(at + gap, at + gap + length))
        at += gap + length
    return frozenset(offsets)


def encode(checkpoint: Checkpoint) -> str:
    """Return the metadata text; form ``2`` (overflow) if the pending set does not fit.

    >>> decode(encode(Checkpoint(3, 20, frozenset([5, 6, 9])))).pending == {5, 6, 9}
    True
    """
    head = [checkpoint.sequence, checkpoint.high, checkpoint.progress, checkpoint.correctable_floor]
    if checkpoint.log is not None:
        return LOGGED + _packed([*head, 0, *checkpoint.log])
    spans = Spans.of(checkpoint.pending)
    runs = len(spans.begins)
    if runs <= METADATA_CHARS_MAX:  # a run costs at least one character
        encoded = varint_arrays.varints_of(spans.gaps_and_lengths()) if runs else b""
        text = WHOLE + _packed([*head, runs], encoded)
        if len(text) <= METADATA_CHARS_MAX:
            return text
    return OVERFLOW + _packed([*head, 0])


def _packed(head: Iterable[int], rest: bytes = b"") -> str:
    return pack(varints_of(head) + rest, base85=base85_arrays.encoded)


def _fields(data: bytes) -> tuple[int, int, int, int, int, list[int]]:
    sequence, high, progress, correctable_floor, runs, *rest = numbers_of(data)
    return sequence, high, progress, correctable_floor, runs, rest


def decode(metadata: str) -> Checkpoint:
    """Read a checkpoint; raise `ConfigError` for metadata that this release did not write."""
    sequence, high, progress, correctable_floor, runs, rest = opened(metadata, _fields)
    if metadata.startswith(LOGGED):
        if len(rest) != len(LogPlace._fields) or rest[0] > sequence or max(rest[1:3]) > LOG_RECORDS_MAX:
            raise ConfigError("commit metadata names no log of pending records; did another program change it?")
        return Checkpoint(sequence, high, frozenset(), progress, correctable_floor, log=LogPlace(*rest))
    if len(rest) != 2 * runs:
        named = f"commit metadata names {runs} runs and holds {len(rest) // 2}"
        raise ConfigError(f"{named}; did another program change it?")
    return Checkpoint(sequence, high, _spread(rest), progress, correctable_floor, overflows(metadata))
