"""Log of a side's large pending set: a commit writes the offsets that have entered and left, not the whole set.

A base holds the whole set, in parts. Deltas follow it, one a commit at which the set changed. All are state records
under keys of their own, in the transaction of the commit: ``out/0 production base 3``, ``out/0 production 17``. Keys
are used again, so that compaction bounds the topic. The commit metadata names the base and the number of deltas
(`checkpoint.LogPlace`), so a record of any other base is ignored.

Only exactly once: without transactions, a record of a lost commit could take the place of one that is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shadowstream.errors import ConfigError
from shadowstream.joiner.matching.pending_buffer import ColumnBuffer, Journal
from shadowstream.joiner.offset_spans import Spans
from shadowstream.joiner.recovery import checkpoint
from shadowstream.joiner.recovery.checkpoint import LogPlace
from shadowstream.joiner.recovery.pending_records import PendingRecords
from shadowstream.records import Side

LOG_ABOVE = 50_000
"""Pending records of a side above which a log begins, if their offsets do not fit into the commit metadata."""
DELTAS_MAX = 64
CHANGES_MAX = 50_000
"""Offsets of one delta that enter, or leave; with more a new base begins. Also the spans of a base's part. Each takes
few bytes, so that a record stays far below the broker's limit of 1 MB."""
CHANGED_SHARE_MAX = 1.0
"""Changes since the base, in units of the set's size, with which a new base begins: it bounds a restart."""
BESIDE_MAX = 10_000
"""Pending offsets outside of the store, up to which the changes are computed."""
ENTERED, LEFT = "entered", "left"
_STORED = 0
"""Level of zlib that only stores: to compress offsets in random order is a third of a delta's cost, for a third fewer
bytes."""

Offsets = npt.NDArray[np.int64]
LogRecords = dict[str, dict[str, str]]
"""The texts of log records by key; no texts stand for a tombstone."""


class Change(NamedTuple):
    """Offsets that have entered and left the pending set since the last commit."""

    entered: Offsets
    left: Offsets


class Delta(NamedTuple):
    """A delta as it is to be written, its place, and the lowest pending offset."""

    place: LogPlace
    lowest: int
    records: LogRecords


class _Prepared(NamedTuple):
    place: LogPlace | None
    changes: int
    beside: Spans
    mark: tuple[int, int]


class PendingLog:
    """The log of one side of one task, as its commits have written it."""

    def __init__(self, task: str, side: Side, pending: PendingRecords) -> None:
        self._name, self._side, self._pending = f"{task} {side.word}", side, pending
        self._place: LogPlace | None = None
        self._changes = 0
        self._beside = Spans()
        self._follows = False
        self._prepared: _Prepared | None = None

    @property
    def place(self) -> LogPlace | None:
        return self._place

    def restore(self, place: LogPlace | None) -> None:
        """Continue after a restart. The next commit writes a base, as the changes until then are unknown."""
        self._place = place

    def delta(self) -> Delta | None:
        """Return one more delta; None if a base is due."""
        self._prepared = None  # an earlier preparation was not committed
        if not self._follows:
            return None
        place, buffer = self._place, self._pending.buffer(self._side)
        if place is None or buffer is None or buffer.journal is None:
            return None
        if place.deltas >= DELTAS_MAX or 2 * self._pending.count(self._side) < LOG_ABOVE:
            return None
        beside = self._pending.beside_store(self._side)
        if len(beside) > BESIDE_MAX:
            return None
        entered, left = changed = _change(buffer, buffer.journal, self._beside, beside)
        changes = self._changes + len(entered) + len(left)
        if max(map(len, changed)) > CHANGES_MAX or changes > CHANGED_SHARE_MAX * place.size:
            return None
        lows = [low for low in (buffer.lowest(), beside.lowest) if low is not None]
        if not lows:
            return None
        records: LogRecords = {}
        if len(entered) or len(left):
            texts = {name: checkpoint.pending_text(some, _STORED) for name, some in ((ENTERED, entered), (LEFT, left))}
            records[f"{self._name} {place.deltas}"] = texts
            place = place._replace(deltas=place.deltas + 1, size=place.size + len(entered) - len(left))
        self._prepared = _Prepared(place, changes, beside, buffer.journal.mark())
        return Delta(place, min(lows), records)

    def base(self, sequence: int, whole: Spans) -> tuple[LogPlace, LogRecords]:
        """Return the place of a new base, and its parts."""
        buffer, spans = self._pending.buffer(self._side), len(whole.begins)
        cuts = range(0, spans, CHANGES_MAX)
        parts = [Spans(whole.begins[at : at + CHANGES_MAX], whole.ends[at : at + CHANGES_MAX]) for at in cuts]
        place = LogPlace(sequence, len(parts), 0, len(whole))
        records = {self._part(n): {ENTERED: checkpoint.pending_text(part)} for n, part in enumerate(parts)}
        if self._place is not None:
            records |= {self._part(n): {} for n in range(len(parts), self._place.parts)}
        mark = (0, 0)
        if buffer is not None:
            if buffer.journal is None or not self._follows:
                buffer.journal = Journal()
            mark = buffer.journal.mark()
        self._prepared = _Prepared(place, 0, self._pending.beside_store(self._side), mark)
        return place, records

    def end(self) -> LogRecords:
        """Return tombstones of all records of the log, if there is one."""
        if self._place is None:
            return {}
        self._prepared = _Prepared(None, 0, Spans(), (0, 0))
        keys = [*map(self._part, range(self._place.parts)), *(f"{self._name} {n}" for n in range(DELTAS_MAX))]
        return {key: {} for key in keys}

    def committed(self) -> None:
        """Confirm that the records of the last preparation have been committed."""
        if self._prepared is None:
            return
        self._place, self._changes, self._beside, mark = self._prepared
        self._prepared = None
        self._follows = self._place is not None
        buffer = self._pending.buffer(self._side)
        if buffer is not None and buffer.journal is not None:
            if self._follows:
                buffer.journal.forget(mark)
            else:
                buffer.journal = None

    def _part(self, n: int) -> str:
        return f"{self._name} base {n}"


def _change(buffer: ColumnBuffer, journal: Journal, before: Spans, now: Spans) -> Change:
    """Return the change of the offsets in `buffer` or beside it, which were `before` and are `now`.

    An offset that has changed is in the journal or beside the buffer, so only such offsets are looked at.
    """
    entered, left = journal.entered(), journal.left()
    if not (len(before.begins) or len(now.begins)):
        left = np.sort(left)
        # Offsets enter a buffer in order, so those that have left from the first entered one on have entered too.
        cut = int(np.searchsorted(left, entered[0])) if len(entered) else len(left)
        return Change(np.delete(entered, np.searchsorted(entered, left[cut:])), left[:cut])
    was_beside, is_beside = _array(before), _array(now)
    seen = np.sort(np.concatenate([entered, left, was_beside, is_beside]))
    seen = seen[np.diff(seen, prepend=-1) > 0]  # in half the time of `np.unique`, which hashes
    has_entered, has_left, was_else, is_else = (_among(seen, some) for some in (entered, left, was_beside, is_beside))
    # An offset enters a buffer once, so the journal tells of its own offsets whether they are held.
    held = has_entered & ~has_left
    if len(only_beside := np.flatnonzero(~(has_entered | has_left))):
        held[only_beside] = buffer.holds(seen[only_beside])
    was_held = (held | has_left) & ~has_entered
    were, are = was_held | was_else, held | is_else
    return Change(seen[are & ~were], seen[were & ~are])


def _among(seen: Offsets, some: Offsets) -> npt.NDArray[np.bool_]:
    """Tell for each of `seen`, ascending, whether it is one of `some`; `seen` holds all of `some`."""
    found = np.zeros(len(seen), np.bool_)
    found[np.searchsorted(seen, some)] = True
    return found


def _array(spans: Spans) -> Offsets:
    return np.fromiter(spans, np.int64, len(spans))


def keys_of(task: str, side: Side, place: LogPlace) -> Iterator[str]:
    """Yield the keys of all records that hold the pending set at a place."""
    yield from (f"{task} {side.word} base {n}" for n in range(place.parts))
    yield from (f"{task} {side.word} {n}" for n in range(place.deltas))


def restored(task: str, side: Side, place: LogPlace, records: Mapping[str, Mapping[str, Any]]) -> set[int]:
    """Return the pending set at a place from the state records by key; raise `ConfigError` if they do not hold it."""
    pending: set[int] = set()
    for key in keys_of(task, side, place):
        record = records.get(key, {})
        texts = record["overflow"] if record.get("seq", -1) >= place.base else {}
        entered, left = (
            checkpoint.pending_of(texts[name]) if name in texts else frozenset() for name in (ENTERED, LEFT)
        )
        if not texts or not pending.isdisjoint(entered) or not pending.issuperset(left):
            raise ConfigError(f"task {task}: the record {key!r} of topic state is lost or was changed; {_ANEW}")
        pending |= entered
        pending -= left
    if len(pending) != place.size:
        raise ConfigError(f"task {task}: topic state holds {len(pending)} pending records, not {place.size}; {_ANEW}")
    return pending


_ANEW = "remove the topics and groups of this trial and start anew"
