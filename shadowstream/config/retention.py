"""Config of retention: how long and how much of the trial's own topics the brokers keep."""

from pydantic import Field

from shadowstream.config.model import DAY_MS, Model, PositiveMillis
from shadowstream.topics import UNBOUNDED, Kept

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


def check_kept(kept: Kept, needed_ms: int, horizon_ms: int | None, bytes_min: int) -> None:
    """Raise `ValueError` if the bounds of the trial's topics are below what recovery, corrections or labels need.

    `horizon_ms`: the wait for labels; None without labels.
    """
    why = "correctable_ms, grace_ms and judge.window_ms"
    if UNBOUNDED != kept.ms < needed_ms:
        raise ValueError(f"retention.ms: {kept.ms} must be at least {needed_ms}, the sum of {why}")
    if horizon_ms is not None:
        needed_ms, why = needed_ms + horizon_ms, f"{why} and labels.horizon_ms"
    if UNBOUNDED != kept.event_ms < needed_ms:
        raise ValueError(f"retention.event_ms: {kept.event_ms} must be at least {needed_ms}, the sum of {why}")
    if UNBOUNDED != kept.bytes < bytes_min:
        raise ValueError(
            f"retention.bytes: {kept.bytes} must be at least {bytes_min}: limits.pending_bytes_max, and "
            f"{RECORD_BYTES_MIN} bytes for each record of identity.dedupe_span; lower these, or keep more"
        )
