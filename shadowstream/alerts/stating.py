"""Acknowledged writes of single records to topics of the trial."""

from __future__ import annotations

from typing import Any

from shadowstream.config import Config
from shadowstream.errors import BrokerError
from shadowstream.kafka.client.consumers import GuardedWriter
from shadowstream.records import Write

# Short, so that a process that is stopped while no broker answers still ends in time.
_TIMEOUT_MS = 5_000


class Statements:
    """Writes one record at a time; a write that returns has been acknowledged."""

    def __init__(self, config: Config) -> None:
        self._refused: list[str] = []
        settings: dict[str, Any] = {
            "enable.idempotence": True,
            "linger.ms": 0,
            "message.timeout.ms": _TIMEOUT_MS,
            "on_delivery": self._answered,
        }
        self._writer = GuardedWriter(config, settings)

    def write(self, record: Write) -> None:
        """Write a record. Raises `BrokerError` unless the broker has it, `IsolationError` for a foreign topic."""
        self._refused.clear()
        self._writer.write([record])
        left = self._writer.producer.flush(_TIMEOUT_MS / 1000 + 1)
        if left or self._refused:
            why = self._refused[0] if self._refused else "no answer"
            raise BrokerError(f"{record.topic}: not written: {why}", retriable=True)

    def _answered(self, error: Any, _message: Any) -> None:
        if error is not None:
            self._refused.append(error.str())
