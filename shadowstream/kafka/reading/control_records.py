"""Commits that stand before control records only.

A client that commits the offset after the last record it has handled (librdkafka's stored offsets) never reaches the
end of a partition whose last record is the marker of a transaction, so by its commits it would never be done with such
an input. Where nothing but control records lies between a commit and the end, the commit is as good as the end. That is
looked up by reading there, uncommitted records included: what some reader may see is a record that is not done.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping

from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import reading_consumer
from shadowstream.kafka.client.messages import place_of
from shadowstream.kafka.reading.bounded import NotReadToEnd, ignore, read_spans, within
from shadowstream.logs import get_logger
from shadowstream.records import Partition

log = get_logger("kafka")
LIMIT_S = 2.0
PLACES_MAX = 100


class ControlRecordGaps:
    """What is known of the records between one group's commits and the ends of its inputs.

    Both are looked at each second; a gap that stands still is read once.
    """

    def __init__(self, config: Config, purpose: str) -> None:
        self._config, self._purpose = config, purpose
        self._found: dict[tuple[Partition, int], int] = {}
        self._seen: dict[tuple[Partition, int], int] = {}
        self._read: set[tuple[Partition, int, int]] = set()

    def over(self, committed: Mapping[Partition, int]) -> dict[Partition, int]:
        """The commits, raised where only control records are known to follow."""
        return {place: max(offset, self._found.get((place, offset), offset)) for place, offset in committed.items()}

    def look(self, committed: Mapping[Partition, int], ends: Mapping[Partition, int]) -> None:
        """Commits as they are, and the ends of the same partitions read after them."""
        gaps = {(place, at): ends[place] for place, at in committed.items() if at < ends.get(place, 0)}
        still = {gap: end for gap, end in gaps.items() if self._seen.get(gap) == end}
        fresh = [(*gap, end) for gap, end in still.items() if (*gap, end) not in self._read][:PLACES_MAX]
        self._seen = gaps
        self._found = {gap: end for gap, end in self._found.items() if gap in gaps or committed.get(gap[0]) == gap[1]}
        self._read = {one for one in self._read if one[:2] in gaps}
        if fresh:
            self._probe(fresh)

    def _probe(self, gaps: list[tuple[Partition, int, int]]) -> None:
        """Read each gap to its first record or its end; what does not come in time is read while the gap stands."""
        settings = {"isolation.level": "read_uncommitted", "queued.max.messages.kbytes": 1_024}
        kafka, plan = self._config.kafka, self._config.plan
        left = {place: (at, end) for place, at, end in gaps}
        with (
            contextlib.closing(reading_consumer(kafka, plan, self._purpose, **settings)) as consumer,
            contextlib.suppress(NotReadToEnd),
        ):
            for turn in read_spans(consumer, left, within(LIMIT_S), ignore, short=True):
                with_record = {place_of(message) for message in turn.records}
                for place in left.keys() & (with_record | turn.ended.keys()):
                    at, end = left.pop(place)
                    self._read.add((place, at, end))
                    if place not in with_record and turn.ended[place] >= end:
                        self._found[place, at] = end
                        log.info("only_control_records_follow", place=str(place), commit=at, end=end)
                if not left:
                    break


class Commits:
    """Commits of groups that are not ours, raised over control records; `purpose` names our reader."""

    def __init__(self, config: Config, client: AdminClient, purpose: str) -> None:
        self._config, self._client, self._purpose = config, client, f"{purpose}.gaps"
        self._gaps: dict[str, ControlRecordGaps] = {}
        self._asked: dict[str, dict[Partition, int]] = {}

    def of(self, group: str, wanted: Iterable[Partition]) -> dict[Partition, int]:
        """Committed offsets of a group; places without a commit are left out. Raises a retriable `BrokerError`."""
        gaps = self._gaps.setdefault(group, ControlRecordGaps(self._config, self._purpose))
        self._asked[group] = offsets.committed(self._client, group, wanted)
        return gaps.over(self._asked[group])

    def stored(self, group: str) -> dict[Partition, int]:
        """What `of` has last found for a group, not raised."""
        return self._asked[group]

    def look(self, ends: Mapping[Partition, int]) -> None:
        """Ends of the inputs, read after what `of` has given last of each group."""
        for group, gaps in self._gaps.items():
            gaps.look(self._asked[group], ends)
