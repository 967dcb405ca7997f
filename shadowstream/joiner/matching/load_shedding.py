"""Load shedding: the identities that a task evicts if memory is full and `limits.overflow: shed` allows it.

A stable hash of the identity decides, so both sides of a pair, every process and every restart decide alike. The rest
is a sample of whole pairs, compared as usual. At level n, all but 1 in 2^n identities are shed. The level only rises:
a partner of a shed record may still come, and with a lower level it would end as missing or extra.
"""

from collections.abc import Hashable, Mapping
from hashlib import blake2b

LEVEL_MAX = 32  # one identity in four billion is left: if memory is still full, identities are not the cause


def _hash(id_: Hashable) -> int:
    """Hash an id to 64 bits; personalised, so that a candidate that samples by a hash samples other records."""
    text = id_ if isinstance(id_, bytes) else repr(tuple(id_) if isinstance(id_, tuple) else id_).encode()
    return int.from_bytes(blake2b(text, digest_size=8, person=b"shed").digest(), "big")


class LoadShedder:
    """The shed level of one task.

    >>> shedding = LoadShedder()
    >>> shedding.step(), shedding.level
    (True, 1)
    >>> ids = [b"%d" % n for n in range(1_000)]
    >>> 400 < sum(map(shedding.sheds, ids)) < 600
    True
    """

    def __init__(self) -> None:
        self.level = 0

    def step(self) -> bool:
        """Shed half of the remaining identities; return False at the last level."""
        if self.level == LEVEL_MAX:
            return False
        self.level += 1
        return True

    def snapshot(self) -> dict[str, int]:
        return {"shed_level": self.level} if self.level else {}

    def restore(self, counts: Mapping[str, int]) -> None:
        self.level = counts.get("shed_level", 0)

    def sheds(self, id_: Hashable) -> bool:
        return _hash(id_) & ((1 << self.level) - 1) != 0
