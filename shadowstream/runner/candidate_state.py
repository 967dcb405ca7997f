"""State of a candidate: one object for each input partition, its snapshots and its warm-up.

State belongs to a partition, because partitions move between runners. The snapshot is written in the transaction of
its outputs and offsets, so a partition moves together with its committed state. A candidate whose answers depend only
on its inputs therefore gives the same answers after any crash.

docs/stateful.md has the interface of such a candidate, and the table of how a partition begins by its commit.
Outputs in warm-up carry a flag in their header, and their pairs get the outcome warm_up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from shadowstream.codecs import own
from shadowstream.compare.redact import Redactor
from shadowstream.config import Config
from shadowstream.errors import CandidateDown, CandidateError
from shadowstream.records import Partition, Write
from shadowstream.runner.commit_metadata import StateNote
from shadowstream.runner.outputs import CandidateObject

_ENDLESS, _RECORDS, _UNTIL, _DURATION = 0, 1, 2, 3


class SnapshotResult(NamedTuple):
    """Result of a snapshot: written, unchanged, too_large, failed, restored, refused or restore_failed.

    A snapshot of another revision is refused. `reason` explains a failure.
    """

    result: str
    place: Partition
    reason: str = ""


class WarmUp:
    """Remaining warm-up: none, a number of records, event time up to a bound, or everything.

    >>> warm = WarmUp(3, None)
    >>> warm.take([10, 11]), WarmUp.of(warm.record()).take([12, 13]), WarmUp(None, 5).take([10, 14, 15, 11])
    (2, 1, 2)
    """

    def __init__(self, records: int | None, ms: int | None) -> None:
        self._kind, self._n = (_RECORDS, records or 0) if ms is None else (_DURATION, ms)

    @classmethod
    def endless(cls) -> WarmUp:
        return cls.of([_ENDLESS, 0])

    @classmethod
    def of(cls, record: Sequence[int]) -> WarmUp:
        made = cls(None, None)
        made._kind, made._n = record
        return made

    def record(self) -> list[int]:
        return [self._kind, self._n]

    def take(self, times_ms: Sequence[int]) -> int:
        """Take the next records, given by event time; return how many of them, from the first on, are in warm-up."""
        if self._kind == _ENDLESS:
            return len(times_ms)
        if self._kind == _DURATION and times_ms:
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
class PartitionObject:
    """Object of one input partition, its remaining warm-up, and the last snapshot that a commit names."""

    made: CandidateObject
    warm_up: WarmUp
    snapshot_at: int | None = None
    digest: bytes = b""


class Stateful:
    """Objects of the candidate. `make` creates one; `partitions` is the partition count of runner-state."""

    def __init__(self, config: Config, revision: str, make: Callable[[], CandidateObject], partitions: int) -> None:
        self._config, self._revision, self._make, self.partitions = config, revision, make, partitions
        self._redactor = Redactor.of(config)
        self._snapshots = config.candidate.state == "snapshot"
        self._held: dict[Partition, PartitionObject] = {}
        self.snapshot_results: list[SnapshotResult] = []  # results of snapshots; the reader empties the list

    def wanted(self, place: Partition, note: StateNote | None) -> int | None:
        """Return the offset of the snapshot to read for a partition with this commit; None if no snapshot applies."""
        if not self._snapshots or note is None or note.revision != self._revision:
            return None
        return note.snapshot_at

    def assign(self, place: Partition, note: StateNote | None, snapshot: bytes | None) -> None:
        """Start a partition with the content of its commit, and the snapshot that `wanted` asked for."""
        candidate = self._config.candidate
        initial = WarmUp(candidate.warm_up_records, candidate.warm_up_ms)
        held = self._held[place] = PartitionObject(self._make(), initial)
        if not self._snapshots or note is None:
            return
        if note.revision != self._revision:
            if note.snapshot_at is not None:
                self._report("refused", place, f"it was taken by revision {note.revision[:16]}")
            return
        held.warm_up = WarmUp.of(note.warm_up)
        if note.snapshot_at is not None and snapshot is not None:
            try:
                held.made.object.restore(snapshot)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - user code may raise anything, as in its call
                self._report("restore_failed", place, self._words("restore", error))
                held.made = self._make()  # a partly restored object is unusable
            else:
                held.snapshot_at, held.digest = note.snapshot_at, _digest(snapshot)
                self._report("restored", place)
                return
        has_length = candidate.warm_up_records or candidate.warm_up_ms
        held.warm_up = initial if has_length else WarmUp.endless()

    def drop(self) -> None:
        """Forget every partition: only committed state is restored."""
        self._held.clear()

    def call(self, place: Partition, values: Sequence[Any]) -> list[Any]:
        return self._held[place].made.call(values)

    def warm(self, place: Partition, times_ms: Sequence[int]) -> int:
        """Return how many of a partition's next inputs, from the first on, are in warm-up."""
        return self._held[place].warm_up.take(times_ms)

    def prepare(self, place: Partition, position: int) -> tuple[StateNote | None, list[Write]]:
        """Return the state note of a partition's commit at `position`, and the snapshot if it has changed."""
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
            topic, value = self._config.plan.of("runner-state"), own.encode("runner_state", record)
            writes.append(Write(topic, partition, key, value))
        else:
            self._report("unchanged", place)
        return StateNote(held.snapshot_at, held.warm_up.record()), writes

    def _taken(self, place: Partition, held: PartitionObject) -> bytes | None:
        """Take the partition's snapshot; report a failure and return None."""
        bytes_max = self._config.limits.snapshot_bytes_max
        try:
            snapshot = held.made.object.snapshot()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - user code may raise anything, as in its call
            self._report("failed", place, self._words("snapshot", error))
            return None
        if not isinstance(snapshot, bytes):
            self._report("failed", place, f"snapshot() returned {type(snapshot).__name__}, not bytes")
        elif len(snapshot) > bytes_max:
            reason = f"snapshot() returned {len(snapshot)} bytes; limits.snapshot_bytes_max: {bytes_max}"
            self._report("too_large", place, reason)
        else:
            return snapshot
        return None

    def _words(self, name: str, error: BaseException) -> str:
        """Describe an exception of a method, which may quote a value, as it may be shown.

        An error from the candidate's own process describes it already.
        """
        raised, described = f"{name}() raised ", isinstance(error, CandidateError | CandidateDown)
        text = str(error) if described else f"{raised}{type(error).__name__}: {error}"
        quoted = text.removeprefix(raised)
        return text if quoted == text else f"{raised}{self._redactor.reason(quoted)}"

    def _report(self, result: str, place: Partition, reason: str = "") -> None:
        self.snapshot_results.append(SnapshotResult(result, place, reason[:500]))


def _digest(snapshot: bytes) -> bytes:
    return hashlib.blake2b(snapshot, digest_size=16).digest()
