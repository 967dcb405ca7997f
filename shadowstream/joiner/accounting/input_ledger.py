"""The first ledger of a task: the inputs of its input partitions, by the runner's range marks.

Each input partition belongs to one task. After a restart, marks that were counted before are skipped, except that the
newest of them still gives the ledger line.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from shadowstream.joiner.accounting import conservation
from shadowstream.joiner.accounting.outcome_counts import OutcomeCounts
from shadowstream.joiner.completeness.marks_log import MarksLog, of_kind, place_of
from shadowstream.protocol.marks import Counters
from shadowstream.records import Partition


class InputLedger:
    """Inputs counted so far by input partition, and the event time that each partition has reached."""

    def __init__(self, inputs: Collection[Partition], marks: MarksLog, counts: OutcomeCounts) -> None:
        self._inputs, self._marks, self._counts = inputs, marks, counts
        self._counted: dict[Partition, int] = {}
        self._floors: dict[Partition, int | None] = {}
        self._read: Counter[str] = Counter()
        self._lines: dict[Partition, list[dict[str, Any]]] = {}

    def count_range(self, record: Mapping[str, Any]) -> None:
        place = Partition(record["input_topic"], record["input_partition"])
        counters = Counters.of(record["counters"])
        if record["to_offset"] > self._counted.get(place, -1):
            for window in record["windows"]:
                self._counts.inputs(window, record["revision"])
                self._read[str(place)] += window["read"]
            self._counted[place] = record["to_offset"]
        elif record["to_offset"] < self._counted[place]:
            return
        self._floors[place] = record["floor_ms"]
        ended, by_window = counters.ended(), self._read[str(place)]
        self._lines[place] = conservation.inputs_lines(str(place), counters.read, ended, by_window)

    def is_complete(self) -> bool:
        bounds = self._marks.bounds
        return all(self._counted_to(place) >= bounds.get(place, 0) for place in self._inputs)

    def _counted_to(self, place: Partition) -> int:
        """Return the offset below which inputs have been counted, or precede the trial."""
        start = self._marks.start
        begin = start.committed.get(place, 0) if start else 0
        return max(begin, self._counted.get(place, 0))

    def floors_ms(self, ends: Mapping[Partition, int]) -> list[int] | None:
        """Return the event times reached by partitions that are not counted to their `ends`; None if one is unknown.

        A window must not close before its inputs are counted, and marks arrive on a path of their own.
        """
        open_ = [place for place in self._inputs if place not in ends or self._counted_to(place) < ends[place]]
        floors = [floor for place in open_ if (floor := self._floors.get(place)) is not None]
        return floors if len(floors) == len(open_) else None

    def lines(self) -> list[dict[str, Any]]:
        return [line for place in sorted(self._lines) for line in self._lines[place]]

    def counted(self) -> dict[str, int]:
        """Return the offsets below which inputs have been counted, for the state record."""
        return {str(place): offset for place, offset in sorted(self._counted.items())}

    def snapshot(self) -> dict[str, int]:
        """Return the counts for the state record, because their marks will not be read again."""
        counts = {f"inputs:{name}": n for name, n in self._read.items()}
        for place, lines in self._lines.items():
            counts |= {f"input_read:{place}": lines[0]["expected"], f"input_ended:{place}": lines[0]["counted"]}
        return counts | {f"input_floor:{place}": floor for place, floor in self._floors.items() if floor is not None}

    def restore_counted(self, counted: Mapping[str, int]) -> None:
        self._counted |= {place_of(text): offset for text, offset in counted.items()}

    def restore(self, counts: Mapping[str, int]) -> None:
        self._read = Counter(of_kind(counts, "inputs"))
        self._floors = {place_of(text): floor_ms for text, floor_ms in of_kind(counts, "input_floor").items()}
        ended = of_kind(counts, "input_ended")
        for text, n in of_kind(counts, "input_read").items():
            self._lines[place_of(text)] = conservation.inputs_lines(text, n, ended[text], self._read[text])
