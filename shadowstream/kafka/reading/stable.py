"""Wait until every transaction that has written to a topic so far is committed or aborted for its readers."""

import time

from shadowstream.config import Config
from shadowstream.errors import BrokerError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin

_LOOK_S = 0.1


def await_settled(config: Config, topic: str, timeout_s: float) -> None:
    """Return once the last stable offset of each partition has reached its high watermark at the call.

    A commit returns before its markers land, so a reader may see one record of a transaction before another. Raises
    `ConfigError` without such a topic, and `BrokerError` if no broker answers or a transaction is open for `timeout_s`.
    """
    client = admin(config.kafka)
    waiting = offsets.ends(client, offsets.places(offsets.partition_counts(client, [topic])))
    deadline = time.monotonic() + timeout_s
    while waiting:
        stable = offsets.stable_ends(client, waiting)
        waiting = {place: end for place, end in waiting.items() if stable[place] < end}
        if waiting and time.monotonic() > deadline:
            named = ", ".join(map(str, waiting))
            raise BrokerError(f"{named}: a transaction has been open for {timeout_s:g} s", retriable=True)
        time.sleep(_LOOK_S if waiting else 0)
