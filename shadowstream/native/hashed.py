"""Texts of one batch, laid one behind the other once and hashed once, for all that look them up."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from shadowstream.native import library
from shadowstream.native.library import Hashes, Values


def laid(texts: Sequence[object]) -> Values | None:
    """The texts in one buffer, read from their first byte; None if one of them is no `bytes`."""
    try:
        return Values.of(cast("Sequence[bytes]", texts), 0, sys.maxsize)
    except TypeError:
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Hashed:
    """Texts in one buffer, and the hash of each under the key of this process."""

    texts: Values
    hashes: Hashes

    @classmethod
    def of(cls, texts: Sequence[object], allowed: bool = True) -> Hashed | None:
        """None if one of the texts is no `bytes`, or without the kernel. `allowed`: config `schemas.native`."""
        kernel = library.state(allowed).kernel
        values = laid(texts) if kernel is not None else None
        return None if kernel is None or values is None else cls(values, kernel.hashes(values))

    def __len__(self) -> int:
        return len(self.hashes)
