"""Copying records of a topic to one of ours by identity, pure: batches in; copies and offsets out.

A copy has everything of its original, and a header that says where that lies: pair ids are production's own
coordinates wherever a record was read. Offsets are committed with the copies in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from shadowstream.ahead import Ahead
from shadowstream.config import HOUR_MS
from shadowstream.errors import ConfigError, ShadowstreamBug
from shadowstream.protocol.headers import ORIGIN_HEADER, pack_origin
from shadowstream.records import Batch, Commit, Place, Side, Write
from shadowstream.runner.identity_partitioner import Homes

METADATA = "copy2"
"""Version of what a commit of a copied place means: every record below its offset has been copied. After a colon
follows the greatest event time (ms) of these, -1 for none: readers of the copies need it,
see `joiner.completeness.copied_time`."""


def copied_to_ms(metadata: str) -> int | None:
    """Greatest event time of what a commit says has been copied, ms; None where there was no record.

    Raises `ConfigError` for a commit that we did not write.

    >>> copied_to_ms("copy2:1370000000000"), copied_to_ms("copy2:-1")
    (1370000000000, None)
    """
    version, _, text = metadata.partition(":")
    if version != METADATA or not text.removeprefix("-").isdigit():
        raise ConfigError(
            f"commit metadata {metadata[:20]!r} of a copied topic is of an unknown form: did something else commit to "
            "our group?"
        )
    return int(text) if int(text) >= 0 else None


class Route(NamedTuple):
    """Where copies of a topic go: to this topic of ours with so many partitions, as records of a side."""

    topic: str
    partitions: int
    side: Side


@dataclass(slots=True)
class Copied:
    """How far a place has been copied, and the greatest event time of that; `committed` is -1 until that has been
    committed once."""

    position: int
    committed: int
    time_ms: int


@dataclass(slots=True)
class CopyStep:
    """State of all assigned places that are copied; `routes` by the topic that is read."""

    homes: Homes
    routes: Mapping[str, Route]
    places: dict[Place, Copied] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    ahead: Ahead = field(default_factory=lambda: Ahead(HOUR_MS))

    def assign(self, place: Place, position: int, metadata: str | None) -> None:
        """Take a place from `position` on; `metadata` is that of its commit, None where there is none.

        Raises `ConfigError` for a commit that we did not write.
        """
        time_ms = None if metadata is None else copied_to_ms(metadata)
        # A place without a commit gets one even if nothing is there to copy: later, none means that it was lost.
        self.places[place] = Copied(position, -1 if metadata is None else position, -1 if time_ms is None else time_ms)

    def drop(self) -> None:
        """Forget everything: state comes back from what is committed only."""
        self.places.clear()
        self.writes.clear()

    def copy(self, batch: Batch, now_ms: int) -> None:
        """Copy a batch; the copies gather in `writes`. Records dated ahead say nothing of how far it is."""
        state, place = self.places[batch.place], batch.place
        if batch.offsets[0] < state.position:
            raise ShadowstreamBug(f"{place}: offset {batch.offsets[0]} read again at {state.position}")
        route = self.routes[place.topic]
        homes = self.homes.of_copies(route.side, batch, route.partitions)
        for i, home in enumerate(homes):
            offset = batch.offsets[i]
            # Ours last: of several headers of one name the last one counts.
            headers = [*(batch.headers[i] or ()), (ORIGIN_HEADER, pack_origin(place.partition, offset))]
            self.writes.append(Write(route.topic, home, batch.keys[i], batch.values[i], batch.times_ms[i], headers))
        state.position = batch.offsets[-1] + 1
        newest_ms = self.ahead.newest(batch.times_ms, now_ms)
        if newest_ms is not None:
            state.time_ms = max(state.time_ms, newest_ms)

    def end(self, place: Place, offset: int) -> None:
        """The place was read to `offset`, control records included."""
        state = self.places[place]
        state.position = max(state.position, offset)

    def prepare(self) -> tuple[list[Write], list[Commit]]:
        """Copies and offsets of one transaction."""
        commits = [
            Commit(place, state.position, f"{METADATA}:{state.time_ms}")
            for place, state in self.places.items()
            if state.position > state.committed
        ]
        return list(self.writes), commits

    def committed(self) -> None:
        """The transaction of the last `prepare` has been committed."""
        for state in self.places.values():
            state.committed = state.position
        self.writes.clear()

    def reached(self, ends: Mapping[Place, int]) -> bool:
        """Whether the copying of our places has been committed to these ends."""
        return all(state.committed >= ends[place] for place, state in self.places.items())
