"""Commands of people as the runner follows them: all of them at its start, then each new one, outside any group.

The runner never has the key of commands, because it calls the candidate. So it follows every command, signed or not:
a pause and a smaller share change no evidence. Who may write the topic may pause.
"""

from collections.abc import Iterable

from confluent_kafka import Message
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.judge.steering import Steering
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import reading_consumer
from shadowstream.kafka.client.errors import translated_errors
from shadowstream.kafka.client.messages import poll
from shadowstream.kafka.reading.bounded import BATCH, Span, ignore, quiet, read_spans, sort_out
from shadowstream.kafka.refused_records import Refusals, own_record
from shadowstream.kafka.throttle import Throttle
from shadowstream.logs import get_logger
from shadowstream.records import Partition

log = get_logger("runner")
READ_S = 30.0
EVERY_S = 0.5


class RunnerCommands:
    """Reader of the topic `commands`. It has read all of it once it exists. Raises `BrokerError`."""

    def __init__(self, config: Config, client: AdminClient) -> None:
        self.steering = Steering(config)
        self._refusals, self._every = Refusals(), Throttle(EVERY_S)
        self._place = Partition(config.plan.of("commands"), 0)
        with translated_errors("commands"):
            self._consumer = reading_consumer(config.kafka, config.plan, "runner.commands")
            begin = offsets.beginnings(client, [self._place])[self._place]
            spans: dict[Partition, Span] = {self._place: (begin, None)}
            for polled in read_spans(self._consumer, spans, quiet(READ_S), short=True):
                self._follow(polled.records, quietly=True)
        for note in self.steering.notes():
            log.info("runner_steered", command="start", note=note)

    def turn(self) -> None:
        """Follow the commands that have come since, twice a second; this does not wait."""
        if not self._every.is_due():
            return
        with translated_errors("commands"):
            messages = poll(self._consumer, BATCH, 0)
        self._follow(sort_out(messages, {self._place: None}, ignore).records)

    def _follow(self, messages: Iterable[Message], *, quietly: bool = False) -> None:
        for message in messages:
            record = own_record("command", message, self._refusals)
            if record is None:
                continue
            before = self.steering.snapshot()
            refusal = self.steering.obey(record)
            if refusal is not None:
                log.warning("share_refused", by=record["by"], offset=message.offset(), reason=refusal)
            elif not quietly and self.steering.snapshot() != before:
                note = "; ".join(self.steering.notes())
                log.info("runner_steered", command=record["command"], by=record["by"], note=note)

    def close(self) -> None:
        self._consumer.close()
