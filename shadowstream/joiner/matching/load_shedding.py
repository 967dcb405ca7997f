"""Which identities a task sheds where both sides lead by turns and `limits.overflow: shed` allows it.

A stable hash of the identity decides, so both sides of a pair, every process and every restart decide alike: an
identity is paired as a whole or not at all, and what is left is a sample of identities that is compared as ever.
At level n all but 1 in 2^n are shed. The level only rises: a partner of what was shed may come at any time, and with a
lower level it would be called missing or extra.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from hashlib import blake2b

LEVEL_MAX = 32
"""One in four billion is left: beyond, it is not identities that fill the memory."""


def _hash(id_: Hashable) -> int:
    """64 bits of an id, bytes or a tuple of integers; of a person of its own, so that a candidate which samples by a
    hash of the key does not happen to sample what is shed."""
    text = id_ if isinstance(id_, bytes) else repr(tuple(id_) if isinstance(id_, tuple) else id_).encode()
    return int.from_bytes(blake2b(text, digest_size=8, person=b"shed").digest(), "big")


class LoadShedder:
    """The level of one task.

    >>> shedding = Shedding()
    >>> shedding.step(), shedding.level
    (True, 1)
    >>> ids = [b"%d" % n for n in range(1_000)]
    >>> 400 < sum(map(shedding.sheds, ids)) < 600
    True
    """

    def __init__(self) -> None:
        self.level = 0

    def step(self) -> bool:
        """Shed half of what is left; False where there is no further level."""
        if self.level == LEVEL_MAX:
            return False
        self.level += 1
        return True

    def snapshot(self) -> dict[str, int]:
        """Counts for the state record."""
        return {"shed_level": self.level} if self.level else {}

    def restore(self, counts: Mapping[str, int]) -> None:
        """Take the counts of the state record."""
        self.level = counts.get("shed_level", 0)

    def sheds(self, id_: Hashable) -> bool:
        """Whether records with this id are shed."""
        return _hash(id_) & ((1 << self.level) - 1) != 0
