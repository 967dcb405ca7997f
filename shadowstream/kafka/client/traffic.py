"""How many bytes consumers receive: what is read twice, or fetched and thrown away, costs network and is nowhere else
to be seen."""

from __future__ import annotations

import json
from typing import Any

from shadowstream.health import RoleHealth

EVERY_MS = 2_000


class TrafficMeter:
    """Adds up the statistics of one role's consumers; `total` is in bytes, requests' overhead included."""

    def __init__(self, watch: RoleHealth) -> None:
        self._watch = watch
        self.total = 0

    def settings(self) -> dict[str, Any]:
        """For one consumer: its statistics come here while it consumes (librdkafka's STATISTICS.md: rx_bytes)."""
        last = 0

        def translated_errors(text: str) -> None:
            nonlocal last
            bytes_ = int(json.loads(text)["rx_bytes"])
            self._watch.metrics.add("received_bytes_total", bytes_ - last, role=self._watch.role)
            self.total += bytes_ - last
            last = bytes_

        return {"statistics.interval.ms": EVERY_MS, "stats_cb": translated_errors}
