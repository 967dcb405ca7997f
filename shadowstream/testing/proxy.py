"""A TCP proxy for the faults of a network: latency, thin lines, resets and black holes between clients and a broker.

States of a `Proxy`::

    state    new connections           open connections       left by
    flowing  forwarded                 bytes flow             black_hole -> hole, stop -> stopped
    hole     accepted, then silence    stay open, silence     heal -> flowing, stop -> stopped
    stopped  refused                   reset                  -

In a hole nobody is told anything: nothing is refused, closed or lost, it only does not arrive. What was on its way
arrives once the hole is healed, even from a client that has given up since, as after a partition of a real network.

A broker must advertise the proxy, or its clients go round it after their first question::

    with Proxy(broker_port) as proxy, EmbeddedKafka(properties=proxied(...)) as kafka: ...
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Self

from shadowstream.errors import BrokerError
from shadowstream.testing.ports import free_port
from shadowstream.testing.properties import second_listener

_CHUNK = 65_536
_THIN_CHUNK = 4_096
"""Of a thin line: so little is under way that a change of its width holds at once."""
_CALL_LIMIT_S = 10.0
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of zero seconds: closing sends RST, not FIN."""


class Proxy:
    """Forwards 127.0.0.1:`port` to 127.0.0.1:`target_port`, in a thread of its own; a context manager.

    `delay_s`: each chunk waits so long in either direction. `sent_per_s`: so many bytes a second at most reach the
    broker from each connection, None for any number; what the broker says is not slowed. Both may be changed at any
    time.
    """

    def __init__(
        self, target_port: int, *, port: int | None = None, delay_s: float = 0.0, sent_per_s: int | None = None
    ) -> None:
        self.port = port or free_port()
        self.delay_s = delay_s
        self.sent_per_s = sent_per_s
        self._target_port = target_port
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        return len(self._open) // 2

    def start(self) -> None:
        """Listen. Raises `BrokerError` where the port is in use."""
        self._thread.start()
        listening = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._connected, "127.0.0.1", self.port), self._loop
        )
        try:
            self._server = listening.result(_CALL_LIMIT_S)
        except OSError as error:
            self.stop()
            raise BrokerError(f"the proxy cannot listen on port {self.port}: {error}") from error

    def stop(self) -> None:
        """Refuse new connections and reset open ones. A second stop is no error."""
        if not self._thread.is_alive():
            return
        self.reset()
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(_CALL_LIMIT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CALL_LIMIT_S)
        self._loop.close()

    def black_hole(self) -> None:
        """Swallow everything in either direction, without any error."""
        self._call(self._flowing.clear)

    def heal(self) -> None:
        """Forward everything again, waiting bytes first."""
        self._call(self._flowing.set)

    def reset(self) -> None:
        def abort() -> None:
            for writer in self._open:
                peer: socket.socket = writer.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                writer.transport.abort()

        self._call(abort)

    def _call(self, change: Callable[[], object]) -> None:
        """Run it in the proxy's thread, and return once it is done."""
        done = threading.Event()

        def act() -> None:
            change()
            done.set()

        self._loop.call_soon_threadsafe(act)
        if not done.wait(_CALL_LIMIT_S):
            raise BrokerError("the proxy's thread does not answer")

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        forwarding = asyncio.all_tasks() - {asyncio.current_task()}
        for task in forwarding:
            task.cancel()
        await asyncio.gather(*forwarding, return_exceptions=True)

    async def _connected(self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        self._open.add(client_writer)
        broker_writer: asyncio.StreamWriter | None = None
        try:
            await self._flowing.wait()
            broker_reader, broker_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
            self._open.add(broker_writer)
            await asyncio.gather(
                self._pump(client_reader, broker_writer, upwards=True),
                self._pump(broker_reader, client_writer, upwards=False),
            )
        except OSError:  # the broker is away, or one of the two has reset: then both are gone
            client_writer.transport.abort()
        finally:
            for writer in filter(None, (client_writer, broker_writer)):
                self._open.discard(writer)
                writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, upwards: bool) -> None:
        """Forward until one end closes; in a hole wait, and take no more than what is in hand."""
        while data := await reader.read(_THIN_CHUNK if upwards and self.sent_per_s else _CHUNK):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            if upwards and self.sent_per_s:
                await asyncio.sleep(len(data) / self.sent_per_s)
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
        await self._flowing.wait()
        writer.close()  # so that the other end hears of it, and its pump ends as well


def proxied(port: int, broker_port: int, controller_port: int, advertised: int) -> dict[str, str]:
    """Properties of an `EmbeddedKafka` with two ways to it: `port` leads straight to it, clients that came through
    a proxy are sent to `advertised`, which is the proxy's, and the proxy forwards to `broker_port`.

    The broker's own traffic goes the straight way, so that a hole cuts off clients only.
    """
    return second_listener(port, controller_port, "PROXIED", broker_port, advertised)
