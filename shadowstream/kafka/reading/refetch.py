"""Records of source topics read once more: a correction needs the value of what was said to be missing or extra.

The loop never waits for them. Each turn takes what has come and hands over what is complete; a consumer outside any
group reads one run of neighbouring offsets of each partition at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import BrokerError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.client_log import is_outage
from shadowstream.kafka.client.consumers import reading_consumer
from shadowstream.kafka.client.messages import columns, is_begin_gone, is_end, offset_of, place_of
from shadowstream.logs import get_logger
from shadowstream.records import Batch, Partition

log = get_logger("joiner")
RUN_GAP = 200
"""Offsets closer together than this are read in one go: a seek costs more than the records in between."""
RUN_MAX = 1_000
AGAIN_S = 15.0
Answer = tuple[Partition, Batch | None, list[int]]


@dataclass(slots=True)
class Run:
    """Offsets that are being read from one partition, in order, those still open, and the records found."""

    wanted: Sequence[int]
    open: set[int]
    found: list[Message] = field(default_factory=list)


def first_run(wanted: Iterable[int]) -> list[int]:
    """The lowest offsets that are worth reading in one go.

    >>> first_run([5, 1_000, 3, 7])
    [3, 5, 7]
    """
    run: list[int] = []
    for offset in sorted(wanted):
        if run and (offset - run[-1] > RUN_GAP or len(run) >= RUN_MAX):
            break
        run.append(offset)
    return run


class Fetcher:
    """Answers `wanted` of the step; see the head of this file."""

    def __init__(self, config: Config, client: AdminClient, settings: Mapping[str, Any] | None = None) -> None:
        self._config, self._client = config, client
        self._settings = {"queued.max.messages.kbytes": 4_096, **(settings or {})}
        self._consumer: Consumer | None = None
        self._running: dict[Partition, Run] = {}
        self._again_at = 0.0

    def restart(self) -> None:
        """Forget what is being read."""
        self._running.clear()
        if self._consumer is not None:
            self._consumer.unassign()

    def turn(self, wanted: Callable[[], Mapping[Partition, Sequence[int]]]) -> list[Answer]:
        """What has been found of `wanted` since the last turn: of a place its records, and offsets that hold none."""
        if not self._running:
            return self._begin(wanted())
        answers = self._take()
        if self._running and time.monotonic() > self._again_at:
            log.warning("fetch_stuck", places=[str(place) for place in sorted(self._running)], seconds=AGAIN_S)
            self.restart()
        return answers

    def _begin(self, wanted: Mapping[Partition, Sequence[int]]) -> list[Answer]:
        """Start reading the first run of each place; answers at once for what lies below the log's start."""
        if not wanted:
            return []
        try:
            lows = offsets.beginnings(self._client, wanted)
        except BrokerError as error:  # asked again in the next turn
            if not error.retriable:
                raise
            if not is_outage(error):
                log.warning("fetch_delayed", error=str(error))
            return []
        answers: list[Answer] = []
        for place, all_wanted in wanted.items():
            gone = [offset for offset in all_wanted if offset < lows[place]]
            if gone:
                answers.append((place, None, gone))
            run = first_run(offset for offset in all_wanted if offset >= lows[place])
            if run:
                self._running[place] = Run(run, set(run))
        if self._running:
            if self._consumer is None:
                kafka, plan = self._config.kafka, self._config.plan
                self._consumer = reading_consumer(kafka, plan, "joiner.fetch", **self._settings)
            places = [TopicPartition(*place, run.wanted[0]) for place, run in self._running.items()]
            self._consumer.assign(places)
            self._consumer.resume(places)  # a place paused in an earlier run stays paused when assigned anew
            self._again_at = time.monotonic() + AGAIN_S
        return answers

    def _take(self) -> list[Answer]:
        answers: list[Answer] = []
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
            elif is_begin_gone(error):  # retention was faster: the log's start is asked for anew
                del self._running[place]
                self._pause(place)
                continue
            else:
                log.warning("consume_error", topic=place.topic, partition=place.partition, error=error.str())
                continue
            if reached > run.wanted[-1]:
                answers.append(_answer(place, run))
                del self._running[place]
                self._pause(place)
        if not self._running:
            self._consumer.unassign()
        return answers

    def _pause(self, place: Partition) -> None:
        """Read no further there while the others are not done yet."""
        if self._consumer is not None and self._running:
            self._consumer.pause([TopicPartition(*place)])


def _answer(place: Partition, run: Run) -> Answer:
    return place, columns(place, run.found, True) if run.found else None, sorted(run.open)
