"""A candidate that holds something from one input to the next: one object for each input partition.

State is that of a partition, for partitions move from one runner to another, and each with what was committed of it:
the snapshot goes into the transaction of the outputs and offsets that it belongs to. So a candidate whose answer rests
on nothing but its inputs says after any crash what it would have said without.

=================================  =======================================  =========================
a partition is assigned with       state: snapshot                          state: warm_up
=================================  =======================================  =========================
no commit, or another revision's   begins anew, in warm-up where a length   begins anew, in warm-up
                                   is given
a commit that names a snapshot     is restored, and a warm-up goes on       begins anew, in warm-up
                                   where it stood
a commit without one (too large,   begins anew, in warm-up: for the length  begins anew, in warm-up
failed), or restore() failed       given, else for good
=================================  =======================================  =========================

What is said in warm-up bears that in its header, and its pairs end in the outcome of that name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.records import Place, Write
from shadowstream.runner.commit_metadata import Kept
from shadowstream.runner.outputs import Call

_FOR_GOOD, _RECORDS, _UNTIL, _LASTS = 0, 1, 2, 3


class KeepsState(Protocol):
    """What `candidate.call` makes under `state: snapshot`; under `state: warm_up` the call alone."""

    def __call__(self, value: Any, /) -> Any:
        """As of a candidate without state: None, a value, an `Output` or a list of these."""
        ...

    def snapshot(self) -> bytes:
        """Everything that the object holds, at most `limits.snapshot_bytes_max` bytes. Asked before each commit."""
        ...

    def restore(self, snapshot: bytes, /) -> None:
        """Go on from there; asked once, of an object that has just been made."""
        ...


class Made(NamedTuple):
    """An object of the candidate, and how it is called."""

    object: Any
    call: Call


class Snapshotted(NamedTuple):
    """What became of a snapshot: written, unchanged, too_large, failed; restored, refused (of another revision) or
    restore_failed. `reason` says why not."""

    result: str
    place: Place
    reason: str = ""


class WarmUp:
    """How much of what comes next is warm-up: nothing, so many records, event time up to a bound, or all of it.

    >>> warm = WarmUp(3, None)
    >>> warm.take([10, 11]), WarmUp.of(warm.record()).take([12, 13]), WarmUp(None, 5).take([10, 14, 15, 11])
    (2, 1, 2)
    """

    def __init__(self, records: int | None, ms: int | None) -> None:
        self._kind, self._n = (_RECORDS, records or 0) if ms is None else (_LASTS, ms)

    @classmethod
    def for_good(cls) -> WarmUp:
        """One that does not end."""
        return cls.of([_FOR_GOOD, 0])

    @classmethod
    def of(cls, record: Sequence[int]) -> WarmUp:
        """From `record`."""
        made = cls(None, None)
        made._kind, made._n = record
        return made

    def record(self) -> list[int]:
        """As commit metadata keeps it."""
        return [self._kind, self._n]

    def take(self, times_ms: Sequence[int]) -> int:
        """Records come with these event times, in order: the first so many of them are warm-up."""
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
    """One input partition's object, the warm-up that is left, and the last snapshot that a commit names."""

    made: Made
    warm_up: WarmUp
    snapshot_at: int | None = None
    digest: bytes = b""


class Stateful:
    """The candidate's objects. `make` gives a new one; `partitions` counts those of the topic of snapshots."""

    def __init__(self, config: Config, revision: str, make: Callable[[], Made], partitions: int) -> None:
        self._config, self._revision, self._make, self.partitions = config, revision, make, partitions
        self._snapshots = config.candidate.state == "snapshot"
        self._topic = config.plan.of("runner-state")
        self._held: dict[Place, Held] = {}
        self.news: list[Snapshotted] = []
        """What became of snapshots since the last time somebody took this away."""

    def wanted(self, place: Place, kept: Kept | None) -> int | None:
        """Offset of the snapshot to be read for a partition with this commit; None where there is none for us."""
        if not self._snapshots or kept is None or kept.revision != self._revision:
            return None
        return kept.snapshot_at

    def assign(self, place: Place, kept: Kept | None, snapshot: bytes | None) -> None:
        """Take a partition with what its commit says, and the snapshot that was wanted."""
        candidate = self._config.candidate
        lasts = WarmUp(candidate.warm_up_records, candidate.warm_up_ms)
        held = self._held[place] = Held(self._make(), lasts)
        if not self._snapshots or kept is None:
            return
        if kept.revision != self._revision:
            if kept.snapshot_at is not None:
                self._say("refused", place, f"it was taken by revision {kept.revision[:16]}")
            return
        held.warm_up = WarmUp.of(kept.warm_up)
        if kept.snapshot_at is not None and snapshot is not None:
            try:
                held.made.object.restore(snapshot)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - user code, fenced as its call is
                self._say("restore_failed", place, f"restore() raised {type(error).__name__}: {error}")
                held.made = self._make()  # half restored, it is worth nothing
            else:
                held.snapshot_at, held.digest = kept.snapshot_at, _digest(snapshot)
                self._say("restored", place)
                return
        has_length = candidate.warm_up_records or candidate.warm_up_ms
        held.warm_up = lasts if has_length else WarmUp.for_good()

    def drop(self) -> None:
        """Forget every partition: state comes back from what is committed only."""
        self._held.clear()

    def call(self, place: Place, values: Sequence[Any]) -> list[Any]:
        """The candidate's answers to inputs of a partition, in order."""
        return self._held[place].made.call(values)

    def warm(self, place: Place, times_ms: Sequence[int]) -> int:
        """So many of these next inputs of a partition, the first of them, are warm-up."""
        return self._held[place].warm_up.take(times_ms)

    def prepare(self, place: Place, position: int) -> tuple[Kept | None, list[Write]]:
        """What the commit of a partition up to `position` says of its state, and the snapshot where it has changed."""
        if not self._snapshots:
            return None, []
        held = self._held[place]
        snapshot, writes = self._taken(place, held), []
        if snapshot is None:
            held.snapshot_at, held.digest = None, b""
        elif (digest := _digest(snapshot)) != held.digest:
            held.snapshot_at, held.digest = position, digest
            self._say("written", place)
            record = {"input": str(place), "offset": position, "revision": self._revision, "snapshot": snapshot}
            key, partition = str(place).encode(), place.partition % self.partitions
            writes.append(Write(self._topic, partition, key, own.encode("runner_state", record)))
        else:
            self._say("unchanged", place)
        return Kept(held.snapshot_at, held.warm_up.record()), writes

    def _taken(self, place: Place, held: Held) -> bytes | None:
        """The partition's snapshot, or None where none can be had: that is said, and the work goes on."""
        most = self._config.limits.snapshot_bytes_max
        try:
            snapshot = held.made.object.snapshot()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - user code, fenced as its call is
            self._say("failed", place, f"snapshot() raised {type(error).__name__}: {error}")
            return None
        if not isinstance(snapshot, bytes):
            self._say("failed", place, f"snapshot() returned {type(snapshot).__name__}, not bytes")
            return None
        if len(snapshot) > most:
            self._say(
                "too_large", place, f"snapshot() returned {len(snapshot)} bytes; limits.snapshot_bytes_max: {most}"
            )
            return None
        return snapshot

    def _say(self, result: str, place: Place, reason: str = "") -> None:
        self.news.append(Snapshotted(result, place, reason[:500]))


def _digest(snapshot: bytes) -> bytes:
    return hashlib.blake2b(snapshot, digest_size=16).digest()
