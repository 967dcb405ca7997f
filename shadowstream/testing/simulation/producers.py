"""Everybody who writes outputs without our runner: production, its twin, and a candidate that is a job of its own."""

from collections.abc import Mapping
from dataclasses import dataclass

from shadowstream.records import Partition, Side
from shadowstream.runner.partitioner import partition_for
from shadowstream.testing.simulation.candidate import content, stamped
from shadowstream.testing.simulation.history import CORRELATION, FAILS, FAILURE, INPUT, ORIGIN, Answer, Input, Setup
from shadowstream.testing.simulation.logs import Label, Logs, Record


@dataclass(slots=True)
class Later:
    """An output that comes, or comes a second time, after so many further ones in its partition."""

    after: int
    place: Partition
    record: Record
    label: Label
    stamped: bool = False


class Producer:
    """Handles inputs in order and writes their outputs to `topics`; commits what it has done."""

    def __init__(self, setup: Setup, side: Side, topics: tuple[str, ...], logs: Logs) -> None:
        self.setup, self.side, self.topics, self.logs = setup, side, topics, logs
        self.position = {Partition(INPUT, p): 0 for p in range(setup.inputs)}
        self.committed = dict(self.position)
        self.replayed: set[Label] = set()
        self._last: dict[Label, tuple[Partition, int, int]] = {}
        self._later: list[Later] = []
        self._touched: set[Partition] = set()

    @property
    def places(self) -> list[Partition]:
        return [Partition(topic, p) for topic in self.topics for p in range(self.setup.outputs)]

    def handle(self, place: Partition, at: Mapping[tuple[Partition, int], Input], to: int) -> None:
        for offset in range(self.position[place], to):
            one = at.get((place, offset))
            if one is not None:
                for answer in one.answers[self.side]:
                    self._write(one, answer, place, offset)
        self.position[place] = max(self.position[place], to)

    def commit(self) -> None:
        """Commit what has been handled. Its transaction leaves a marker wherever it has written."""
        self.committed = dict(self.position)
        for place in sorted(self._touched):
            self.logs.marker(place)
        self._touched.clear()

    def crash(self, at: Mapping[tuple[Partition, int], Input]) -> None:
        """Die before the commit and handle the same inputs again, if all repeats fall within the dedupe span."""
        back = self._outputs(at, self.committed)
        last = [self._last[label] for label in back]
        if any(self.logs.end(place) + len(back) - offset >= self.setup.span for place, offset, _ in last):
            return
        self.answer_again(at, self.committed)

    def replay(self, at: Mapping[tuple[Partition, int], Input], place: Partition, n: int) -> dict[Partition, int]:
        """Somebody sets the group back by n; returns the committed offsets that anybody can see meanwhile."""
        back = {**self.committed, place: max(0, self.committed[place] - n)}
        self.replayed.update(self._outputs(at, {place: back[place]}))
        return back

    def answer_again(self, at: Mapping[tuple[Partition, int], Input], back: dict[Partition, int]) -> None:
        to, self.position = self.position, {place: min(to, back[place]) for place, to in self.position.items()}
        for place, offset in to.items():
            self.handle(place, at, offset)

    def _outputs(self, at: Mapping[tuple[Partition, int], Input], back: dict[Partition, int]) -> list[Label]:
        labels = []
        for (place, offset), one in at.items():
            if place in back and back[place] <= offset < self.position[place]:
                labels += [Label(one.number, self.side, answer.k) for answer in one.answers[self.side]]
        return labels

    def _write(self, one: Input, answer: Answer, place: Partition, offset: int) -> None:
        setup, blind = self.setup, self.side in one.blind
        key = None if blind and setup.kind in ("key", "occurrence") else one.key.encode()
        headers: list[tuple[str, bytes]] = []
        if setup.identity == "coordinate" and not blind:
            headers = [(ORIGIN, f"{place}/{offset}/{answer.k}".encode())]
        elif setup.identity == "id by header" and not blind:
            headers = [(CORRELATION, one.id)]
        if answer.kind == "failed" and setup.fails_by == "header":
            headers.append((FAILURE, FAILS.encode()))
        record = Record(key, content(answer, one, blind), one.time_of(self.side), headers)
        partition = partition_for(setup.partitioner, key, place.partition, setup.outputs)
        to, label = Partition(self.topics[one.topic], partition), Label(one.number, self.side, answer.k)
        if one.delays[self.side] and label not in self._last:
            self._later.append(Later(one.delays[self.side], to, record, label))
            return
        self._append(to, record, label)
        self._count_down(to)
        if one.copies[self.side] >= 0 and label not in self.replayed and self._last[label][2] == 0:
            is_stamped = self.side in one.stamped
            again = record._replace(value=stamped(record.value)) if is_stamped else record
            self._later.append(Later(one.copies[self.side], to, again, label, is_stamped))

    def _count_down(self, place: Partition) -> None:
        for later in [later for later in self._later if later.place == place]:
            later.after -= 1
            if later.after < 0:
                self._later.remove(later)
                before = self._last.get(later.label)
                if before is None or self.logs.end(place) - before[1] < self.setup.span:
                    self._append(place, later.record, later.label, stamped=later.stamped)

    def flush(self) -> None:
        for later in [later for later in self._later if later.label not in self._last]:
            self._later.remove(later)
            self._append(later.place, later.record, later.label)

    def _append(self, place: Partition, record: Record, label: Label, *, stamped: bool = False) -> None:
        """A stamped copy is another value: what comes after it repeats the one before."""
        copy = self._last[label][2] + 1 if label in self._last else 0
        offset = self.logs.append(place, record, label._replace(copy=copy))
        first = self._last[label][1] if stamped else offset
        self._last[label] = place, first, copy
        self._touched.add(place)
