"""Store of waiting pairs and labels: its interface, and an implementation in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal, NamedTuple, Protocol

Kind = Literal["scored", "label"]


class WaitingLabel(NamedTuple):
    """Pair that waits for its label, or label (its value in `shadow`) that waits for its pair."""

    id: bytes
    time_ms: int
    task: str = ""
    revision: str = ""
    production: str | None = None
    shadow: str | None = None
    parts: tuple[str, ...] = ()
    """Value of each of `compare.dimensions`."""


class Store(Protocol):
    """Store with one entry per kind and id."""

    def take(self, kind: Kind, id_: bytes) -> WaitingLabel | None:
        """Remove an entry and return it; None if there is none."""
        ...

    def put(self, kind: Kind, entry: WaitingLabel) -> None:
        """Store an entry, replacing another of the same kind and id."""
        ...

    def waiting(self) -> dict[str, int]:
        """Return the number of waiting pairs by task."""
        ...

    def before(self, kind: Kind, time_ms: int) -> Iterator[WaitingLabel]:
        """Yield the entries with an event time below `time_ms`, in order of time and id."""
        ...


class MemoryStore:
    """Store in memory, for tests and small trials.

    >>> store = MemoryStore()
    >>> store.put("scored", Waiting(b"a", 5))
    >>> [entry.id for entry in store.before("scored", 6)], store.take("scored", b"a") is None
    ([b'a'], False)
    """

    def __init__(self) -> None:
        self.entries: dict[tuple[Kind, bytes], WaitingLabel] = {}

    def take(self, kind: Kind, id_: bytes) -> WaitingLabel | None:
        """See `Store`."""
        return self.entries.pop((kind, id_), None)

    def put(self, kind: Kind, entry: WaitingLabel) -> None:
        """See `Store`."""
        self.entries[kind, entry.id] = entry

    def waiting(self) -> dict[str, int]:
        """See `Store`."""
        return dict(Counter(entry.task for (kind, _), entry in self.entries.items() if kind == "scored"))

    def before(self, kind: Kind, time_ms: int) -> Iterator[WaitingLabel]:
        """See `Store`."""
        expired = [entry for (of, _), entry in self.entries.items() if of == kind and entry.time_ms < time_ms]
        return iter(sorted(expired, key=lambda entry: (entry.time_ms, entry.id)))
