"""Shadow releases for Kafka: run a candidate beside production, pair their outputs, decide with evidence."""

from importlib import import_module
from typing import TYPE_CHECKING

from shadowstream.runner.outputs import Output

if TYPE_CHECKING:
    from shadowstream.kafka.subscribing import subscribe
    from shadowstream.rows import DiffRow, DriftEvent, Verdict

__all__ = ["DiffRow", "DriftEvent", "Output", "Verdict", "subscribe"]

# A candidate imports the door for `Output`; what needs a Kafka client is loaded by whoever asks for it.
_ROOMS = {
    "DiffRow": "shadowstream.rows",
    "DriftEvent": "shadowstream.rows",
    "Verdict": "shadowstream.rows",
    "subscribe": "shadowstream.kafka.subscribing",
}


def __getattr__(name: str) -> object:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)
