"""The transaction coordinator: fencing epochs, commits in two phases, and aborts of old transactions.

A commit is decided and answered at once. Its markers land after `delay_ms`, in each partition separately.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from shadowstream.records import Partition
from shadowstream.testing.memory.groups import CommittedOffset, GroupRegistry
from shadowstream.testing.memory.log import Entry, Log


@dataclass(slots=True)
class Marker:
    """A marker on its way to a partition or, with a group, to the offsets pending there."""

    due_ms: int
    where: Partition | str
    producer: int
    commit: bool


@dataclass(slots=True)
class Transactional:
    """State of a transactional id."""

    producer: int
    epoch: int
    timeout_ms: int
    began_ms: int | None = None
    places: dict[Partition, None] = field(default_factory=dict)
    groups: dict[str, None] = field(default_factory=dict)


class Coordinator:
    """All transactional ids. Calls with an old epoch return False and change nothing."""

    def __init__(self, logs: dict[Partition, Log], groups: GroupRegistry, now_ms: Callable[[], int]) -> None:
        self._logs, self._groups, self._now_ms = logs, groups, now_ms
        self.ids: dict[str, Transactional] = {}
        self.markers: list[Marker] = []
        self.delay_ms: Callable[[Partition | str], int] = lambda where: 0

    def begin_epoch(self, name: str, timeout_ms: int) -> tuple[int, int]:
        """Fence predecessors and abort their open transactions; return producer id and epoch (`init_transactions`)."""
        known = self.ids.get(name)
        if known is None:
            known = self.ids[name] = Transactional(len(self.ids) + 1, -1, timeout_ms)
        elif known.began_ms is not None:
            self._decide(known, commit=False)
        known.epoch += 1
        known.timeout_ms = timeout_ms
        return known.producer, known.epoch

    def is_settled(self, name: str) -> bool:
        """Return whether all markers of this id have landed; before that it cannot write."""
        return all(marker.producer != self.ids[name].producer for marker in self.markers)

    def add(self, name: str, epoch: int, place: Partition, entry: Entry) -> bool:
        known = self._current(name, epoch)
        if known is None:
            return False
        known.places[place] = None
        self._logs[place].append(entry._replace(producer=known.producer))
        return True

    def add_offsets(self, name: str, epoch: int, group: str, offsets: dict[Partition, CommittedOffset]) -> bool:
        """Let offsets be pending in the group until the transaction is decided."""
        known = self._current(name, epoch)
        if known is None:
            return False
        known.groups[group] = None
        self._groups.of(group).pending.setdefault(known.producer, {}).update(offsets)
        return True

    def end(self, name: str, epoch: int, *, commit: bool) -> bool:
        known = self.ids[name]
        if known.epoch != epoch:
            return False
        if known.began_ms is not None:
            self._decide(known, commit=commit)
        return True

    def _current(self, name: str, epoch: int) -> Transactional | None:
        known = self.ids[name]
        if known.epoch != epoch:
            return None
        if known.began_ms is None:
            known.began_ms = self._now_ms()
        return known

    def _decide(self, known: Transactional, *, commit: bool) -> None:
        wheres: list[Partition | str] = [*known.places, *known.groups]
        for where in wheres:
            self.markers.append(Marker(self._now_ms() + self.delay_ms(where), where, known.producer, commit))
        known.began_ms = None
        known.places.clear()
        known.groups.clear()
        self._land()

    def tick(self) -> None:
        """Let time pass: abort transactions that are open too long, and land markers."""
        for known in self.ids.values():
            if known.began_ms is not None and self._now_ms() - known.began_ms > known.timeout_ms:
                self._decide(known, commit=False)
                known.epoch += 1
        if self.markers:
            self._land()

    def _land(self) -> None:
        now_ms = self._now_ms()
        due = [marker for marker in self.markers if marker.due_ms <= now_ms]
        self.markers = [marker for marker in self.markers if marker.due_ms > now_ms]
        for marker in due:
            if isinstance(marker.where, Partition):
                self._logs[marker.where].decide(marker.producer, commit=marker.commit, time_ms=now_ms)
            else:
                self._groups.of(marker.where).decide(marker.producer, commit=marker.commit)
