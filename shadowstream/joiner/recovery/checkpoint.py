"""Checkpoint of one side: the commit metadata from which recovery restores.

Form ``1`` is zlib and base85 over varints ``sequence, high, progress position, correctable floor, runs, (gap,
length)*``. Every record below the offset ``high`` has been counted, except the pending offsets in the runs. The
committed offset is the lowest pending one. Recovery reads from there to ``high`` again and keeps only the pending
records. Form ``2`` has no runs: the pending set did not fit, and the state record of the same sequence number holds it.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from shadowstream.errors import ConfigError
from shadowstream.joiner.offset_spans import Spans
from shadowstream.joiner.recovery import varint_arrays
from shadowstream.joiner.recovery.varint_arrays import numbers_of
from shadowstream.protocol.metadata_codec import OVERFLOW, WHOLE, opened, overflows, pack, unpack
from shadowstream.protocol.varints import varints_of
from shadowstream.records import METADATA_CHARS_MAX

_FAST = 1  # a tenth of the time of level 6 for a million offsets, for a sixth more bytes
PENDING_MAX = 100_000_000  # limit of the pending set, because a few characters can encode any number of offsets


class Checkpoint(NamedTuple):
    """Metadata of one side's partition. `overflow`: the state record holds the pending set."""

    sequence: int
    high: int
    pending: Collection[int]
    progress: int = 0
    correctable_floor: int = 0
    overflow: bool = False


def pending_text(pending: Iterable[int]) -> str:
    """Convert a pending set to text of any length, for the state record.

    >>> sorted(pending_of(pending_text([7, 3, 4])))
    [3, 4, 7]
    """
    return pack(varint_arrays.varints_of(Spans.of(pending).gaps_and_lengths()), _FAST)


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
    spans = Spans.of(checkpoint.pending)
    runs = len(spans.begins)
    if runs <= METADATA_CHARS_MAX:  # a run costs at least one character
        text = WHOLE + pack(varints_of([*head, runs]) + varint_arrays.varints_of(spans.gaps_and_lengths()))
        if len(text) <= METADATA_CHARS_MAX:
            return text
    return OVERFLOW + pack(varints_of([*head, 0]))


def _fields(data: bytes) -> tuple[int, int, int, int, int, list[int]]:
    sequence, high, progress, correctable_floor, runs, *rest = numbers_of(data)
    return sequence, high, progress, correctable_floor, runs, rest


def decode(metadata: str) -> Checkpoint:
    """Read a checkpoint; raise `ConfigError` for metadata that this release did not write."""
    sequence, high, progress, correctable_floor, runs, rest = opened(metadata, _fields)
    if len(rest) != 2 * runs:
        named = f"commit metadata names {runs} runs and holds {len(rest) // 2}"
        raise ConfigError(f"{named}; did another program change it?")
    return Checkpoint(sequence, high, _spread(rest), progress, correctable_floor, overflows(metadata))
