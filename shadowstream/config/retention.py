"""Config of retention: how long and how much of the trial's own topics the brokers keep."""

from __future__ import annotations

from pydantic import Field

from shadowstream.config.model import DAY_MS, Model, PositiveMillis

RECORD_BYTES_MIN = 100
"""A lower bound of a candidate's output in bytes, with its key and header."""


class Retention(Model):
    """Bounds of the trial's topics on the brokers; null removes a bound.

    A default gives way to what recovery and corrections need. Topics that exist are compared, and changed only by hand.
    """

    ms: PositiveMillis | None = Field(
        90 * DAY_MS,
        description="time that marks (progress) and statistics (stats) are kept, by the clock, ms: a restart reads the "
        "newest, replay all. Starts, commands, audit and drift are few records and are kept until `down`",
    )
    event_ms: PositiveMillis | None = Field(
        None,
        description="event time that outputs, copies, rows, scored pairs and dead letters are kept, ms; only for "
        "inputs dated near the clock: brokers would delete records of old inputs at once",
    )
    bytes: int | None = Field(
        10_000_000_000,
        ge=1,
        description="bytes that each partition of all these topics keeps, the oldest are deleted first; a partition "
        "holds one segment more, a tenth of this",
    )
