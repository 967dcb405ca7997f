"""A real Kafka for tests and demos: no Docker, no Java installed, no mock.

`EmbeddedKafka` starts one; `broker` and `open_broker` choose between a given one, Docker's and the embedded one.
`shadowstream.testing.pytest_plugin` makes it a fixture; `shadowstream.testing.topics` fills and reads topics.
`shadowstream.testing.proxy` puts the faults of a network between a broker and its clients.
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
