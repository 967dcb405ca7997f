"""Store of waiting pairs and labels: its interface, and an implementation in memory."""

from collections import Counter
from collections.abc import Iterator
from typing import Literal, NamedTuple, Protocol

from shadowstream.protocol.key_buckets import NO_BUCKET

Kind = Literal["scored", "label", "labelled"]


class WaitingEntry(NamedTuple):
    """A pair that waits for its label, a label (its value in `shadow`) that waits for its pair, or a labelled pair that
    waits for the other labels of its window."""

    id: bytes
    time_ms: int
    task: str = ""
    revision: str = ""
    production: str | None = None
    shadow: str | None = None
    parts: tuple[str, ...] = ()  # the values of `compare.dimensions`
    bucket: int = NO_BUCKET  # of the key of production's record
    truth: str | None = None  # of a labelled pair


class Store(Protocol):
    """A store with one entry for each kind and id. The labels step calls it within its transactions."""

    def take(self, kind: Kind, id_: bytes) -> WaitingEntry | None:
        """Remove an entry and return it; None if there is none."""

    def put(self, kind: Kind, entry: WaitingEntry) -> None:
        """Store an entry, replacing another of the same kind and id."""

    def waiting(self) -> dict[str, int]:
        """Return the number of waiting pairs by task."""

    def before(self, kind: Kind, time_ms: int) -> Iterator[WaitingEntry]:
        """Yield the entries with an event time below `time_ms`, in order of time and id."""


class MemoryStore(Store):
    """A store in memory, for tests and small trials.

    >>> store = MemoryStore()
    >>> store.put("scored", WaitingEntry(b"a", 5))
    >>> [entry.id for entry in store.before("scored", 6)], store.take("scored", b"a") is None
    ([b'a'], False)
    """

    def __init__(self) -> None:
        self.entries: dict[tuple[Kind, bytes], WaitingEntry] = {}

    def take(self, kind: Kind, id_: bytes) -> WaitingEntry | None:
        return self.entries.pop((kind, id_), None)

    def put(self, kind: Kind, entry: WaitingEntry) -> None:
        self.entries[kind, entry.id] = entry

    def waiting(self) -> dict[str, int]:
        return dict(Counter(entry.task for (kind, _), entry in self.entries.items() if kind == "scored"))

    def before(self, kind: Kind, time_ms: int) -> Iterator[WaitingEntry]:
        expired = [entry for (of, _), entry in self.entries.items() if of == kind and entry.time_ms < time_ms]
        return iter(sorted(expired, key=lambda entry: (entry.time_ms, entry.id)))
