"""A ceiling on what one process reads: records and bytes a second, over a second at a time."""

import time
from collections.abc import Sequence

from confluent_kafka import Message

from shadowstream.config import Config
from shadowstream.logs import get_logger

log = get_logger("loop")
WAIT_MAX_S = 0.25
REPORT_EVERY_S = 60.0
PREFETCH_KBYTES_MIN = 64


def sides_of(role: str, config: Config) -> int:
    """Return how many records a role reads for each input: a joiner reads those of each side."""
    return {"runner": 1, "joiner": 3 if config.twin is not None else 2}.get(role, 2)


def prefetch(config: Config) -> dict[str, int]:
    """Return the client's settings that keep it from fetching much more than the ceiling ahead of the role."""
    ceiling = config.limits.bytes_per_s
    return {} if ceiling is None else {"queued.max.messages.kbytes": max(PREFETCH_KBYTES_MIN, ceiling // 1000)}


class RateLimit:
    """The ceiling of one process. It may read a second's worth at once, and what it read beyond that is a debt."""

    def __init__(self, config: Config, role: str) -> None:
        limits, sides = config.limits, sides_of(role, config)
        per_s = {"records": limits.records_per_s, "bytes": limits.bytes_per_s}
        self._per_s = {unit: ceiling * sides for unit, ceiling in per_s.items() if ceiling is not None}
        self._left: dict[str, float] = dict(self._per_s.items())
        self._at = time.monotonic()
        self._waited_s, self._report_at = 0.0, self._at

    def room(self, wanted: int) -> int:
        """Return how many of `wanted` records may be fetched now."""
        if not self._per_s:
            return wanted
        now = time.monotonic()
        for unit, per_s in self._per_s.items():
            self._left[unit] = min(per_s, self._left[unit] + (now - self._at) * per_s)
        self._at = now
        if any(left < 1 for left in self._left.values()):
            return 0
        return min(wanted, int(self._left.get("records", wanted)))

    def took(self, messages: Sequence[Message]) -> None:
        """Count fetched messages."""
        if "records" in self._left:
            self._left["records"] -= len(messages)
        if "bytes" in self._left:
            self._left["bytes"] -= sum(len(message) + len(message.key() or b"") for message in messages)

    def wait(self) -> float:
        """Sleep until a record may be fetched, `WAIT_MAX_S` at most, and report it once a minute; return the time."""
        due = max((1 - left) / self._per_s[unit] for unit, left in self._left.items())
        seconds = min(WAIT_MAX_S, max(0.001, due))
        time.sleep(seconds)
        self._waited_s += seconds
        if time.monotonic() >= self._report_at:
            log.info("rate_limited", waited_s=round(self._waited_s, 1), limits=self._per_s)
            self._waited_s, self._report_at = 0.0, time.monotonic() + REPORT_EVERY_S
        return seconds
