"""Re-reading of source records: a correction needs the values of a record reported missing or extra, and a second
answer of the candidate needs the input.

The loop never waits for them. Each turn takes the delivered records and returns complete runs. A consumer outside any
group reads one run of neighbouring offsets of each partition at a time.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.client_log import repeated_later
from shadowstream.kafka.client.consumers import reading_consumer
from shadowstream.kafka.client.messages import columns, is_end, is_offset_gone, offset_of, place_of
from shadowstream.logs import get_logger
from shadowstream.records import Batch, Partition

log = get_logger("joiner")
RUN_GAP = 200  # offsets closer together than this are one run: a seek costs more than the records in between
RUN_MAX = 1_000
AGAIN_S = 15.0
Refetched = tuple[Partition, Batch | None, list[int]]


@dataclass(slots=True)
class OffsetRun:
    """A run of offsets that is being read from one partition: all in order, the open ones, and the records found."""

    wanted: Sequence[int]
    open: set[int]
    found: list[Message] = field(default_factory=list)


def first_run(wanted: Iterable[int]) -> list[int]:
    """Return the lowest offsets that are worth reading as one run.

    >>> first_run([5, 1_000, 3, 7])
    [3, 5, 7]
    """
    run: list[int] = []
    for offset in sorted(wanted):
        if run and (offset - run[-1] > RUN_GAP or len(run) >= RUN_MAX):
            break
        run.append(offset)
    return run


class SourceFetcher:
    """Reader of the records that the step asks for with `wanted`."""

    def __init__(
        self,
        config: Config,
        client: AdminClient,
        settings: Mapping[str, Any] | None = None,
        purpose: str = "joiner.fetch",
    ) -> None:
        self._config, self._client, self._purpose = config, client, purpose
        self._settings = {"queued.max.messages.kbytes": 4_096, **(settings or {})}
        self._consumer: Consumer | None = None
        self._running: dict[Partition, OffsetRun] = {}
        self._again_at = 0.0

    def restart(self) -> None:
        self._running.clear()
        if self._consumer is not None:
            self._consumer.unassign()

    def turn(self, wanted: Callable[[], Mapping[Partition, Sequence[int]]]) -> list[Refetched]:
        """Return results for `wanted` since the last turn: of a partition, its records, and offsets without one."""
        if not self._running:
            return self._begin(wanted())
        answers = self._take()
        if self._running and time.monotonic() > self._again_at:
            log.warning("fetch_stuck", places=[str(place) for place in sorted(self._running)], seconds=AGAIN_S)
            self.restart()
        return answers

    def _begin(self, wanted: Mapping[Partition, Sequence[int]]) -> list[Refetched]:
        """Start reading the first run of each partition; answer at once for offsets below the log's start."""
        if not wanted:
            return []
        lows: dict[Partition, int] = {}
        with repeated_later(lambda error: log.warning("fetch_delayed", error=error)):
            lows = offsets.beginnings(self._client, wanted)
        answers: list[Refetched] = []
        for place, all_wanted in wanted.items() if lows else ():
            if gone := [offset for offset in all_wanted if offset < lows[place]]:
                answers.append((place, None, gone))
            if run := first_run(offset for offset in all_wanted if offset >= lows[place]):
                self._running[place] = OffsetRun(run, set(run))
        if self._running:
            if self._consumer is None:
                kafka, plan = self._config.kafka, self._config.plan
                self._consumer = reading_consumer(kafka, plan, self._purpose, **self._settings)
            places = [TopicPartition(*place, run.wanted[0]) for place, run in self._running.items()]
            self._consumer.assign(places)
            self._consumer.resume(places)  # a partition paused in an earlier run stays paused when assigned anew
            self._again_at = time.monotonic() + AGAIN_S
        return answers

    def _take(self) -> list[Refetched]:
        answers: list[Refetched] = []
        if self._consumer is None:
            return answers
        for message in self._consumer.consume(1_000, 0):
            place = place_of(message)
            run = self._running.get(place)
            if run is None:
                continue
            error = message.error()
            if error is None:
                reached = offset_of(message) + 1
                if reached - 1 in run.open:
                    run.open.discard(reached - 1)
                    run.found.append(message)
            elif is_end(error):
                reached = offset_of(message)
            elif is_offset_gone(error):  # retention was faster: the next turn asks for the log's start again
                del self._running[place]
                self._pause(place)
                continue
            else:
                log.warning("consume_error", topic=place.topic, partition=place.partition, error=error.str())
                continue
            if reached > run.wanted[-1]:
                batch = columns(place, run.found, True) if run.found else None
                answers.append((place, batch, sorted(run.open)))
                del self._running[place]
                self._pause(place)
        if not self._running:
            self._consumer.unassign()
        return answers

    def _pause(self, place: Partition) -> None:
        if self._consumer is not None and self._running:
            self._consumer.pause([TopicPartition(*place)])
