"""Commits that stand before control records only.

A client that commits the offset after the last record it has handled (librdkafka's stored offsets) never reaches the
end of a partition whose last record is the marker of a transaction, so by its commits it would never be done with such
an input. Where nothing but control records lies between a commit and the end, the commit is as good as the end. That is
looked up by reading there, uncommitted records included: what some reader may see is a record that is not done.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import reading_consumer
from shadowstream.kafka.client.messages import arrived, is_end, offset_of, place_of
from shadowstream.logs import get_logger
from shadowstream.records import Place

log = get_logger("kafka")
LIMIT_S = 2.0
PLACES_MAX = 100


class Gaps:
    """What is known of the records between one group's commits and the ends of its inputs.

    Both are looked at each second; a gap that stands still is read once.
    """

    def __init__(self, config: Config, purpose: str) -> None:
        self._config, self._purpose = config, purpose
        self._found: dict[tuple[Place, int], int] = {}
        self._seen: dict[tuple[Place, int], int] = {}
        self._read: set[tuple[Place, int, int]] = set()

    def over(self, committed: Mapping[Place, int]) -> dict[Place, int]:
        """The commits, raised where only control records are known to follow."""
        return {place: max(offset, self._found.get((place, offset), offset)) for place, offset in committed.items()}

    def look(self, committed: Mapping[Place, int], ends: Mapping[Place, int]) -> None:
        """Commits as they are, and the ends of the same partitions read after them."""
        gaps = {(place, at): ends[place] for place, at in committed.items() if at < ends.get(place, 0)}
        still = {gap: end for gap, end in gaps.items() if self._seen.get(gap) == end}
        fresh = [(*gap, end) for gap, end in still.items() if (*gap, end) not in self._read][:PLACES_MAX]
        self._seen = gaps
        self._found = {gap: end for gap, end in self._found.items() if gap in gaps or committed.get(gap[0]) == gap[1]}
        self._read = {one for one in self._read if one[:2] in gaps}
        if fresh:
            self._probe(fresh)

    def _probe(self, gaps: list[tuple[Place, int, int]]) -> None:
        consumer = reading_consumer(
            self._config.kafka,
            self._config.plan,
            self._purpose,
            **{"isolation.level": "read_uncommitted", "queued.max.messages.kbytes": 1_024},
        )
        left = {place: (at, end) for place, at, end in gaps}
        try:
            consumer.assign([TopicPartition(place.topic, place.partition, at) for place, at, _ in gaps])
            deadline = time.monotonic() + LIMIT_S
            while left and time.monotonic() < deadline:
                for message in arrived(consumer, 100, 0.1):
                    error = message.error()
                    if error is not None and not is_end(error):
                        continue  # asked again while the gap stands
                    gap = left.pop(place_of(message), None)
                    if gap is None:
                        continue
                    at, end = gap
                    self._read.add((place_of(message), at, end))
                    if error is not None and offset_of(message) >= end:
                        self._found[place_of(message), at] = end
                        log.info("only_control_records_follow", place=str(place_of(message)), commit=at, end=end)
        finally:
            consumer.close()


class Commits:
    """Commits of groups that are not ours, raised over control records; `purpose` names our reader."""

    def __init__(self, config: Config, client: AdminClient, purpose: str) -> None:
        self._config, self._client, self._purpose = config, client, f"{purpose}.gaps"
        self._gaps: dict[str, Gaps] = {}
        self._asked: dict[str, dict[Place, int]] = {}

    def of(self, group: str, wanted: Iterable[Place]) -> dict[Place, int]:
        """Committed offsets of a group; places without a commit are left out. Raises a retriable `BrokerError`."""
        gaps = self._gaps.setdefault(group, Gaps(self._config, self._purpose))
        self._asked[group] = offsets.committed(self._client, group, wanted)
        return gaps.over(self._asked[group])

    def stored(self, group: str) -> dict[Place, int]:
        """What `of` has last found for a group, not raised."""
        return self._asked[group]

    def look(self, ends: Mapping[Place, int]) -> None:
        """Ends of the inputs, read after what `of` has given last of each group."""
        for group, gaps in self._gaps.items():
            gaps.look(self._asked[group], ends)
