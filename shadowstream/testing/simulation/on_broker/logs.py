"""The simulator's logs as topics of the broker in memory, and what of them counts without transactions."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from shadowstream.protocol.headers import COMMIT_HEADER, header
from shadowstream.records import Partition
from shadowstream.testing.memory.broker import MemoryBroker
from shadowstream.testing.memory.log import Entry
from shadowstream.testing.simulation.logs import Label, Logs, Record

NOBODY = -1
"""A producer without anything open: its marker decides nothing."""


class BrokerLogs(Logs):
    """Logs by place; see `Logs` for each method."""

    def __init__(self, broker: MemoryBroker, places: Iterable[Partition]) -> None:
        self.broker = broker
        self.unmarked = ""
        self.moved: Callable[[Partition, Label | None], Partition] = lambda place, label: place
        """Where an output goes that was to go to a place."""
        super().__init__(places)
        for topic, partitions in Counter(place.topic for place in self.records).items():
            broker.create(topic, partitions)

    def append(self, place: Partition, record: Record, label: Label | None = None) -> int:
        place = self.moved(place, label)
        offset = self.broker.logs[place].append(Entry(record.key, record.value, record.time_ms, record.headers))
        if label is not None:
            self.labels[place, offset] = label
            self.values[place, offset] = record.value
            self.offsets[label] = place, offset
        return offset

    def marker(self, place: Partition) -> None:
        """A control record; none in the topic `unmarked`."""
        if place.topic == self.unmarked:
            return
        self.broker.logs[place].decide(NOBODY, commit=True, time_ms=self.broker.clock.now_ms)

    def end(self, place: Partition) -> int:
        return self.broker.logs[place].end

    def stable(self, place: Partition) -> int:
        return self.broker.logs[place].stable

    def low(self, place: Partition) -> int:
        return self.broker.logs[place].low

    def take(self) -> None:
        """At the end: all that a read_committed reader finds, whoever has written it, as records."""
        for place in self.records:
            log = self.broker.logs[place]
            seen = {offset for offset, _ in log.read(0, log.end, log.end)[0]}
            self.records[place] = [
                Record(entry.key, entry.value, entry.time_ms, entry.headers) if offset in seen else None
                for offset, entry in enumerate(log.entries)
            ]


def first_of_each(stats: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of several stats records of one task and number the first."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for record in stats:
        found.setdefault((record["task"], record["seq"]), record)
    return list(found.values())


def decided_rows(
    rows: Sequence[Entry], stats: Iterable[dict[str, Any]], offences: list[str]
) -> tuple[list[Entry], list[str]]:
    """Rows of commits that were decided, each once; and an offence more for each key whose last word is another one."""
    decided = {(record["task"], record["seq"]): record["incarnation"] for record in stats}
    kept: dict[tuple[bytes | None, bytes | None], Entry] = {}
    words: dict[bytes | None, bytes | None] = {}
    last: dict[bytes | None, bytes | None] = {}
    for row in rows:
        last[row.key] = row.value
        commit_id = header(row.headers, COMMIT_HEADER)
        if commit_id is None:
            continue
        sequence, incarnation, task = commit_id.decode().split(" ", 2)
        if decided.get((task, int(sequence))) == incarnation and (row.key, row.value) not in kept:
            kept[row.key, row.value] = row
            words[row.key] = row.value
    wrong = [key for key, value in last.items() if words.get(key) != value]
    return list(kept.values()), [*offences, *(f"{key!r}: its last word was never decided" for key in wrong)]
