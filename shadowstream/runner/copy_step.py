"""Copying of a topic's records to a topic of the trial by identity. Pure: batches in; copies and offsets out.

A copy has all parts of its original, and a header with the original's coordinate. So pair ids are production's own
coordinates, independent of the topic from which a record is read. Offsets are committed with the copies in one
transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from shadowstream.config import HOUR_MS
from shadowstream.errors import ConfigError, ShadowstreamBug
from shadowstream.future_dates import Ahead
from shadowstream.protocol.headers import ORIGIN_HEADER, pack_origin
from shadowstream.records import Batch, Commit, Partition, Side, Write
from shadowstream.runner.partitioner import IdentityPartitioner

METADATA = "copy2"
"""Version of a copied partition's commit metadata. Records below its offset have been copied. Their greatest event time
(ms; -1 for none) follows after a colon, for `joiner.completeness.copied_time`."""


def copied_to_ms(metadata: str) -> int | None:
    """Return the greatest event time (ms) of the copied records of a commit; None if there are none.

    Raises `ConfigError` for metadata of a foreign commit.

    >>> copied_to_ms("copy2:1370000000000"), copied_to_ms("copy2:-1")
    (1370000000000, None)
    """
    version, _, text = metadata.partition(":")
    if version != METADATA or not text.removeprefix("-").isdigit():
        raise ConfigError(
            f"commit metadata {metadata[:20]!r} of a copied topic is of an unknown form: did another program commit "
            "to this group?"
        )
    return int(text) if int(text) >= 0 else None


class Route(NamedTuple):
    """Target of a topic's copies: a topic of the trial, its partition count, and the side of the records."""

    topic: str
    partitions: int
    side: Side


@dataclass(slots=True)
class CopiedPartition:
    """Progress of a copied partition: `committed` is -1 until a commit, `time_ms` the greatest copied event time."""

    position: int
    committed: int
    time_ms: int


@dataclass(slots=True)
class CopyStep:
    """State of all assigned partitions that are copied; `routes` by source topic."""

    partitioner: IdentityPartitioner
    routes: Mapping[str, Route]
    places: dict[Partition, CopiedPartition] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    ahead: Ahead = field(default_factory=lambda: Ahead(HOUR_MS))

    def assign(self, place: Partition, position: int, metadata: str | None) -> None:
        """Start a partition with the metadata of its commit, if any. Raises `ConfigError` for a foreign commit."""
        time_ms = None if metadata is None else copied_to_ms(metadata)
        # A partition without a commit gets one even if it is empty: later, a missing commit means that it was lost.
        committed = -1 if metadata is None else position
        self.places[place] = CopiedPartition(position, committed, -1 if time_ms is None else time_ms)

    def drop(self) -> None:
        """Forget everything: only committed state is restored."""
        self.places.clear()
        self.writes.clear()

    def copy(self, batch: Batch, now_ms: int) -> None:
        """Copy a batch into `writes`. Records with a time in the future do not move the event time."""
        state, place = self.places[batch.place], batch.place
        if batch.offsets[0] < state.position:
            raise ShadowstreamBug(f"{place}: offset {batch.offsets[0]} read again at {state.position}")
        route = self.routes[place.topic]
        partitions = self.partitioner.of_copies(route.side, batch, route.partitions)
        for i, partition in enumerate(partitions):
            offset = batch.offsets[i]
            # The origin header comes last: among several headers of one name, the last counts.
            headers = [*(batch.headers[i] or ()), (ORIGIN_HEADER, pack_origin(place.partition, offset))]
            copy = Write(route.topic, partition, batch.keys[i], batch.values[i], batch.times_ms[i], headers)
            self.writes.append(copy)
        state.position = batch.offsets[-1] + 1
        newest_ms = self.ahead.newest(batch.times_ms, now_ms)
        if newest_ms is not None:
            state.time_ms = max(state.time_ms, newest_ms)

    def end(self, place: Partition, offset: int) -> None:
        """Note that the partition was read to `offset`, control records included."""
        state = self.places[place]
        state.position = max(state.position, offset)

    def prepare(self) -> tuple[list[Write], list[Commit]]:
        advanced = [(place, state) for place, state in self.places.items() if state.position > state.committed]
        commits = [Commit(place, state.position, f"{METADATA}:{state.time_ms}") for place, state in advanced]
        return list(self.writes), commits

    def committed(self) -> None:
        """Note that the transaction of the last `prepare` has been committed."""
        for state in self.places.values():
            state.committed = state.position
        self.writes.clear()

    def reached(self, ends: Mapping[Partition, int]) -> bool:
        """Return whether the copies of all assigned partitions are committed up to these ends."""
        return all(state.committed >= ends[place] for place, state in self.places.items())
