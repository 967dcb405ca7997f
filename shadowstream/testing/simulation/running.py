"""The candidate behind the real runner step: transactions, marks, crashes, a new revision in mid-stream."""

from collections.abc import Callable, Mapping
from typing import Any

from shadowstream.codecs import own
from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.encoder import Encoder
from shadowstream.codecs.schemas import NoSchemas
from shadowstream.config import Config
from shadowstream.protocol import marks
from shadowstream.protocol.headers import PACKED_HEADER, unpack
from shadowstream.protocol.outcomes import FAILED_CAUSES
from shadowstream.protocol.rechecks import Request, answer_mark
from shadowstream.records import Batch, Partition, Side, Write
from shadowstream.runner import commit_metadata
from shadowstream.runner.candidate import load
from shadowstream.runner.step import RunnerStep
from shadowstream.testing.simulation.candidate import stamped
from shadowstream.testing.simulation.failures import LEFT_OUT
from shadowstream.testing.simulation.history import CANDIDATE, INPUT, Input, Setup
from shadowstream.testing.simulation.logs import Label, Logs, Record
from shadowstream.testing.simulation.second_answers import called_again

AGAIN = f"{CANDIDATE}:candidate_again"
NAMED = ("timeout", "crashed", *LEFT_OUT)
"""Absences that a plain callable cannot bring about; its errors are put down to these reasons instead."""


class Retelling:
    """What inputs name and a candidate's call cannot bring about, told to the runner's step after each batch."""

    def __init__(self, setup: Setup, config: Config, at: Mapping[tuple[Partition, int], Input]) -> None:
        self.setup, self.config, self.at = setup, config, at

    def retell(self, step: RunnerStep, batch: Batch) -> None:
        """Put errors down to the reasons that the inputs name, and add what the world adds to outputs."""
        state = step.inputs[batch.place]
        reasons = {o: one.absence for o in batch.offsets if (one := self.at[batch.place, o]).absence in NAMED}
        if reasons:
            singles = []
            for run in state.absences:
                for n in range(run["count"]):
                    offset = run["offset"] + n
                    reason = reasons.get(offset, run["reason"])
                    single = {"offset": offset, "count": 1, "reason": reason, "ids": run["ids"][n : n + 1]}
                    singles.append({**run, **single})
            state.absences[:] = singles
        for offset, reason in reasons.items():
            assert reason is not None
            state.counters.absent["error"] -= 1
            state.counters.absent[reason] += 1
            time_ms = self.at[batch.place, offset].time_ms
            window = state.windows[time_ms - time_ms % self.config.judge.window_ms]
            window[1] -= reason not in FAILED_CAUSES
            window[3] += reason in LEFT_OUT
        self._repeat(step, batch)

    def _repeat(self, step: RunnerStep, batch: Batch) -> None:
        """Write some outputs twice in the same transaction, and counted so."""
        for offset in batch.offsets:
            one = self.at[batch.place, offset]
            if one.copies[Side.SHADOW] < 0 or one.absence:
                continue
            for n, write in enumerate(step.writes):
                label = self.label(write)
                if label is not None and label[:3] == (one.number, Side.SHADOW, 0):
                    again = write._replace(value=stamped(write.value)) if Side.SHADOW in one.stamped else write
                    step.writes.insert(min(len(step.writes), n + 1 + one.copies[Side.SHADOW]), again)
                    topic = write.topic.removeprefix(self.config.plan.out(""))
                    step.inputs[batch.place].counters.written[f"{topic}/{write.partition}"] += 1
                    break

    def label(self, write: Write) -> Label | None:
        """Which output it is; None of what is none."""
        raw = dict(write.headers or ()).get(PACKED_HEADER)
        if raw is None:
            return None
        at = unpack(raw).coordinate
        return Label(self.at[Partition(INPUT, at.partition), at.offset].number, Side.SHADOW, at.k)


class Running:
    """The runner on the inputs. `say` writes a mark; `at` finds an input by place and offset."""

    def __init__(
        self,
        setup: Setup,
        config: Config,
        logs: Logs,
        at: Mapping[tuple[Partition, int], Input],
        say: Callable[[Write], None],
    ) -> None:
        self.setup, self.config, self.logs, self.at, self.say = setup, config, logs, at, say
        self.commits: dict[Partition, tuple[int, str]] = {}
        self.begins: dict[Partition, dict[str, Any]] = {}
        self.handled: dict[int, str] = {}
        self.position: dict[Partition, int] = {}
        self.now_ms = 0
        self._call = load(config.candidate)
        self.second_answers: list[dict[str, Any]] = []
        self._second_answers = called_again(load(config.candidate.model_copy(update={"call": AGAIN})))
        self._retelling = Retelling(setup, config, at)

    @property
    def places(self) -> list[Partition]:
        topics = [self.config.plan.out(topic) for topic in self.config.production.outputs]
        return [Partition(topic, p) for topic in topics for p in range(self.setup.outputs)]

    def start(self, revision: str) -> None:
        schemas = NoSchemas()
        self.revision = revision
        outputs = self.config.production.outputs
        encoders = {topic: Encoder(schemas, f"{topic}-value", "json") for topic in outputs}
        counts = dict.fromkeys(outputs, self.setup.outputs)
        self.step = RunnerStep(self.config, revision, self._call, Decoder(schemas), encoders, counts)
        for place, begin in self.begins.items():
            offset, metadata = self.commits.get(place, (begin["committed"], ""))
            counters = commit_metadata.of_metadata(metadata) if metadata else marks.Counters()
            self.step.assign(place, offset, counters, begin["bound"])
            self.position[place] = offset

    def handle(self, place: Partition, n: int) -> None:
        batch, to = self.logs.batch(place, self.position[place], n)
        if batch is not None:
            self.step.step(batch, self.now_ms)
            self._retelling.retell(self.step, batch)
        self.position[place] = to
        if to == self.logs.end(place):
            self.step.end(place, to)

    def commit(self) -> None:
        """One transaction, with a marker in each log that it wrote to; then the marks."""
        writes, commits = self.step.prepare()
        touched = set()
        for write in writes:
            place = Partition(write.topic, write.partition)
            if write.topic == self.config.plan.of("progress"):
                self.say(write)
            elif (label := self._retelling.label(write)) is not None:
                while label in self.logs.offsets:
                    label = label._replace(copy=label.copy + 1)
                self.logs.append(place, Record(write.key, write.value, write.time_ms, write.headers), label)
                touched.add(place)
        for place in sorted(touched):
            self.logs.marker(place)
        for place, state in self.step.inputs.items():
            for offset in range(state.committed, state.position):
                if (place, offset) in self.at:
                    self.handled[self.at[place, offset].number] = self.revision
        self.commits |= {commit.place: (commit.offset, commit.metadata) for commit in commits}
        self.step.committed()
        if not self.step.dirty():  # the ends are read after the commit has returned
            for write in self.step.done_marks(self.logs.ends(self.places)):
                self.say(write)

    def answer(self, request: Request) -> None:
        """The runner answers a request for a second answer, if its revision still runs."""
        batch = self.logs.at(request.at.place, [request.at.offset])
        for asked, answer in self._second_answers(self.step, batch, [request]) if batch is not None else ():
            write = marks.write(self.config.plan.of("second-answers"), answer_mark(self.revision, asked, answer))
            self.second_answers.append(own.decode(write.value or b"")[1])

    def crash(self) -> None:
        """What it had written is aborted, which leaves gaps; it starts again from its commits."""
        for write in self.step.writes:
            if self._retelling.label(write) is not None:
                self.logs.marker(Partition(write.topic, write.partition))
        self.start(self.revision)
