"""Order of the records of one key on both sides of a task (`compare.order`).

Neighbours are two records of one key in production's partition, without another of that key between them, at most
`span` offsets apart. Once both have a partner, the candidate's partners must come in the same order. That is decided
with the pair that is compared last, and its difference names the other record.

All of this depends on offsets only, so a restart finds the same neighbours again. It reads each side from `span`
offsets before its lowest pending record (`recovery.task_commit`): that record may be one of a pair that waits for its
comparison, and its neighbour may have ended. Two ended records with one id are a pair that has been compared.

At most `RECORDS_MAX` records are kept; the order of a pair whose record of production is forgotten is unknown.
"""

from array import array
from bisect import bisect_left
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from shadowstream.errors import RecordError
from shadowstream.records import Side

RECORDS_MAX = 2_000_000
"""Records of production that are kept for their order; each takes 32 bytes, and each key about 100."""
FORGET_AT = 4_096
"""Records to be forgotten are removed together, from so many on."""
_NONE = -1


class Placed(NamedTuple):
    """A pair by its offsets in the partitions of both sides, and its key."""

    production: int
    shadow: int
    key: bytes | None


class Inversion(NamedTuple):
    """The neighbour of a pair, by its offset in production's topic, that comes on its other side in the candidate's."""

    neighbour: int
    is_before: bool
    """Whether the neighbour comes before the pair in production's topic."""


Inversions = Mapping[int, Inversion | None]
"""The inversion of each pair that has one, by its index; None for a pair whose order is unknown."""


class KeyOrder:
    """The newest records of production in one task with their neighbours, and the partners of those compared.

    >>> order = KeyOrder(100)
    >>> order.read(Side.PRODUCTION, [1, 2], [b"k", b"k"], ["a", "b"])
    >>> pairs = [Placed(1, 9, b"k"), Placed(2, 8, b"k")]
    >>> order.inverted(pairs)
    {1: Inversion(neighbour=1, is_before=True)}
    """

    def __init__(self, span: int, records_max: int = RECORDS_MAX) -> None:
        self.span, self._records_max = span, records_max
        self._first = 0
        """The number of the first kept record; records are numbered as they are read."""
        self._offsets, self._before, self._after, self._partner = (array("q") for _ in range(4))
        """By record: its offset, the numbers of its neighbours, and the offset of its compared partner."""
        self._last: dict[int, int] = {}
        """The number of the last record of each key, by the key's hash."""
        self._ended: tuple[dict[int, int], dict[int, int]] = {}, {}
        """Offsets of the ended records of production and of the shadow that were read again, by the hash of the id."""

    def read(
        self,
        side: Side,
        offsets: Sequence[int],
        keys: Sequence[bytes | None],
        ids: Sequence[Hashable],
        repeats: Collection[int] = (),
        ended: Collection[int] = (),
    ) -> None:
        """Enter the next records of one side.

        `repeats`: the indexes of those that are left out; `ended`: the offsets of those that ended before a restart.
        """
        if side is Side.TWIN or (side is Side.SHADOW and not ended):
            return
        for i, (offset, id_) in enumerate(zip(offsets, ids, strict=True)):
            if id_ is None or isinstance(id_, RecordError) or i in repeats:
                continue
            if side is Side.PRODUCTION and (key := keys[i]) is not None:
                self._enter(offset, hash(key))
            if offset in ended:
                self._ended[side][hash(id_)] = offset
                partner = self._ended[1 - side].get(hash(id_))
                if partner is not None:
                    pair = (offset, partner) if side is Side.PRODUCTION else (partner, offset)
                    self._pair(*pair)
        if len(self._offsets) > self._records_max + FORGET_AT:
            self._forget(len(self._offsets) - self._records_max)

    def _enter(self, offset: int, key: int) -> None:
        number = self._first + len(self._offsets)
        before = self._last.get(key, _NONE)
        self._last[key] = number
        for column, content in ((self._offsets, offset), (self._before, before), (self._after, _NONE)):
            column.append(content)
        self._partner.append(_NONE)
        if before >= self._first:
            self._after[before - self._first] = number

    def all_read_again(self) -> None:
        """Note that both sides have been read again as far as before the restart."""
        self._ended = {}, {}

    def inverted(self, pairs: Iterable[Placed]) -> Inversions:
        """Return the inversions of pairs that are compared now. It notes nothing: `compared` does."""
        found: dict[int, Inversion | None] = {}
        partners: dict[int, int] = {}
        for i, (offset, shadow, key) in enumerate(pairs):
            if key is None:
                continue
            at = self._place(offset)
            if at is None:
                found[i] = None
                continue
            for other, is_before in self._neighbours(at):
                partner = partners.get(other, self._partner[other])
                if partner == _NONE or abs(partner - shadow) > self.span:
                    continue
                if (partner > shadow) == is_before:
                    found[i] = Inversion(self._offsets[other], is_before)
                    break
            partners[at] = shadow
        return found

    def compared(self, pairs: Iterable[Placed]) -> None:
        """Note that pairs have been compared."""
        for offset, shadow, _ in pairs:
            self._pair(offset, shadow)

    def forget(self, below: int) -> None:
        """Forget the records below an offset, which no later decision needs."""
        n = bisect_left(self._offsets, below)
        if n >= FORGET_AT:
            self._forget(n)

    def _neighbours(self, at: int) -> Iterator[tuple[int, bool]]:
        """Yield the places of the neighbours within the span, and whether each comes before."""
        for number, is_before in ((self._before[at], True), (self._after[at], False)):
            other = number - self._first
            if number != _NONE and other >= 0 and abs(self._offsets[other] - self._offsets[at]) <= self.span:
                yield other, is_before

    def _place(self, offset: int) -> int | None:
        at = bisect_left(self._offsets, offset)
        return at if at < len(self._offsets) and self._offsets[at] == offset else None

    def _pair(self, production: int, shadow: int) -> None:
        at = self._place(production)
        if at is not None:
            self._partner[at] = shadow

    def _forget(self, n: int) -> None:
        for column in (self._offsets, self._before, self._after, self._partner):
            del column[:n]
        self._first += n
        self._last = {key: number for key, number in self._last.items() if number >= self._first}
