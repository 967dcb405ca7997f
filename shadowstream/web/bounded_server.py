"""Uvicorn with an end to every connection: a peer that sends nothing, or a byte now and then, holds none for long.

Uvicorn bounds the headers (by h11) and idle connections after a request. It waits without end for a first request, so
that a few hundred open sockets would be all that a process may open.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from shadowstream.kafka.client.consumers import Stoppable

HEAD_BYTES_MAX = 16_384
REQUEST_S = 10.0
"""Longest time until a request has come in whole."""
ANSWER_S = 60.0
"""Longest time of an answer: polling, where a proxy lets no websocket through, waits less."""
CONNECTIONS_MAX = 200
SETTINGS: dict[str, Any] = {
    "http": "h11",  # the other parser has no bound on headers
    "h11_max_incomplete_event_size": HEAD_BYTES_MAX,
    "timeout_keep_alive": 5,
    "limit_concurrency": 2 * CONNECTIONS_MAX,
    "backlog": CONNECTIONS_MAX,
}


class BoundedServer(uvicorn.Server):
    """Server that closes slow and surplus connections, and ends at the stop flag of the command, whose handlers of
    signals stay."""

    def __init__(self, settings: uvicorn.Config, stop: Stoppable) -> None:
        super().__init__(settings)
        self._stop = stop
        self._since: dict[Any, tuple[Any, float]] = {}

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        self._close_slow(time.monotonic())
        return self._stop.stopped or await super().on_tick(counter)

    def _close_slow(self, now: float) -> None:
        waiting: list[tuple[float, Any]] = []
        known, self._since = self._since, {}
        for connection in self.server_state.connections:
            if not hasattr(connection, "cycle"):  # a websocket, which uvicorn pings
                continue
            cycle = connection.cycle
            began = known.get(connection, (None, now))[1]
            if connection in known and known[connection][0] is not cycle:
                began = now
            self._since[connection] = cycle, began
            is_answered = cycle is None or cycle.response_complete
            if now - began > (REQUEST_S if is_answered else ANSWER_S):
                connection.transport.abort()
            elif is_answered:
                waiting.append((began, connection))
        surplus = len(self.server_state.connections) - CONNECTIONS_MAX
        for _, connection in sorted(waiting, key=lambda one: one[0])[: max(0, surplus)]:
            connection.transport.abort()
