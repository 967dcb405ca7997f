"""The runner at its edge: the candidate's process, its group, its marks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from confluent_kafka.admin import AdminClient

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.encoder import Encoder
from shadowstream.config import Config
from shadowstream.errors import BrokerError, CandidateError, ConfigError
from shadowstream.kafka import offsets, own_topics, start
from shadowstream.kafka.clients import (
    GuardedWriter,
    Stoppable,
    admin,
    group_consumer,
    plain_writer,
    transactional_writer,
)
from shadowstream.kafka.loop import Committed, Loop, process_seconds, start_transactions
from shadowstream.kafka.registry import schema_source
from shadowstream.observe import get_logger
from shadowstream.records import Batch, Commit, Place, Write
from shadowstream.runner import candidate, marks
from shadowstream.runner.outputs import Call, Output
from shadowstream.runner.step import RunnerStep
from shadowstream.watch import Watch

log = get_logger("runner")
MARKS_EVERY_MS = 1_000


class RunnerRole:
    """The runner's step between the loop and the broker."""

    def __init__(
        self,
        config: Config,
        step: RunnerStep,
        client: AdminClient,
        marks_writer: GuardedWriter,
        pinned: start.Pinned,
        watch: Watch,
    ) -> None:
        self._watch = watch
        self._config, self._step, self._client = config, step, client
        self._marks, self._pinned = marks_writer, pinned
        outputs = offsets.partition_counts(client, [config.plan.out(t) for t in config.production.outputs])
        self._outputs = offsets.places(outputs)
        self._next_marks_ms = 0
        self._warm = pinned.warm or not pinned.start.has_warm_up or not config.production.group
        self.finished = False

    def wants_headers(self, topic: str) -> bool:
        """The runner reads no headers of the inputs."""
        return False

    def side_word(self, topic: str) -> str:
        """Everything that the runner reads is input."""
        return "input"

    def assigned(self, committed: Sequence[Committed]) -> dict[Place, int]:
        """Go on from what is committed, with its counters; from the start mark where nothing is."""
        starts = {}
        for one in committed:
            place = one.place
            if one.offset >= 0:
                position, counters = one.offset, marks.of_metadata(one.metadata)
            else:
                position, counters = self._pinned.start.committed.get(place, 0), marks.Counters()
                if self._pinned.done.get(place, 0) > position:
                    raise ConfigError(
                        f"group {self._config.plan.group('runner')} has no commit for {place}, but marks say that it "
                        f"was done to {self._pinned.done[place]}: the commits expired or were deleted. Refused to "
                        "guess: remove the topics of this trial and start anew"
                    )
            bound = self._pinned.start.bounds.get(place, -1) if self._config.bounded else -1
            self._step.assign(place, position, counters, bound)
            starts[place] = position
        self._next_marks_ms = 0
        return starts

    def dropped(self) -> None:
        """Forget every partition."""
        self._step.drop()

    def restored(self) -> bool:
        """The runner reads nothing again: what it commits has ended."""
        return True

    def batch(self, batch: Batch, now_ms: int) -> None:
        """Run the candidate."""
        self._step.step(batch, now_ms)

    def end(self, place: Place, offset: int, now_ms: int) -> None:
        """An input was read to its end."""
        self._step.end(place, offset)

    def turn(self, now_ms: int) -> None:
        """Repeat the marks each second, while nothing is uncommitted."""
        if now_ms >= self._next_marks_ms and not self._step.dirty() and self._step.inputs:
            self._try_marks(now_ms)

    def prepare(self, now_ms: int) -> tuple[list[Write], list[Commit]]:
        """Everything of one transaction."""
        return self._step.prepare()

    def committed(self, now_ms: int) -> None:
        """After the commit has returned: say how far we are."""
        for outcome, n in self._step.ended.items():
            self._watch.metrics.add("records_total", n, role="runner", side="input", outcome=outcome)
        self._step.committed()
        self._try_marks(now_ms)

    def _try_marks(self, now_ms: int) -> None:
        """Say the marks; a broker that does not answer now is asked again in a second: marks only come later."""
        try:
            self._say_marks(now_ms)
        except BrokerError as error:
            if not error.retriable:
                raise
            log.warning("marks_put_off", error=str(error))

    def _say_marks(self, now_ms: int) -> None:
        self._next_marks_ms = now_ms + MARKS_EVERY_MS
        if not self._warm:
            self._close_warm_up()
        self._marks.write(self._step.done_marks(offsets.ends(self._client, self._outputs)))
        self._marks.producer.poll(0)
        # Over only when the end of the warm-up has been said, or the joiner would wait for it for ever.
        if self._step.finished() and self._warm:
            self._marks.flush(30)
            self.finished = True

    def _close_warm_up(self) -> None:
        """Once production is done to S, pin E1 = ends of its outputs: what is unpaired below it is warm-up."""
        group = self._config.production.group or ""
        below = self._pinned.start.warm_below
        committed = offsets.committed(self._client, group, below)
        if all(committed.get(place, 0) >= end for place, end in below.items()):
            counts = offsets.partition_counts(self._client, self._config.production.outputs)
            ends = offsets.ends(self._client, offsets.places(counts))
            record = marks.mark("warm", self._step.revision, ends=marks.ends_field(ends))
            self._marks.write([marks.write(self._config.plan.of("progress"), record)])
            self._warm = True


def _timed(call: Call, watch: Watch) -> Call:
    def timed(values: Sequence[Any]) -> list[list[Output] | CandidateError]:
        began = time.monotonic()
        results = call(values)
        watch.metrics.observe("candidate_seconds", time.monotonic() - began)
        return results

    return timed


def run(config: Config, revision: str, stop: Stoppable, watch: Watch, instance: str = "0") -> dict[str, Any]:
    """Run the runner until it has finished or is stopped; returns its figures."""
    began = time.monotonic()
    client = admin(config.kafka)
    call = candidate.load(config.candidate)
    sources = own_topics.ensure(client, config)
    schemas = schema_source(config.schemas)
    output = config.production.outputs[0]
    step = RunnerStep(
        config,
        revision,
        _timed(call, watch),
        Decoder(schemas),
        Encoder(schemas, f"{output}-value", config.candidate.output_format),
        sources[output],
    )
    writer = transactional_writer(config, "runner", instance)
    start_transactions(writer)
    marks_writer = plain_writer(config)
    pinned = start.pin(config, revision, client, marks_writer)
    role = RunnerRole(config, step, client, marks_writer, pinned, watch)
    loop = Loop(config, role, group_consumer(config, "runner", instance), writer, client, watch)
    loop.run(config.inputs, stop)
    wall = time.monotonic() - began
    return {
        "role": "runner",
        "records": loop.records,
        "commits": loop.commits,
        "wall_s": round(wall, 2),
        "records_per_s": round(loop.records / wall),
        **process_seconds(),
    }
