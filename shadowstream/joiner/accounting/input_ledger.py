"""The first ledger of a task: inputs of the partitions that it counts, by the runner's range marks.

Each input partition is counted by one task. A mark that was counted before a restart is not counted again; the newest
such mark still gives the ledger its line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from shadowstream.joiner.accounting import conservation
from shadowstream.joiner.accounting.outcome_counts import OutcomeCounts
from shadowstream.joiner.completeness.marks_log import MarksLog, place_of
from shadowstream.protocol.marks import Counters
from shadowstream.records import Partition


class InputLedger:
    """Inputs counted so far, by place, and the event time that each of the places has reached."""

    def __init__(self, inputs: Collection[Partition], marks: MarksLog, counts: OutcomeCounts) -> None:
        self._inputs, self._marks, self._counts = inputs, marks, counts
        self._counted: dict[Partition, int] = {}
        self._floors: dict[Partition, int | None] = {}
        self._read: Counter[str] = Counter()
        self._lines: dict[Partition, list[dict[str, Any]]] = {}

    def count_range(self, record: Mapping[str, Any]) -> None:
        """Count the inputs of a range mark once."""
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
        """Whether all inputs of a bounded trial have been counted."""
        bounds = self._marks.start.bounds if self._marks.start else {}
        return all(self._counted_to(place) >= bounds.get(place, 0) for place in self._inputs)

    def _counted_to(self, place: Partition) -> int:
        """Inputs of `place` below this offset have been counted, or lie before the trial's beginning."""
        start = self._marks.start
        begin = start.committed.get(place, 0) if start else 0
        return max(begin, self._counted.get(place, 0))

    def floors_ms(self, ends: Mapping[Partition, int]) -> list[int] | None:
        """Event times that the places have reached which are not counted to their `ends`; None where one is unknown.

        Inputs are counted from marks, on a path of their own: a window must not close before its inputs are in.
        """
        floors: list[int] = []
        for place in self._inputs:
            end = ends.get(place)
            if end is None or self._counted_to(place) < end:
                floor = self._floors.get(place)
                if floor is None:
                    return None
                floors.append(floor)
        return floors

    def lines(self) -> list[dict[str, Any]]:
        """Ledger lines as in schemas/stats.avsc."""
        return [line for place in sorted(self._lines) for line in self._lines[place]]

    def counted(self) -> dict[str, int]:
        """Offsets below which inputs have been counted, for the state record."""
        return {str(place): offset for place, offset in sorted(self._counted.items())}

    def snapshot(self) -> dict[str, int]:
        """Counts for the state record: marks that will not be read again have said these."""
        counts = {f"inputs:{name}": n for name, n in self._read.items()}
        for place, lines in self._lines.items():
            counts |= {f"input_read:{place}": lines[0]["expected"], f"input_ended:{place}": lines[0]["counted"]}
        return counts | {f"input_floor:{place}": floor for place, floor in self._floors.items() if floor is not None}

    def restore_counted(self, counted: Mapping[str, int]) -> None:
        """Take the offsets of the state record."""
        self._counted |= {place_of(text): offset for text, offset in counted.items()}

    def restore(self, counts: Mapping[str, int]) -> None:
        """Take the counts of the state record."""
        for name, value in counts.items():
            if name.startswith("inputs:"):
                self._read[name.removeprefix("inputs:")] = value
        for name, value in counts.items():
            kind, _, text = name.partition(":")
            if kind == "input_floor":
                self._floors[place_of(text)] = value
            elif kind == "input_read":
                ended = counts[f"input_ended:{text}"]
                self._lines[place_of(text)] = conservation.inputs_lines(text, value, ended, self._read[text])
