"""Shadow releases for Kafka: run a candidate beside production, pair their outputs, decide with evidence."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shadowstream.kafka.subscription import subscribe
    from shadowstream.public_records import DiffRow, DriftEvent, Verdict
    from shadowstream.runner.outputs import Output

__all__ = ["DiffRow", "DriftEvent", "Output", "Verdict", "subscribe"]

# Names are imported on first access: a candidate needs no Kafka client for `Output`, and a program can be interrupted
# without a traceback right after its start.
_MODULES = {
    "DiffRow": "shadowstream.public_records",
    "DriftEvent": "shadowstream.public_records",
    "Output": "shadowstream.runner.outputs",
    "Verdict": "shadowstream.public_records",
    "subscribe": "shadowstream.kafka.subscription",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        return import_module("importlib.metadata").version(__name__)
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
