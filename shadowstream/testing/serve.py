"""`shadowstream kafka`: a broker that runs until it is stopped."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from shadowstream.errors import BrokerError
from shadowstream.testing.embedded import EmbeddedKafka

_LOOK_EVERY_S = 0.5


def serve(port: int | None, data_dir: Path | None) -> None:
    """Start the embedded Kafka, print its bootstrap as the first line of stdout, return on SIGINT or SIGTERM.

    For the main thread, where signals are handled. Talk goes to stderr. Raises `BrokerError`: it does not start, or
    ends by itself.
    """
    asked_to_stop = threading.Event()
    kafka = EmbeddedKafka(port=port, data_dir=data_dir)
    with _on_stop_signals(asked_to_stop):
        try:
            _say("starting Kafka")
            kafka.start()
            print(kafka.bootstrap, flush=True)
            _say(f"Kafka is ready at {kafka.bootstrap}; its log is {kafka.log_path}; Ctrl-C stops it")
            while kafka.running and not asked_to_stop.wait(_LOOK_EVERY_S):
                pass
            if not kafka.running:
                end = "\n".join(kafka.log_path.read_text(errors="replace").splitlines()[-15:])
                raise BrokerError(f"Kafka ended by itself; the end of its log:\n{end}")
            _say("stopping Kafka")
        finally:
            kafka.stop()
    _say("stopped")


@contextmanager
def _on_stop_signals(asked_to_stop: threading.Event) -> Iterator[None]:
    """Let SIGINT and SIGTERM set the event; a second one raises KeyboardInterrupt."""

    def note(_number: int, _frame: FrameType | None) -> None:
        if asked_to_stop.is_set():
            raise KeyboardInterrupt
        asked_to_stop.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
