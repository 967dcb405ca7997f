"""Reading and writing of the topic `attempts`, and the log of the candidate's failures."""

import contextlib
from collections.abc import Collection, Sequence
from typing import Any

from shadowstream.compare.redact import Redactor
from shadowstream.config import Config
from shadowstream.errors import CandidateError
from shadowstream.kafka.client.consumers import GuardedWriter
from shadowstream.kafka.reading.marks import MarksReader
from shadowstream.logs import get_logger
from shadowstream.protocol.marks import key_of
from shadowstream.records import Partition, Write
from shadowstream.runner.absences import short
from shadowstream.runner.candidate import KINDS_MAX, STACK_CHARS_MAX, FailureKinds
from shadowstream.runner.candidate_attempts import EndedInput, WriteRecords

log = get_logger("runner")
FLUSH_S = 20.0


def read_attempts(config: Config, places: Collection[Partition]) -> dict[Partition, dict[str, Any]]:
    """Return the newest record of `attempts` for each of these input partitions that has one."""
    if not places:
        return {}
    keys = {key_of(place) for place in places}
    with contextlib.closing(MarksReader(config, "runner.attempts", "attempts", keys, once=True)) as reader:
        records = [record for _, record in reader.to_end() if record is not None]  # the reader has logged others
    return {Partition(record["input_topic"], record["input_partition"]): record for record in records}


def attempt_writer(writer: GuardedWriter) -> WriteRecords:

    def write(writes: Sequence[Write], wait: bool) -> None:
        writer.write(writes)
        if wait:
            writer.flush(FLUSH_S)

    return write


def log_ended(news: list[EndedInput]) -> None:
    """Log the inputs that ended the candidate's process, and clear the list."""
    for place, offset, reason in news:
        log.error("candidate_crashed", topic=place.topic, partition=place.partition, offset=offset, reason=reason.text)
    news.clear()


class FirstFailures:
    """Log of the candidate's exceptions: the first of each type and line, with traceback; no text if redacted."""

    def __init__(self, config: Config) -> None:
        self._redactor = Redactor.of(config)
        self._kinds = FailureKinds()
        self._left = KINDS_MAX

    def raised(self, error: BaseException, failure: CandidateError) -> None:
        """Log an exception of the candidate; `failure` is its form as the result of one input."""
        stack = self._kinds.stack_of_new(error)
        if stack is not None:
            self.described(str(failure), stack)

    def described(self, failure: str, stack: str) -> None:
        """Log a failure that the candidate's process has described; each new process describes them again."""
        if self._left > 0:
            self._left -= 1
            reason = short(self._redactor.reason(failure) or "")
            log.error("candidate_raised", reason=reason, stack=stack[-STACK_CHARS_MAX:])
