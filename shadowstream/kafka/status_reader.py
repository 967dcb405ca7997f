"""Reader of a running trial for `status`: its topics alone, outside any group, each record once."""

import contextlib
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, Message
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.judge.judge_state import VERSION, unpacked
from shadowstream.judge.windows.expected_tasks import expected_tasks
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin, reading_consumer
from shadowstream.kafka.client.errors import translated_errors
from shadowstream.kafka.client.messages import offset_of, place_of
from shadowstream.kafka.reading.bounded import Span, ignore, read_spans, within
from shadowstream.kafka.reading.newest import newest_records
from shadowstream.kafka.refused_records import Refusals, own_record
from shadowstream.kafka.trial import bound_topics
from shadowstream.kafka.trial.trial_begin import TrialBegin, begin_in
from shadowstream.logs import get_logger
from shadowstream.records import Partition
from shadowstream.status.summary import Look
from shadowstream.status.trial_view import TrialView

log = get_logger("status")
LIMIT = within(30.0)
READ_S = 30.0
STEP = 20
ERROR_CHARS_MAX = 200
TAILS = {"stats": 150, "progress": 1_500}
"""Offsets to read before the end at the first look: they show the rates, and the newest mark of each input."""

TakeStats = Callable[[dict[str, Any]], None]


class StatusReader:
    """Reader of one revision; each look reads only what has been written since the last.

    `take_stats` also gets each stats record, from `stats_tail` offsets of a partition before the end on.
    """

    def __init__(
        self, config: Config, revision: str, take_stats: TakeStats | None = None, stats_tail: int = TAILS["stats"]
    ) -> None:
        self._config, self.revision = config, revision
        self._take_stats, self._tails = take_stats, {**TAILS, "stats": stats_tail}
        self._client: AdminClient | None = None
        self._consumer: Consumer | None = None
        self._view: TrialView | None = None
        self._next: dict[Partition, int] = {}
        self._begin: TrialBegin | None = None
        self._refusals = Refusals()

    def look(self) -> Look:
        """Look at the trial now. Raises `BrokerError` if no broker answers."""
        with translated_errors("status"):
            return self._look()

    def _look(self) -> Look:
        if self._client is None:
            self._client = admin(self._config.kafka)
        counts, plan = offsets.existing(self._client), self._config.plan
        if self._begin is None or self._begin.waits:
            self._begin = begin_in(bound_topics.read_starts(self._config, READ_S), self.revision)
        outputs = self._config.production.outputs
        if plan.of("stats") in counts and all(topic in counts for topic in outputs):
            self._read(self._client, counts)
        begins = {} if self._begin is None else self._begin.places
        wanted = {*begins, *(self._view.places if self._view is not None else ())}
        ends = offsets.ends(self._client, [place for place in wanted if place.partition < counts.get(place.topic, 0)])
        began = None if self._begin is None else self._begin.since_ends(ends).sentence
        return Look(time.time_ns() // 1_000_000, self._view, began, begins, ends)

    def _read(self, client: AdminClient, counts: dict[str, int]) -> None:
        plan = self._config.plan
        if self._view is None:
            self._view = self._open(client, counts)
        assert self._consumer is not None, "opened with the view"
        spans: dict[Partition, Span] = {place: (at, None) for place, at in self._next.items()}
        for polled in read_spans(self._consumer, spans, LIMIT, ignore, short=True):
            for message in polled.records:
                self._take(self._view, message, plan.of("stats"))
            self._next |= polled.ended

    def _take(self, view: TrialView, message: Message, stats: str) -> None:
        at_ms = message.timestamp()[1]
        kind = "stats" if message.topic() == stats else "mark"
        record = own_record(kind, message, self._refusals)
        if record is not None and kind == "stats" and self._take_stats is not None:
            self._take_stats(record)
        if record is not None:
            (view.add_stats if kind == "stats" else view.add_mark)(at_ms, record)
        self._next[place_of(message)] = offset_of(message) + 1

    def _open(self, client: AdminClient, counts: dict[str, int]) -> TrialView:
        """Begin with the windows of the judge's newest state, and with the statistics since; without a state, read all
        of them."""
        config = self._config
        view, begins = self._restored(counts)
        stats, progress = config.plan.of("stats"), config.plan.of("progress")
        places = offsets.places({topic: counts[topic] for topic in (stats, progress) if topic in counts})
        lows, ends = offsets.beginnings(client, places), offsets.ends(client, places)
        for place in places:
            tail = max(lows[place], ends[place] - self._tails["stats" if place.topic == stats else "progress"])
            self._next[place] = min(tail, begins.get(place.partition, lows[place])) if place.topic == stats else tail
        self._consumer = reading_consumer(config.kafka, config.plan, "status")
        return view

    def _restored(self, counts: dict[str, int]) -> tuple[TrialView, dict[int, int]]:
        """Return a view of the judge's newest state, and the offsets of statistics at which that was taken."""
        config, revision = self._config, self.revision
        topic, tasks = config.plan.of("judge-state"), expected_tasks(config, counts)

        def pick(message: Message) -> tuple[str, dict[str, Any]] | None:
            record = own_record("judge_state", message, self._refusals)
            usable = record is not None and record["revision"] == revision and record["version"] == VERSION
            return (revision, record) if record is not None and usable else None

        found = newest_records(config, "status.state", topic, {revision: 0} if topic in counts else {}, pick, STEP)
        for record in found.values():
            view = TrialView(config, revision, tasks)
            try:
                view.windows.restore(unpacked(record["snapshot"])["windows"])
            except Exception as error:  # noqa: BLE001 - foreign bytes: all statistics are read instead
                log.warning("state_refused", topic=topic, error=repr(error)[:ERROR_CHARS_MAX])
                continue
            return view, {int(partition): offset for partition, offset in record["offsets"].items()}
        return TrialView(config, revision, tasks), {}

    def close(self) -> None:
        if self._consumer is not None:
            with contextlib.suppress(Exception):
                self._consumer.close()
