"""Replays of production: its committed offset has gone back, so it answers inputs a second time.

The outputs of a replay are repeats, possibly far beyond the dedupe span. The candidate does not replay, so they have no
partners. A replay is remembered as the range of outputs that may hold such repeats. The range begins at the end
observed before the offset went back. It ends at the end observed once the old offset was reached again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from shadowstream.joiner.completeness.marks_log import of_kind, place_of
from shadowstream.protocol.outcomes import Outcome
from shadowstream.records import InputCoordinate, Partition

RANGES_MAX = 100
_FIELDS = ("topic", "partition", "low", "high", "begin", "end")


@dataclass(slots=True)
class ReplayRange:
    """One replay: outputs in [begin, end) may repeat inputs of `input` in [low, high); `end` is -1 while it runs."""

    input: Partition
    low: int
    high: int
    begin: int
    end: int = -1


class ProductionReplays:
    """The newest `RANGES_MAX` replays in one output partition of production."""

    def __init__(self) -> None:
        self.ranges: list[ReplayRange] = []
        self.maximum: dict[Partition, int] = {}
        self._end = 0

    def observe(self, end: int, committed: dict[Partition, int]) -> None:
        """Note production's committed offsets, read before `end`, the end of its outputs."""
        for place, offset in committed.items():
            maximum = self.maximum.get(place, 0)
            running = next((one for one in self.ranges if one.input == place and one.end < 0), None)
            if offset >= maximum:
                if running is not None:
                    running.end = end
                self.maximum[place] = offset
            elif running is None:
                self.ranges.append(ReplayRange(place, offset, maximum, self._end))
                del self.ranges[:-RANGES_MAX]
            else:
                running.low = min(running.low, offset)
        self._end = max(self._end, end)

    def outcome(self, offset: int, at: InputCoordinate | None, inputs: list[str]) -> Outcome | None:
        """Return the outcome of an unmatched output that is, or without its input may be, of a replay; else None."""
        for one in self.ranges:
            if offset < one.begin or 0 <= one.end <= offset:
                continue
            if at is None:
                return Outcome.UNPAIRABLE_PRODUCTION
            if Partition(inputs[at.topic], at.partition) == one.input and one.low <= at.offset < one.high:
                return Outcome.DUPLICATE_PRODUCTION
        return None

    def snapshot(self, names: list[str]) -> dict[str, int]:
        """Return counts for the state record; `names` are the input topics."""
        counts = {f"most:{place}": offset for place, offset in self.maximum.items()}
        for n, one in enumerate(self.ranges):
            values = names.index(one.input.topic), one.input.partition, one.low, one.high, one.begin, one.end
            counts |= {f"replay:{n}:{field}": value for field, value in zip(_FIELDS, values, strict=True)}
        if self._end:
            counts["replay_seen_to"] = self._end
        return counts

    def restore(self, counts: Mapping[str, int], names: list[str]) -> None:
        self._end = counts.get("replay_seen_to", 0)
        self.maximum |= {place_of(text): offset for text, offset in of_kind(counts, "most").items()}
        n = 0
        while f"replay:{n}:topic" in counts:
            topic, partition, *rest = (counts[f"replay:{n}:{field}"] for field in _FIELDS)
            self.ranges.append(ReplayRange(Partition(names[topic], partition), *rest))
            n += 1
