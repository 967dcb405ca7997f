"""Second answers (`candidate.recheck`): the runner reads the joiner's requests, and their inputs, outside any group.

Requests of the last `recheck_ms` are read again at each assignment. So an input that moves to another runner is asked
there, and a runner that dies between request and answer asks again: the joiner counts the first answer. A later request
is not answered, because its pair does not wait any more.
"""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import CandidateDown, RegistryError
from shadowstream.health import RoleHealth
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import GuardedWriter, reading_consumer
from shadowstream.kafka.client.errors import translated_errors
from shadowstream.kafka.client.messages import poll
from shadowstream.kafka.reading.bounded import ignore, sort_out
from shadowstream.kafka.reading.refetch import SourceFetcher
from shadowstream.kafka.refused_records import Refusals, own_record
from shadowstream.kafka.roles.mark_publishing import publish_marks
from shadowstream.kafka.step_time import StepTime
from shadowstream.kafka.throttle import Throttle
from shadowstream.logs import get_logger
from shadowstream.protocol import marks
from shadowstream.protocol.rechecks import COMPLETE, GONE, Answer, Request, answer_mark
from shadowstream.records import Batch, Partition
from shadowstream.runner.second_answers import second_answers
from shadowstream.runner.step import RunnerStep

log = get_logger("runner")
PER_S_MAX = 100
"""Second calls a second of one process. Under `limits.records_per_s` they are a hundredth of it, at least one."""
REQUESTS_MAX = 10_000
TURN_S = 0.25
RETRY_S = 1.0


class Waiting(NamedTuple):
    """A request, and the time on the wall clock until which the joiner waits for its answer, ms."""

    request: Request
    until_ms: int


class SecondAnswers:
    """The requests of this process's inputs, and the answers to them. Without `candidate.recheck` it does nothing."""

    def __init__(
        self, config: Config, client: AdminClient, step: RunnerStep, writer: GuardedWriter, watch: RoleHealth
    ) -> None:
        self._config, self._client, self._step, self._marks, self._watch = config, client, step, writer, watch
        self._is_on = config.candidate.rechecks
        self._place = Partition(config.plan.of("rechecks"), 0)
        self._waiting: dict[str, Waiting] = {}
        self._inputs: list[Batch] = []
        self._complete: set[str] = set()
        self._every, self._time, self._refusals = Throttle(TURN_S), StepTime(), Refusals()
        self._retry_at = self._quiet_since = 0.0
        records_per_s = config.limits.records_per_s
        per_s = PER_S_MAX if records_per_s is None else min(PER_S_MAX, max(1, records_per_s // 100))
        self._per_turn = max(1, round(per_s * TURN_S))
        self._fetcher = SourceFetcher(config, client, purpose="runner.rechecks.fetch")
        self._consumer = reading_consumer(config.kafka, config.plan, "runner.rechecks") if self._is_on else None

    def dropped(self) -> None:
        self._waiting.clear()
        self._inputs.clear()
        self._fetcher.restart()

    def assigned(self) -> None:
        """Read the requests again that may still wait for an answer."""
        if self._consumer is None:
            return
        end = offsets.ends(self._client, [self._place])[self._place]  # before the search: a request may come now
        since_ms = round(time.time() * 1000) - self._config.candidate.recheck_ms
        begin = offsets.at_time(self._client, [self._place], since_ms)[self._place]
        with translated_errors("rechecks"):
            self._consumer.assign([TopicPartition(*self._place, end if begin < 0 else min(begin, end))])

    def turn(self) -> None:
        """Take requests, and the inputs that they name, a few times a second. This does not wait."""
        if self._consumer is None or not self._every.is_due():
            return
        now_ms = round(time.time() * 1000)
        self._expire(now_ms)
        if len(self._waiting) < REQUESTS_MAX:
            with translated_errors("rechecks"):
                messages = poll(self._consumer, REQUESTS_MAX - len(self._waiting), 0)
            for message in sort_out(messages, {self._place: None}, ignore).records:
                record = own_record("recheck", message, self._refusals)
                if record is None or record["revision"] != self._step.revision:
                    continue
                self._quiet_since = time.monotonic()
                if record["kind"] == COMPLETE:
                    self._complete.add(record["task"])
                    continue
                request, until_ms = Request.of(record), message.timestamp()[1] + self._config.candidate.recheck_ms
                if request.at.place in self._step.inputs and now_ms < until_ms:
                    self._waiting[request.pair_id] = Waiting(request, until_ms)
        if self._inputs:
            return
        for place, batch, gone in self._fetcher.turn(self._wanted):
            if batch is not None:
                self._inputs.append(batch)
            for request in self._requests(place, gone):
                self._answer(request, Answer(GONE))

    def ask(self) -> None:
        """Call the candidate with the inputs that were read again, for about a second at most."""
        if not self._inputs or time.monotonic() < self._retry_at:
            return
        self._time.begin()
        try:
            while self._inputs and not self._time.up():
                batch = self._inputs[0]
                requests = self._requests(batch.place, batch.offsets)
                for request, answer in second_answers(self._step, batch, requests, self._time.up):
                    self._answer(request, answer)
                    self._watch.turned()
                if not self._time.up():
                    self._inputs.pop(0)
        except (CandidateDown, RegistryError) as error:
            self._retry_at = time.monotonic() + max(RETRY_S, getattr(error, "pause_s", 0.0))

    def ended(self) -> bool:
        """Return whether no task asks any more, once the runner has answered all inputs of a trial with an end.

        Without a word of the joiner, it waits `recheck_ms` beyond the last request.
        """
        if not self._is_on or len(self._complete) >= sum(self._step.partitions.values()):
            return True
        self._quiet_since = self._quiet_since or time.monotonic()
        if time.monotonic() - self._quiet_since < self._config.candidate.recheck_ms / 1000:
            return False
        log.warning("rechecks_not_ended", complete=sorted(self._complete), waited_ms=self._config.candidate.recheck_ms)
        return True

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()

    def _expire(self, now_ms: int) -> None:
        late = [id_ for id_, one in self._waiting.items() if now_ms >= one.until_ms]
        for id_ in late:
            del self._waiting[id_]
        if late:
            self._watch.metrics.add("second_answers_total", len(late), result="late")
            log.warning("rechecks_late", requests=len(late))

    def _wanted(self) -> Mapping[Partition, Sequence[int]]:
        found: dict[Partition, list[int]] = {}
        for one in list(self._waiting.values())[: self._per_turn]:
            found.setdefault(one.request.at.place, []).append(one.request.at.offset)
        return found

    def _requests(self, place: Partition, at: Sequence[int]) -> list[Request]:
        wanted = set(at)
        return [
            one.request
            for one in self._waiting.values()
            if one.request.at.place == place and one.request.at.offset in wanted
        ]

    def _answer(self, request: Request, answer: Answer) -> None:
        record = answer_mark(self._step.revision, request, answer)
        write = marks.write(self._config.plan.of("second-answers"), record)
        publish_marks(lambda: self._marks.write([write]))
        self._waiting.pop(request.pair_id, None)
        self._watch.metrics.add("second_answers_total", 1, result=answer.result)
