"""Step of the runner. Pure: a batch of inputs in; candidate outputs, marks and offsets out.

Every input gets exactly one of three results: with output, silent (the candidate returned nothing), or absent with a
reason. Silence during the warm-up of a candidate's state is an absence too, so that no output counts as missing for
it. ``read`` is counted separately, so that the first ledger compares two paths.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from shadowstream.compare.redact import Redactor
from shadowstream.config import Config
from shadowstream.config.record_parts import carried_headers
from shadowstream.errors import CandidateError, RecordError, ShadowstreamBug
from shadowstream.future_dates import Ahead
from shadowstream.paths import without
from shadowstream.protocol import marks
from shadowstream.protocol.dead_letters import FailedRecord, dead_letter
from shadowstream.protocol.headers import PACKED_HEADER, header, pack
from shadowstream.protocol.outcomes import FAILED_CAUSES
from shadowstream.records import Batch, Commit, Headers, InputCoordinate, Partition, Write
from shadowstream.runner import absences, commit_metadata, fast_path
from shadowstream.runner.absences import ID_BYTES, RUN_BYTES, Reason, ReasonTexts, add_absence, exception_of, reason_of
from shadowstream.runner.candidate_attempts import Attempts
from shadowstream.runner.candidate_state import Stateful
from shadowstream.runner.cpu_cost import Costs, Meter
from shadowstream.runner.outputs import BARE, Call, LeftOut, Output, check_size, headers_of, key_of
from shadowstream.runner.partitioner import IdentityPartitioner, partition_for
from shadowstream.runner.partitioner_detection import REPARTITION
from shadowstream.runner.selection import OTHER_KEY, Selection


class ValueDecoder(Protocol):
    """Decoder of values; an undecodable value gives its `RecordError`."""

    def decode_many(self, values: Sequence[bytes | None], headers: Sequence[Headers] = ()) -> list[Any]: ...

    def of(self, topic: str) -> ValueDecoder:
        """Return the decoder of one topic, in its configured format."""


class ValueEncoder(Protocol):
    """Encoder of output values; it raises `CandidateError` for a value that does not fit its schema."""

    def encode(self, value: Any) -> bytes | None: ...

    def encode_many(self, values: Sequence[Any]) -> list[bytes] | None:
        """Encode each value as `encode` does; return None if the caller must encode them individually."""


@dataclass(slots=True)
class InputProgress:
    """Position of an input partition, and the results since its last commit. `is_final`: its bound will not move."""

    position: int
    committed: int
    counters: marks.Counters
    bound: int = -1
    is_final: bool = True
    floor_ms: int | None = None
    absences: list[dict[str, Any]] = field(default_factory=list)
    absent: int = 0  # inputs in `absences`
    texts: ReasonTexts = field(default_factory=ReasonTexts)
    windows: dict[int, list[int]] = field(default_factory=dict)
    costs: Costs = field(default_factory=dict)
    announced: int = -1  # the position in the last done mark

    @property
    def ended(self) -> bool:
        return self.is_final and 0 <= self.bound <= self.committed


Encoded = tuple[str, bytes | None, bytes | None, list[tuple[str, bytes]]]
"""An output to be written: its production topic, its key, its bytes and its own headers."""


@dataclass
class RunnerStep:
    """State of all assigned input partitions.

    By production output topic: `encoders`, `partitions` (its partition count) and `kinds` (its partitioner: input,
    murmur2, crc32 or repartition; by default, as in the config). `clock` gives the time (ms since the epoch) after
    the candidate has returned, for its latency; without it outputs get the time of their batch. `meter` is the one
    that `call` was loaded with. `attempts`, if given, makes the calls, for candidates that may end the process.
    """

    config: Config
    revision: str
    call: Call | Stateful
    decoder: ValueDecoder
    encoders: Mapping[str, ValueEncoder]
    partitions: Mapping[str, int]
    kinds: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], int] | None = None
    meter: Meter | None = None
    attempts: Attempts | None = None
    inputs: dict[Partition, InputProgress] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    records: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    exceptions: Counter[str] = field(default_factory=Counter)
    held: list[str] = field(default_factory=list)  # why inputs wait, for the done marks

    def __post_init__(self) -> None:
        outputs = self.config.production.outputs
        self.kinds = {topic: self.kinds.get(topic, self.config.candidate.partitioner) for topic in outputs}
        if "auto" in self.kinds.values():
            raise ShadowstreamBug(f"the partitioner must be detected before the runner's step is created: {self.kinds}")
        self._out = {topic: self.config.plan.out(topic) for topic in outputs}
        self._only = outputs[0] if len(outputs) == 1 else None
        self._redactor = Redactor.of(self.config)
        self._partitioner = IdentityPartitioner(self.config, self.decoder.decode_many)
        self._ahead = Ahead(self.config.future_ms_max)
        self.selection = Selection(self.config)
        self._carried = tuple(carried_headers(self.config.identity, self.config.compare))

    def wants_headers(self) -> bool:
        """Return whether outputs carry headers of inputs (id, dimensions), or headers of inputs name schemas."""
        formats = self.config.schemas.formats
        wanted = bool(self._carried) or self.selection.wants_headers
        return wanted or any(formats[topic].header for topic in self.config.inputs if topic in formats)

    def assign(self, place: Partition, position: int, counters: marks.Counters, bound: int) -> None:
        """Start an input partition at `position`; `bound` is -1 for an unbounded run."""
        self.inputs[place] = InputProgress(position, position, counters, bound, self.config.until is None)

    def drop(self) -> None:
        """Forget everything: only committed state is restored."""
        self.inputs.clear()
        for part in (self.call, self.meter, self.attempts):
            if isinstance(part, Stateful | Meter | Attempts):
                part.drop()
        self.writes.clear()
        self.ended.clear()
        self.exceptions.clear()
        self.records = 0

    def step(self, batch: Batch, now_ms: int) -> int:
        """Call the candidate with a batch, fill `writes`; return how many inputs are completed, fewer if it is slow."""
        state, whole_batch = self.inputs[batch.place], len(batch)
        crossed = 0 <= state.bound <= batch.offsets[-1]
        if crossed:
            batch = batch.below(state.bound)
        done = self._run(state, batch, now_ms) if len(batch) else 0
        if done < len(batch):
            return done
        if crossed:
            state.position = max(state.position, state.bound)
        return whole_batch

    def _run(self, state: InputProgress, batch: Batch, now_ms: int) -> int:
        if batch.offsets[0] < state.position:
            raise ShadowstreamBug(f"{batch.place}: offset {batch.offsets[0]} read again at {state.position}")
        if batch.lost is not None:
            # Lost records have no time of their own, so they move no clock.
            batch = replace(batch, times_ms=[now_ms if state.floor_ms is None else state.floor_ms] * len(batch))
        results, warm = self._results(batch), 0
        if len(results) < len(batch):
            batch = batch.part(0, len(results))
        if self.meter is not None:
            self.meter.count(state.costs, batch.times_ms, results, self.config.judge.window_ms)
        if isinstance(self.call, Stateful):
            latest = self._ahead.limit_ms(now_ms)
            seen = [i for i, result in enumerate(results) if not isinstance(result, LeftOut)]
            n = self.call.warm(batch.place, [min(batch.times_ms[i], latest) for i in seen])
            warm = seen[n - 1] + 1 if n else 0
        now_ms = self.clock() if self.clock is not None else now_ms
        if warm or not self._end_whole(state, batch, results, now_ms):
            for i, result in enumerate(results):
                self._end(state, batch, i, result, (now_ms, i < warm))
        state.counters.read += len(batch)
        state.position = batch.offsets[-1] + 1
        self.records += len(batch)
        return len(batch)

    def _results(self, batch: Batch) -> list[Any]:
        """Return the answer to each input, or its `RecordError`; only the first ones if a long call ends early."""
        if batch.lost is not None:
            return [RecordError(batch.lost, reason="bounds") for _ in batch.offsets]
        decoder = self.decoder.of(batch.place.topic)
        if self.selection.leaves_out:
            results = self.selection.decoded(batch, decoder)
        else:
            results = decoder.decode_many(batch.values, batch.headers)
            if RecordError not in set(map(type, results)):
                return self._answers(batch.place, batch.offsets, results)
        good = [i for i, value in enumerate(results) if not isinstance(value, RecordError | LeftOut)]
        offsets, values = [batch.offsets[i] for i in good], [results[i] for i in good]
        results = list(results)
        answers = self._answers(batch.place, offsets, values) if good else []
        for i, answer in zip(good, answers, strict=False):
            results[i] = answer
        return results if len(answers) == len(good) else results[: good[len(answers)]]

    def _answers(self, place: Partition, offsets: Sequence[int], values: Sequence[Any]) -> list[Any]:
        if names := self.config.production.answer_names:  # the candidate must not see production's answer
            values = [without(value, names) for value in values]
        call = partial(self.call.call, place) if isinstance(self.call, Stateful) else self.call
        return call(values) if self.attempts is None else self.attempts.call(place, offsets, values, call)

    def _end_whole(self, state: InputProgress, batch: Batch, results: list[Any], now_ms: int) -> bool:
        """Complete all inputs of a batch at once; return False if that is impossible (`fast_path`)."""
        topic = self._only
        if topic is None or self._carried or self.kinds[topic] == REPARTITION or not fast_path.is_whole(results):
            return False
        values = self.encoders[topic].encode_many(results)
        if values is None or not fast_path.sizes_fit(batch, values, self.config.limits.value_bytes_max):
            return False
        route = fast_path.Route(self._out[topic], self.kinds[topic], self.partitions[topic])
        partitions = fast_path.partitions_of(route, batch)
        header = self.revision, self.config.inputs.index(batch.place.topic), now_ms
        self.writes += fast_path.writes_of(batch, values, route, partitions, header)
        self._count_read(state, batch.times_ms, now_ms)
        self.ended["with_output"] += len(batch)
        state.counters.with_output += len(batch)
        for partition, n in Counter(partitions).items():
            state.counters.written[f"{topic}/{partition}"] += n
        return True

    def _count_read(self, state: InputProgress, times_ms: Sequence[int], now_ms: int) -> None:
        # As in the joiner: a time in the future would remain in the marks' floor forever.
        newest_ms = self._ahead.newest(times_ms, now_ms)
        if newest_ms is not None:
            state.floor_ms = newest_ms if state.floor_ms is None else max(state.floor_ms, newest_ms)
        window_ms = self.config.judge.window_ms
        for start_ms, n in Counter([time_ms - time_ms % window_ms for time_ms in times_ms]).items():
            state.windows.setdefault(start_ms, [0, 0, 0, 0])[0] += n

    def end(self, place: Partition, offset: int) -> None:
        """Note that the partition was read to `offset`, control records included."""
        state = self.inputs[place]
        reached = offset if state.bound < 0 else min(offset, state.bound)
        state.position = max(state.position, reached)

    def _end(self, state: InputProgress, batch: Batch, i: int, result: Any, clock: tuple[int, bool]) -> None:
        """Complete input `i` of the batch in exactly one class; `clock`: the time, and whether this is warm-up."""
        time_ms, (now_ms, warm) = batch.times_ms[i], clock
        self._count_read(state, (time_ms,), now_ms)
        if isinstance(result, LeftOut):
            state.windows[time_ms - time_ms % self.config.judge.window_ms][3] += 1
            self._count_absent(state, batch, i, Reason(result.cause))
            return
        if type(result) in BARE:
            result = [Output(result)]
        if isinstance(result, list):
            try:
                encoded = [self.encode(output, batch.keys[i]) for output in result]
            except CandidateError as error:
                result = CandidateError(f"output refused: {error}")
            else:
                if warm and not encoded:
                    self._count_absent(state, batch, i, Reason("warm_up"))
                    return
                self.ended["with_output" if encoded else "silent"] += 1
                state.counters.with_output += bool(encoded)
                state.counters.silent += not encoded
                self._write_outputs(state, batch, i, encoded, clock)
                return
        if isinstance(result, CandidateError):
            self.exceptions[exception_of(result)] += 1
        absence = "undecodable" if isinstance(result, RecordError) else result.absence
        window = state.windows[time_ms - time_ms % self.config.judge.window_ms]
        window[1] += absence in FAILED_CAUSES
        window[2] += absence == "undecodable"
        self._count_absent(state, batch, i, reason_of(absence, result, self._redactor))
        failed = FailedRecord(batch.place, batch.offsets[i], batch.keys[i], batch.values[i], time_ms)
        stage = "VALUE_CONVERTER" if absence == "undecodable" else "TRANSFORMATION"
        exception = type(result).__name__, absences.text_of(absence, result, self._redactor)
        self.writes.append(dead_letter(self.config, self._redactor, "runner", failed, exception, stage))

    def encode(self, output: Output, input_key: bytes | None) -> Encoded:
        topic = self._only if output.topic is None else output.topic
        if topic not in self._out:
            problem = "names no topic and there are several" if topic is None else f"names topic {topic!r}"
            advice = f"give one of production.outputs: Output(..., topic=...) of {', '.join(self._out)}"
            raise CandidateError(f"an output {problem}; {advice}")
        value = self.encoders[topic].encode(output.value)
        key = key_of(output, input_key)
        if self.selection.leaves_out and key != input_key and self.config.identity.kind != "coordinate":
            raise CandidateError(OTHER_KEY)
        headers = headers_of(output, self._carried)
        check_size(key, value, headers, self.config.limits.value_bytes_max)
        return topic, key, value, headers

    def _write_outputs(
        self, state: InputProgress, batch: Batch, i: int, encoded: Sequence[Encoded], clock: tuple[int, bool]
    ) -> None:
        place, time_ms, (now_ms, warm) = batch.place, batch.times_ms[i], clock
        index, offset = self.config.inputs.index(place.topic), batch.offsets[i]
        # The input's correlation id, which an output keeps like production's, and its dimensions.
        found = ((name, header(batch.headers[i], name)) for name in self._carried if batch.headers)
        carried = [(name, content) for name, content in found if content is not None]
        ks: dict[str, int] = {}
        for topic, key, value, own in encoded:
            k = ks[topic] = ks.get(topic, -1) + 1
            kind, partitions = self.kinds[topic], self.partitions[topic]
            if kind == REPARTITION:
                partition = self._partitioner.of_output(key, value, carried, place.partition, partitions)
            else:
                partition = partition_for(kind, key, place.partition, partitions)
            coordinate = InputCoordinate(index, place.partition, offset, k)
            headers = [(PACKED_HEADER, pack(self.revision, coordinate, time_ms, now_ms, warm=warm)), *carried, *own]
            # Stamped with the input's time, so that both sides of a pair fall into the same event-time window.
            self.writes.append(Write(self._out[topic], partition, key, value, time_ms, headers))
            state.counters.written[f"{topic}/{partition}"] += 1

    def _count_absent(self, state: InputProgress, batch: Batch, i: int, reason: Reason) -> None:
        self.ended[reason.absence] += 1
        state.counters.absent[reason.absence] += 1
        state.absent += 1
        id_ = absences.id_of(batch.keys[i], self.config)
        add_absence(state.absences, batch.offsets[i], id_, reason.absence, state.texts.index(reason.text))

    def mark_bytes(self) -> int:
        """Return about how large the largest range mark of the next transaction is."""
        return max((len(one.absences) * RUN_BYTES + one.absent * ID_BYTES for one in self.inputs.values()), default=0)

    def dirty(self) -> bool:
        return any(state.position > state.committed for state in self.inputs.values())

    def prepare(self) -> tuple[list[Write], list[Commit]]:
        """Return one transaction: outputs, range marks, and the offsets with their counters."""
        writes = list(self.writes)
        commits = []
        for place, state in self.inputs.items():
            if state.position == state.committed:
                continue
            windows = [
                {"start_ms": start, "read": read, "failed": failed, "undecodable": undecodable, "left_out": left_out}
                | (self.meter.record(state.costs.get(start)) if self.meter else {})
                for start, (read, failed, undecodable, left_out) in sorted(state.windows.items())
            ]
            absent = {"absences": state.absences, "texts": list(state.texts.known)}
            record = self._mark("range", place, from_offset=state.committed, windows=windows, **absent)
            writes.append(marks.write(self.config.plan.of("progress"), record))
            kept = None
            if isinstance(self.call, Stateful):
                kept, snapshots = self.call.prepare(place, state.position)
                writes += snapshots
            metadata = commit_metadata.to_metadata(self.revision, state.counters, kept)
            overflow = commit_metadata.overflow_of(metadata, state.position)
            # Without transactions, the counters are in the range mark, and only the mark identifies valid counters.
            if overflow is not None and self.config.delivery == "exactly_once":
                writes.append(overflow.write(self.kept_in(place), state.counters, place))
            commits.append(Commit(place, state.position, metadata))
        return writes, commits

    def kept_in(self, place: Partition) -> Partition:
        """Return the runner-state partition of an input partition; the topic has as many as the widest output topic."""
        return Partition(self.config.plan.of("runner-state"), place.partition % max(self.partitions.values()))

    def committed(self) -> None:
        """Note that the transaction of the last `prepare` has been committed."""
        for state in self.inputs.values():
            state.absences, state.absent, state.texts = [], 0, ReasonTexts()
            state.windows, state.costs, state.committed = {}, {}, state.position
        self.writes.clear()
        self.ended.clear()
        self.exceptions.clear()
        self.records = 0

    def done_marks(self, ends: dict[Partition, int], *, again: bool = True) -> list[Write]:
        """Return done marks of the partitions, and end marks of completed bounded inputs.

        Unless `again`, done marks are only for partitions that have advanced: an unchanged position is already done
        below its first ends. `ends` are the high watermarks of the candidate's output partitions, read after the last
        commit returned. Call only while nothing is uncommitted: a mark states what is committed.
        """
        if self.dirty():
            raise ShadowstreamBug("done marks requested while inputs are uncommitted")
        topic, fields = self.config.plan.of("progress"), {"ends": marks.ends_field(ends), "texts": self.held}
        done = [place for place, state in self.inputs.items() if again or state.position != state.announced]
        for place in done:
            self.inputs[place].announced = self.inputs[place].position
        kinds = [*(("done", place) for place in done), *(("end", p) for p, one in self.inputs.items() if one.ended)]
        return [marks.write(topic, self._mark(kind, place, **fields)) for kind, place in kinds]

    def finished(self) -> bool:
        """Return whether at least one partition is assigned, and all are bounded and completed."""
        return bool(self.inputs) and all(state.ended for state in self.inputs.values())

    def _mark(self, kind: str, place: Partition, **fields: Any) -> dict[str, Any]:
        state = self.inputs[place]
        return marks.mark(
            kind,
            self.revision,
            input_topic=place.topic,
            input_partition=place.partition,
            to_offset=state.position,
            counters=state.counters.record(),
            floor_ms=state.floor_ms,
            **fields,
        )
