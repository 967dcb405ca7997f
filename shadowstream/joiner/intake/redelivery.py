"""Detection of redelivery: outputs that the runner wrote again after a crash under at_least_once."""

from collections.abc import Mapping, Sequence

from shadowstream.joiner.completeness.marks_log import of_kind
from shadowstream.protocol.headers import PackedHeader


class Redelivery:
    """The last output of each input partition in one partition of the candidate.

    The runner writes the outputs of one input partition in the order of offset and k, until a crash sets it back. So an
    output that is not above all earlier ones is a repeat, however far apart they are.
    """

    def __init__(self, inputs: Sequence[str]) -> None:
        self._inputs = inputs
        self._reached: dict[str, tuple[int, int]] = {}
        self._again: dict[str, tuple[int, int]] = {}
        self._staged = self._again, self._reached

    def find(self, packed: Sequence[PackedHeader | None], reread: int) -> set[int]:
        """Stage a batch; return the indexes of its repeats. Its first `reread` records had been read before."""
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
        self._again, self._reached = self._staged

    def snapshot(self) -> dict[str, int]:
        """Return counts for the state record; the routes (`conservation`) store the offsets."""
        return {f"route_k:{place}": k for place, (_, k) in self._reached.items()}

    def restore(self, counts: Mapping[str, int]) -> None:
        self._reached |= {place: (counts[f"route_last:{place}"], k) for place, k in of_kind(counts, "route_k").items()}
