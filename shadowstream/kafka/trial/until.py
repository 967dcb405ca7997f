"""End of a trial by `until`: it is fixed once, in `starts`, by the first runner that sees the condition hold.

=========  ==========================================================  ================================================
until      the condition                                               where the inputs end
=========  ==========================================================  ================================================
a time     the runner's clock has passed it                            at the first input of that time or a later one
a number   the runner's group has committed so many inputs             at these commits
decision   the revision's verdict is promote or reject                 at the commits of the runner's group
=========  ==========================================================  ================================================

Inputs are counted by their offsets, from the end of the warm-up on. One process counts its own inputs exactly and ends
them with the last one that counts; others may have read up to a second more by then.
"""

import contextlib
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from confluent_kafka import Message
from confluent_kafka.admin import AdminClient

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import RecordError
from shadowstream.joiner.completeness.marks_log import TrialStart
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import GuardedWriter
from shadowstream.kafka.reading.newest import newest_records
from shadowstream.kafka.throttle import Throttle
from shadowstream.kafka.trial import start_log
from shadowstream.logs import get_logger
from shadowstream.protocol import marks
from shadowstream.records import Partition, Write

log = get_logger("runner")
EVERY_S = 1.0
VERDICTS = 200
"""Verdicts of the first step back: the judge repeats the newest one every 30 s."""


class Until:
    """The end of one revision of a trial. `bounds`: where its inputs end, None while that is open."""

    def __init__(
        self, config: Config, revision: str, start: TrialStart, clients: tuple[AdminClient, GuardedWriter]
    ) -> None:
        self._config, self._revision = config, revision
        self._client, self._writer = clients
        self._begins = {place: max(at, start.warm_below.get(place, -1)) for place, at in start.committed.items()}
        self._committed: dict[Partition, int] = {}
        self._every = Throttle(EVERY_S)
        self.bounds: dict[Partition, int] | None = None

    def turn(self, *, now: bool = False) -> None:
        """Look each second, or `now`, whether the trial has ended, and fix its end if the condition holds."""
        if self._config.until is None or self.bounds is not None or not (self._every.is_due() or now):
            return
        if (mark := start_log.read(self._config, "runner").until.get(self._revision)) is None:
            bounds = self._reached()
            if bounds is None:
                return
            start_log.write(self._config, self._writer, self._mark(bounds))
            mark = start_log.read(self._config, "runner").until[self._revision]  # another process's may be first
        self.bounds = TrialStart.of(mark).bounds
        log.info(
            "trial_ends", until=str(self._config.until), at=[f"{p}@{end}" for p, end in sorted(self.bounds.items())]
        )

    def left(self, positions: Mapping[Partition, int]) -> int | None:
        """Return how many inputs are left of a number, given the positions of this process; None without a number."""
        if not isinstance(self._config.until, int):
            return None
        return self._config.until - self._counted({**self._committed, **positions})

    def writes(self) -> list[Write]:
        """Return the mark that tells the joiners where the inputs end, once that is fixed."""
        topic = self._config.plan.of("progress")
        return [] if self.bounds is None else [marks.write(topic, self._mark(self.bounds))]

    def _mark(self, bounds: Mapping[Partition, int]) -> dict[str, Any]:
        begins = [
            {"topic": place.topic, "partition": place.partition, "committed": -1, "end": -1, "bound": bound}
            for place, bound in sorted(bounds.items())
        ]
        return marks.mark("until", self._revision, begins=begins)

    def _reached(self) -> dict[Partition, int] | None:
        """Return where the inputs end, if the condition holds."""
        until = self._config.until
        if isinstance(until, datetime):
            time_ms = round(until.timestamp() * 1000)
            if time.time_ns() // 1_000_000 < time_ms:
                return None
            ends = offsets.ends(self._client, self._begins)
            firsts = offsets.at_time(self._client, self._begins, time_ms)
            return {place: end if firsts[place] < 0 else firsts[place] for place, end in ends.items()}
        if until == "decision" and not self._is_decided():
            return None
        found = offsets.committed(self._client, self._config.plan.group("runner"), self._begins)
        self._committed = {place: max(begin, found.get(place, begin)) for place, begin in self._begins.items()}
        if isinstance(until, int) and self._counted(self._committed) < until:
            return None
        return self._committed

    def _counted(self, positions: Mapping[Partition, int]) -> int:
        return sum(max(0, positions.get(place, begin) - begin) for place, begin in self._begins.items())

    def _is_decided(self) -> bool:
        def pick(message: Message) -> tuple[str, str] | None:
            with contextlib.suppress(RecordError):
                record = own.read("verdict", message.value())
                return record["revision"], record["decision"]
            return None

        wanted = {self._revision: 0}
        found = newest_records(self._config, "runner.verdict", self._config.plan.of("verdict"), wanted, pick, VERDICTS)
        return found.get(self._revision) in ("promote", "reject")
