"""The worker's side of the pipe: confined before anything of the user's is loaded, then one request after the other."""

import pickle
import signal
import socket
from collections.abc import Iterator
from typing import Any

from shadowstream.worker import confinement, frames
from shadowstream.worker.values import packed

REQUEST_BYTES_MAX = 1 << 40  # the role bounds what it reads, and this process has its own bound of memory


def requests(pipe: socket.socket) -> Iterator[Any]:
    """Confine this process, then yield the requests until the other side closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the role handles Ctrl-C and ends this process
    bounds: confinement.Bounds = pickle.loads(frames.receive(pipe, REQUEST_BYTES_MAX))
    frames.send(pipe, packed(["ready", confinement.confine(bounds)]))
    while True:
        try:
            request = frames.receive(pipe, REQUEST_BYTES_MAX)
        except frames.BrokenFrame:
            return
        yield pickle.loads(request)
