"""Statistics of a role's consumers: bytes received, brokers connected, delays by quotas.

No other metric shows records that were fetched twice or discarded.
"""

import json
from typing import Any

from shadowstream.health import RoleHealth
from shadowstream.kafka.throttle import Throttle
from shadowstream.logs import get_logger

log = get_logger("client")
EVERY_MS = 2_000
REPORT_EVERY_S = 60.0


class TrafficMeter:
    """Sum of the statistics of one role's consumers; `total` is in bytes and includes the overhead of requests."""

    def __init__(self, watch: RoleHealth) -> None:
        self._watch = watch
        self.total = 0
        self._report = Throttle(REPORT_EVERY_S)

    def settings(self) -> dict[str, Any]:
        """Return settings of one consumer that report its statistics here (librdkafka's STATISTICS.md: rx_bytes)."""
        last = 0

        def on_stats(text: str) -> None:
            nonlocal last
            stats, metrics, role = json.loads(text), self._watch.metrics, self._watch.role
            bytes_ = int(stats["rx_bytes"])
            metrics.add("received_bytes_total", bytes_ - last, role=role)
            brokers = stats["brokers"].values()
            metrics.set("brokers_up", sum(broker["state"] == "UP" for broker in brokers), role=role)
            throttled_ms = max((broker["throttle"]["max"] for broker in brokers), default=0)
            metrics.set("throttled_seconds", throttled_ms / 1000, role=role)
            if throttled_ms and self._report.is_due():
                log.warning("throttled", role=role, longest_s=throttled_ms / 1000, received_bytes=bytes_)
            self.total += bytes_ - last
            last = bytes_

        return {"statistics.interval.ms": EVERY_MS, "stats_cb": on_stats}
