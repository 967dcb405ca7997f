"""Committed offsets that only control records separate from the end of a partition.

Some clients commit the offset after their last record (librdkafka's stored offsets). They never reach the end of a
partition whose last record is a transaction marker. By their commits, such an input would never be done. If only
control records lie between a commit and the end, the commit counts as the end. A reader finds that out, uncommitted
records included: a record that any reader may see is not done.
"""

import contextlib
from collections.abc import Iterable, Mapping

from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import bounded_consumer
from shadowstream.kafka.client.messages import place_of
from shadowstream.kafka.reading.bounded import NotReadToEnd, ignore, read_spans, within
from shadowstream.logs import get_logger
from shadowstream.records import Partition

log = get_logger("kafka")
LIMIT_S = 2.0
PLACES_MAX = 100


class ControlRecordGaps:
    """Known content of the gaps between one group's commits and the ends. It reads a gap once it stays the same."""

    def __init__(self, config: Config, purpose: str) -> None:
        self._config, self._purpose = config, purpose
        self._found: dict[tuple[Partition, int], int] = {}
        self._seen: dict[tuple[Partition, int], int] = {}
        self._read: set[tuple[Partition, int, int]] = set()

    def over(self, committed: Mapping[Partition, int]) -> dict[Partition, int]:
        """Return the commits, raised where only control records are known to follow."""
        return {place: max(offset, self._found.get((place, offset), offset)) for place, offset in committed.items()}

    def look(self, committed: Mapping[Partition, int], ends: Mapping[Partition, int]) -> None:
        """Observe commits, not raised, and the ends of the same partitions, read after the commits."""
        gaps = {(place, at): ends[place] for place, at in committed.items() if at < ends.get(place, 0)}
        still = {gap: end for gap, end in gaps.items() if self._seen.get(gap) == end}
        fresh = [(*gap, end) for gap, end in still.items() if (*gap, end) not in self._read][:PLACES_MAX]
        self._seen = gaps
        self._found = {gap: end for gap, end in self._found.items() if gap in gaps or committed.get(gap[0]) == gap[1]}
        self._read = {one for one in self._read if one[:2] in gaps}
        if fresh:
            self._probe(fresh)

    def _probe(self, gaps: list[tuple[Partition, int, int]]) -> None:
        """Read each gap to its first record or its end; a later call retries a gap that was not read in time."""
        settings = {"isolation.level": "read_uncommitted", "queued.max.messages.kbytes": 1_024}
        kafka, plan = self._config.kafka, self._config.plan
        left = {place: (at, end) for place, at, end in gaps}
        with (
            contextlib.closing(bounded_consumer(kafka, plan, self._purpose, **settings)) as consumer,
            contextlib.suppress(NotReadToEnd),
        ):
            for polled in read_spans(consumer, left, within(LIMIT_S), ignore, short=True):
                with_record = {place_of(message) for message in polled.records}
                for place in left.keys() & (with_record | polled.ended.keys()):
                    at, end = left.pop(place)
                    self._read.add((place, at, end))
                    if place not in with_record and polled.ended[place] >= end:
                        self._found[place, at] = end
                        log.info("only_control_records_follow", place=str(place), commit=at, end=end)
                if not left:
                    break


class GroupCommits:
    """Commits of foreign groups, raised over control records; `purpose` names the reader."""

    def __init__(self, config: Config, client: AdminClient, purpose: str) -> None:
        self._config, self._client, self._purpose = config, client, f"{purpose}.gaps"
        self._gaps: dict[str, ControlRecordGaps] = {}
        self._asked: dict[str, dict[Partition, int]] = {}

    def of(self, group: str, wanted: Iterable[Partition]) -> dict[Partition, int]:
        """Return a group's committed offsets, without partitions that have none. Raises a retriable `BrokerError`."""
        gaps = self._gaps.setdefault(group, ControlRecordGaps(self._config, self._purpose))
        self._asked[group] = offsets.committed(self._client, group, wanted)
        return gaps.over(self._asked[group])

    def stored(self, group: str) -> dict[Partition, int]:
        return self._asked[group]

    def look(self, ends: Mapping[Partition, int]) -> None:
        """Observe the ends of the inputs, read after the last `of` of each group."""
        for group, gaps in self._gaps.items():
            gaps.look(self._asked[group], ends)
