"""Repeats that a crash of the runner leaves under at_least_once: the same outputs of the same inputs, written again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shadowstream.protocol.headers import PackedHeader


class Redelivery:
    """How far the outputs of each input partition have been read in one log of the candidate.

    Within one log the outputs of one input partition come in the order of offset and k, as its runner writes them,
    until a crash sets it back. So what is not above everything before it was there already, and no span bounds it.
    """

    def __init__(self, inputs: Sequence[str]) -> None:
        self._inputs = inputs
        self._reached: dict[str, tuple[int, int]] = {}
        self._again: dict[str, tuple[int, int]] = {}
        self._staged = self._again, self._reached

    def find(self, packed: Sequence[PackedHeader | None], reread: int) -> set[int]:
        """Stage a batch; return the positions of its repeats. Its first `reread` records are read again."""
        found: set[int] = set()
        self._staged = (dict(self._again), dict(self._reached))
        for i, one in enumerate(packed):
            if one is None:
                continue
            at, reached = one.coordinate, self._staged[i >= reread]
            place = f"{self._inputs[at.topic]}/{at.partition}"
            if (at.offset, at.k) > reached.get(place, (-1, -1)):
                reached[place] = at.offset, at.k
            else:
                found.add(i)
        return found

    def accept(self) -> None:
        """Keep the positions that `find` has staged: the batch has been taken, without the repeats in it."""
        self._again, self._reached = self._staged

    def snapshot(self) -> dict[str, int]:
        """Counts for the state record; the offsets are those of the routes (`conservation`)."""
        return {f"route_k:{place}": k for place, (_, k) in self._reached.items()}

    def restore(self, counts: Mapping[str, int]) -> None:
        """Take the counts of the state record."""
        for name, value in counts.items():
            kind, _, place = name.partition(":")
            if kind == "route_k":
                self._reached[place] = counts[f"route_last:{place}"], value
