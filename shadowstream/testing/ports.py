"""Free ports on the loopback."""

import errno
import random
import socket
import time

from shadowstream.errors import BrokerError

_LOWEST, _HIGHEST = 20_000, 32_000
"""Below the range that systems give to outgoing connections: a client that keeps dialling the port of a dead broker
would otherwise be given that very port, connect to itself, and keep the broker from coming back."""


def free_port() -> int:
    """Return a port without a listener; another process may take it before the caller does. Raises `BrokerError`: none
    found."""
    for _ in range(200):
        port = random.randrange(_LOWEST, _HIGHEST)
        if _bindable(port) is None:
            return port
    raise BrokerError(f"no free port between {_LOWEST} and {_HIGHEST} on 127.0.0.1")


def claim_port(port: int, *, patience_s: float) -> None:
    """Make sure that `port` can be bound, waiting for it up to `patience_s`. Raises `BrokerError`: in use, or not ours
    to bind."""
    deadline = time.monotonic() + patience_s
    while (refusal := _bindable(port)) is not None:
        if refusal.errno != errno.EADDRINUSE:
            raise BrokerError(f"port {port} on 127.0.0.1 cannot be used: {refusal.strerror}")
        if time.monotonic() >= deadline:
            raise BrokerError(
                f"port {port} on 127.0.0.1 is in use: stop what listens there, give another port, "
                "or leave it out for a free one"
            )
        time.sleep(0.1)


def _bindable(port: int) -> OSError | None:
    with socket.socket() as probe:
        # As Java does: a connection of the last broker in TIME_WAIT is no reason to refuse.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error
    return None
