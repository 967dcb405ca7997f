"""Messages of the pipe between the runner and the candidate's process: a length, then as many bytes.

Requests are pickled: only the runner writes them. Answers are MessagePack (`worker.values`), as their writer is not
trusted.
"""

import socket
import struct
import time
from collections.abc import Callable

_LENGTH = struct.Struct("<Q")
_CHUNK = 1 << 20
LOOK_S = 0.5


class BrokenFrame(Exception):
    """The other side has closed the pipe, or has sent what is no message."""


def send(pipe: socket.socket, data: bytes, limit_s: float | None = None) -> None:
    """Send one message. Raises `TimeoutError`, or `BrokenFrame` where the other side is gone."""
    pipe.settimeout(limit_s)
    try:
        pipe.sendall(_LENGTH.pack(len(data)) + data)
    except TimeoutError:
        raise
    except OSError as error:
        raise BrokenFrame(str(error)) from error


def receive(
    pipe: socket.socket, bytes_max: int, limit_s: float | None = None, waiting: Callable[[float], None] | None = None
) -> bytes:
    """Receive one message, of at most `bytes_max` bytes, within a time; `waiting` gets the seconds waited so far.

    Raises `TimeoutError`, or `BrokenFrame` at the end of the pipe and for a message that is too long.
    """
    began = time.monotonic()

    def read(wanted: int) -> bytes:
        data = bytearray()
        while len(data) < wanted:
            seconds = time.monotonic() - began
            if limit_s is not None and seconds >= limit_s:
                raise TimeoutError
            pipe.settimeout(None if limit_s is None else min(LOOK_S, limit_s - seconds))
            try:
                chunk = pipe.recv(min(_CHUNK, wanted - len(data)))
            except TimeoutError:
                if waiting is not None:
                    waiting(time.monotonic() - began)
                continue
            except OSError as error:
                raise BrokenFrame(str(error)) from error
            if not chunk:
                raise BrokenFrame("the pipe is closed")
            data += chunk
        return bytes(data)

    (length,) = _LENGTH.unpack(read(_LENGTH.size))
    if length > bytes_max:
        raise BrokenFrame(f"it sent a message of {length} bytes; at most {bytes_max} are read")
    return read(length)
