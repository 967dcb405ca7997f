"""Production that replays: its committed offset has gone back, so it answers inputs a second time.

What it then writes are repeats that may lie far beyond the dedupe span, and the candidate, which does not replay, has
nothing to meet them with. The range of its outputs in which such repeats may lie is remembered: from the end observed
before the offset went back to the end observed once the old offset was reached again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shadowstream.protocol.outcomes import Outcome
from shadowstream.records import InputCoordinate, Partition

RANGES_MAX = 100


@dataclass(slots=True)
class Range:
    """Outputs from `begin` on, below `end` (-1: still going on), may answer inputs of `input` in [low, high) again."""

    input: Partition
    low: int
    high: int
    begin: int
    end: int = -1

    def holds(self, offset: int) -> bool:
        """Whether a production output at this offset may be a repeat."""
        return self.begin <= offset and (self.end < 0 or offset < self.end)


class Replays:
    """The ranges of one production output partition, the newest `RANGES_MAX`."""

    def __init__(self) -> None:
        self.ranges: list[Range] = []
        self.maximum: dict[Partition, int] = {}
        self._end = 0

    def observe(self, end: int, committed: dict[Partition, int]) -> None:
        """Production's committed offsets, read before `end`, the end of its outputs."""
        for place, offset in committed.items():
            maximum = self.maximum.get(place, 0)
            running = next((one for one in self.ranges if one.input == place and one.end < 0), None)
            if offset >= maximum:
                if running is not None:
                    running.end = end
                self.maximum[place] = offset
            elif running is None:
                self.ranges.append(Range(place, offset, maximum, self._end))
                del self.ranges[:-RANGES_MAX]
            else:
                running.low = min(running.low, offset)
        self._end = max(self._end, end)

    def verdict(self, offset: int, at: InputCoordinate | None, inputs: list[str]) -> Outcome | None:
        """What an unpaired production output is by the replays: a repeat, nobody can tell, or None: not of a replay."""
        if not self.ranges:
            return None
        for one in self.ranges:
            if not one.holds(offset):
                continue
            if at is None:
                return Outcome.UNPAIRABLE_PRODUCTION
            if Partition(inputs[at.topic], at.partition) == one.input and one.low <= at.offset < one.high:
                return Outcome.DUPLICATE_PRODUCTION
        return None

    def snapshot(self, names: list[str]) -> dict[str, int]:
        """Counts for the state record. `names` are the input topics."""
        counts = {f"most:{place}": offset for place, offset in self.maximum.items()}
        for n, one in enumerate(self.ranges):
            counts |= {
                f"replay:{n}:topic": names.index(one.input.topic),
                f"replay:{n}:partition": one.input.partition,
                f"replay:{n}:low": one.low,
                f"replay:{n}:high": one.high,
                f"replay:{n}:begin": one.begin,
                f"replay:{n}:end": one.end,
            }
        if self._end:
            counts["replay_seen_to"] = self._end
        return counts

    def restore(self, counts: Mapping[str, int], names: list[str]) -> None:
        """From the counts of the state record."""
        self._end = counts.get("replay_seen_to", 0)
        for name, value in counts.items():
            if name.startswith("most:"):
                topic, _, partition = name.removeprefix("most:").rpartition("/")
                self.maximum[Partition(topic, int(partition))] = value
        n = 0
        while f"replay:{n}:topic" in counts:
            topic_at, partition_at, *rest = (
                counts[f"replay:{n}:{field}"] for field in ("topic", "partition", "low", "high", "begin", "end")
            )
            self.ranges.append(Range(Partition(names[topic_at], partition_at), *rest))
            n += 1
