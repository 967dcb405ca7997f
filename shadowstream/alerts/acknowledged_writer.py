"""Writer of single records to topics of the trial that waits for the broker's answer."""

from typing import Any

from shadowstream.config import Config
from shadowstream.errors import BrokerError
from shadowstream.kafka.client.consumers import GuardedWriter
from shadowstream.records import Write

# Short, so that a process ends in time even if no broker answers.
_TIMEOUT_MS = 5_000


class AcknowledgedWriter:
    """A writer of one record at a time; the broker has acknowledged a write that returns."""

    def __init__(self, config: Config) -> None:
        self._refused: list[str] = []
        settings: dict[str, Any] = {"enable.idempotence": True, "linger.ms": 0, "message.timeout.ms": _TIMEOUT_MS}
        self._writer = GuardedWriter(config, settings | {"on_delivery": self._answered})

    def write(self, record: Write) -> None:
        """Write a record; raise `BrokerError` unless the broker has it, `IsolationError` for a foreign topic."""
        self._refused.clear()
        self._writer.write([record])
        left = self._writer.producer.flush(_TIMEOUT_MS / 1000 + 1)
        if left or self._refused:
            why = self._refused[0] if self._refused else "no answer"
            raise BrokerError(f"{record.topic}: not written: {why}", retriable=True)

    def _answered(self, error: Any, _message: Any) -> None:
        if error is not None:
            self._refused.append(error.str())
