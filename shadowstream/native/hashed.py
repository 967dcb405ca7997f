"""Texts of one batch, laid one behind the other once and hashed once, for all that look them up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shadowstream.native.library import Hashes, Kernel, Measured, Values


def measured(texts: Sequence[object], kernel: Kernel) -> Measured | None:
    """The hashes and offsets of texts; None if one of them is no `bytes`."""
    try:
        return kernel.measured(texts)
    except TypeError:
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Hashed:
    """Texts in one buffer, and the hash of each under the key of this process."""

    texts: Values
    hashes: Hashes

    @classmethod
    def of(cls, texts: Sequence[object], kernel: Kernel | None) -> Hashed | None:
        """None if one of the texts is no `bytes`, or without the kernel."""
        if kernel is None:
            return None
        try:
            values = kernel.laid(texts)
        except TypeError:
            return None
        return cls(values, kernel.hashes(values))

    def __len__(self) -> int:
        return len(self.hashes)


class LaidBatch(NamedTuple):
    """The ids of a batch in one buffer, and its values measured.

    None where the kernel has no part in them, or one of them is no `bytes`.
    """

    ids: Hashed | None = None
    values: Measured | None = None


NOT_LAID = LaidBatch()
