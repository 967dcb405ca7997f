"""A real Kafka for tests and demos: no Docker, no Java installed, no mock.

`EmbeddedKafka` starts a broker. `broker` and `open_broker` choose a given one, Docker's or the embedded one.
`pytest_plugin` makes it a fixture, `topics` fills and reads topics, and `proxy` injects network faults.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shadowstream.testing.choice import Broker, broker, open_broker
    from shadowstream.testing.embedded import EmbeddedKafka

__all__ = ["Broker", "EmbeddedKafka", "broker", "open_broker"]


def __getattr__(name: str) -> object:
    """Import on first use: every pytest run passes this door on its way to the plugin and must not pay for Kafka."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = "embedded" if name == "EmbeddedKafka" else "choice"
    return getattr(importlib.import_module(f"{__name__}.{room}"), name)
