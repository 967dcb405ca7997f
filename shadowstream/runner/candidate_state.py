"""Candidate state: a candidate with state has one object for each input partition.

State belongs to a partition, because partitions move between runners. The snapshot is written in the transaction of
the outputs and offsets that it belongs to, so a partition moves together with its committed state. A candidate whose
answers depend only on its inputs therefore gives the same answers after any crash.

=================================  =======================================  =========================
a partition is assigned with       state: snapshot                          state: warm_up
=================================  =======================================  =========================
no commit, or another revision's   new object, in warm-up if a length       new object, in warm-up
                                   is configured
a commit that names a snapshot     restored object; its warm-up continues   new object, in warm-up
a commit without one (too large,   new object, in warm-up: of the           new object, in warm-up
failed), or restore() failed       configured length, else forever
=================================  =======================================  =========================

Outputs in warm-up carry that in their header, and their pairs get the outcome of that name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.records import Partition, Write
from shadowstream.runner.commit_metadata import StateNote
from shadowstream.runner.outputs import Call

_FOR_GOOD, _RECORDS, _UNTIL, _LASTS = 0, 1, 2, 3


class KeepsState(Protocol):
    """The interface of objects of `candidate.call` under `state: snapshot`. Under `state: warm_up`, only the call is
    needed."""

    def __call__(self, value: Any, /) -> Any:
        """The answer, as of a candidate without state: None, a value, an `Output` or a list of these."""
        ...

    def snapshot(self) -> bytes:
        """The complete state of the object, at most `limits.snapshot_bytes_max` bytes. Called before each commit."""
        ...

    def restore(self, snapshot: bytes, /) -> None:
        """Restore the state; called once, on a new object."""
        ...


class Made(NamedTuple):
    """An object of the candidate, and its call."""

    object: Any
    call: Call


class Snapshotted(NamedTuple):
    """The result of a snapshot: written, unchanged, too_large, failed; restored, refused (of another revision) or
    restore_failed. `reason` explains a failure."""

    result: str
    place: Partition
    reason: str = ""


class WarmUp:
    """The remaining warm-up: none, a number of records, event time up to a bound, or everything.

    >>> warm = WarmUp(3, None)
    >>> warm.take([10, 11]), WarmUp.of(warm.record()).take([12, 13]), WarmUp(None, 5).take([10, 14, 15, 11])
    (2, 1, 2)
    """

    def __init__(self, records: int | None, ms: int | None) -> None:
        self._kind, self._n = (_RECORDS, records or 0) if ms is None else (_LASTS, ms)

    @classmethod
    def for_good(cls) -> WarmUp:
        """A warm-up without end."""
        return cls.of([_FOR_GOOD, 0])

    @classmethod
    def of(cls, record: Sequence[int]) -> WarmUp:
        """Parse the form of `record`."""
        made = cls(None, None)
        made._kind, made._n = record
        return made

    def record(self) -> list[int]:
        """The form in commit metadata."""
        return [self._kind, self._n]

    def take(self, times_ms: Sequence[int]) -> int:
        """Take the next records, given by event time; return how many of them, from the first on, are in warm-up."""
        if self._kind == _FOR_GOOD:
            return len(times_ms)
        if self._kind == _LASTS and times_ms:
            self._kind, self._n = _UNTIL, times_ms[0] + self._n
        if self._kind != _UNTIL:
            taken = min(self._n, len(times_ms))
            self._n -= taken
            return taken
        taken = next((i for i, time_ms in enumerate(times_ms) if time_ms >= self._n), len(times_ms))
        if taken < len(times_ms):
            self._kind, self._n = _RECORDS, 0
        return taken


@dataclass(slots=True)
class Held:
    """One input partition's object, its remaining warm-up, and the last snapshot that a commit names."""

    made: Made
    warm_up: WarmUp
    snapshot_at: int | None = None
    digest: bytes = b""


class Stateful:
    """The candidate's objects. `make` creates one; `partitions` is the partition count of the snapshots' topic."""

    def __init__(self, config: Config, revision: str, make: Callable[[], Made], partitions: int) -> None:
        self._config, self._revision, self._make, self.partitions = config, revision, make, partitions
        self._snapshots = config.candidate.state == "snapshot"
        self._topic = config.plan.of("runner-state")
        self._held: dict[Partition, Held] = {}
        self.news: list[Snapshotted] = []
        """Results of snapshots; the reader empties the list."""

    def wanted(self, place: Partition, kept: StateNote | None) -> int | None:
        """The offset of the snapshot to read for a partition with this commit; None if no snapshot applies."""
        if not self._snapshots or kept is None or kept.revision != self._revision:
            return None
        return kept.snapshot_at

    def assign(self, place: Partition, kept: StateNote | None, snapshot: bytes | None) -> None:
        """Start a partition with the content of its commit, and the snapshot that `wanted` asked for."""
        candidate = self._config.candidate
        initial = WarmUp(candidate.warm_up_records, candidate.warm_up_ms)
        held = self._held[place] = Held(self._make(), initial)
        if not self._snapshots or kept is None:
            return
        if kept.revision != self._revision:
            if kept.snapshot_at is not None:
                self._report("refused", place, f"it was taken by revision {kept.revision[:16]}")
            return
        held.warm_up = WarmUp.of(kept.warm_up)
        if kept.snapshot_at is not None and snapshot is not None:
            try:
                held.made.object.restore(snapshot)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - user code may raise anything, as in its call
                self._report("restore_failed", place, f"restore() raised {type(error).__name__}: {error}")
                held.made = self._make()  # a partly restored object is unusable
            else:
                held.snapshot_at, held.digest = kept.snapshot_at, _digest(snapshot)
                self._report("restored", place)
                return
        has_length = candidate.warm_up_records or candidate.warm_up_ms
        held.warm_up = initial if has_length else WarmUp.for_good()

    def drop(self) -> None:
        """Forget every partition: only committed state is restored."""
        self._held.clear()

    def call(self, place: Partition, values: Sequence[Any]) -> list[Any]:
        """The candidate's answers to inputs of a partition, in order."""
        return self._held[place].made.call(values)

    def warm(self, place: Partition, times_ms: Sequence[int]) -> int:
        """How many of a partition's next inputs, from the first on, are in warm-up."""
        return self._held[place].warm_up.take(times_ms)

    def prepare(self, place: Partition, position: int) -> tuple[StateNote | None, list[Write]]:
        """The state part of a partition's commit up to `position`, and the snapshot if it has changed."""
        if not self._snapshots:
            return None, []
        held = self._held[place]
        snapshot, writes = self._taken(place, held), []
        if snapshot is None:
            held.snapshot_at, held.digest = None, b""
        elif (digest := _digest(snapshot)) != held.digest:
            held.snapshot_at, held.digest = position, digest
            self._report("written", place)
            record = {"input": str(place), "offset": position, "revision": self._revision, "snapshot": snapshot}
            key, partition = str(place).encode(), place.partition % self.partitions
            writes.append(Write(self._topic, partition, key, own.encode("runner_state", record)))
        else:
            self._report("unchanged", place)
        return StateNote(held.snapshot_at, held.warm_up.record()), writes

    def _taken(self, place: Partition, held: Held) -> bytes | None:
        """The partition's snapshot. If it cannot be taken, report that, return None and go on."""
        bytes_max = self._config.limits.snapshot_bytes_max
        try:
            snapshot = held.made.object.snapshot()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - user code may raise anything, as in its call
            self._report("failed", place, f"snapshot() raised {type(error).__name__}: {error}")
            return None
        if not isinstance(snapshot, bytes):
            self._report("failed", place, f"snapshot() returned {type(snapshot).__name__}, not bytes")
            return None
        if len(snapshot) > bytes_max:
            self._report(
                "too_large", place, f"snapshot() returned {len(snapshot)} bytes; limits.snapshot_bytes_max: {bytes_max}"
            )
            return None
        return snapshot

    def _report(self, result: str, place: Partition, reason: str = "") -> None:
        self.news.append(Snapshotted(result, place, reason[:500]))


def _digest(snapshot: bytes) -> bytes:
    return hashlib.blake2b(snapshot, digest_size=16).digest()
