"""Second answers of the candidate to inputs that it has answered before (`candidate.recheck`). They are no outputs.

Nothing of the runner's step changes: no count, no commit, no cost.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from shadowstream.errors import CandidateDown, CandidateError, RecordError, ShadowstreamBug
from shadowstream.paths import without
from shadowstream.protocol.rechecks import ANSWERED, FAILED, SILENT, UNDECODABLE, Answer, Request
from shadowstream.records import Batch, Partition
from shadowstream.runner.candidate_state import Stateful
from shadowstream.runner.outputs import BARE, Output
from shadowstream.runner.step import Encoded, RunnerStep


def second_answers(
    step: RunnerStep, batch: Batch, requests: Sequence[Request], enough: Callable[[], bool] = lambda: False
) -> Iterator[tuple[Request, Answer]]:
    """Call the candidate with each input of `requests` that is in the batch, one by one, until it is `enough`.

    Raises `RegistryError` before the first call while a schema lacks, and `CandidateDown` while the candidate rests.
    """
    by_offset: defaultdict[int, list[Request]] = defaultdict(list)
    for request in requests:
        by_offset[request.at.offset].append(request)
    values = step.decoder.of(batch.place.topic).decode_many(batch.values, batch.headers)
    for i, offset in enumerate(batch.offsets):
        if offset not in by_offset:
            continue
        if enough():
            return
        found = _outputs(step, (batch.place, offset), values[i], batch.keys[i])
        for request in by_offset[offset]:
            yield request, found if isinstance(found, Answer) else _of_output(found, request)


def _of_output(outputs: Sequence[Encoded], request: Request) -> Answer:
    own = [value for topic, _, value, _ in outputs if topic == request.topic]
    return Answer(ANSWERED, own[request.k]) if request.k < len(own) else Answer(SILENT)


def _outputs(step: RunnerStep, at: tuple[Partition, int], value: Any, key: bytes | None) -> list[Encoded] | Answer:
    if isinstance(value, RecordError):
        return Answer(UNDECODABLE)
    try:
        result = _called(step, at, value)
        if isinstance(result, CandidateError):
            return Answer(FAILED)
        outputs = [Output(result)] if type(result) in BARE else result
        return [step.encode(output, key) for output in outputs]
    except CandidateError:
        return Answer(FAILED)
    except CandidateDown as down:
        if down.absence is None:  # it rests, or its model server is away: the input is not to blame
            raise
        return Answer(FAILED)


def _called(step: RunnerStep, at: tuple[Partition, int], value: Any) -> Any:
    if isinstance(step.call, Stateful):
        raise ShadowstreamBug("a candidate with state cannot be called again on an earlier input")
    if names := step.config.production.answer_names:  # as at the first time
        value = without(value, names)
    place, offset = at
    calls = None if step.attempts is None else step.attempts.calls
    if calls is not None:
        calls.begin(place, [offset])
    try:
        (result,) = step.call([value])
    finally:
        if calls is not None:
            calls.end()
        if step.meter is not None:
            step.meter.drop()
    return result
