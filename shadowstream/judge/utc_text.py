"""Event times in sentences."""

from datetime import UTC, datetime


def utc_text(time_ms: int) -> str:
    """Format an event time for sentences; its seconds only where it has some.

    >>> utc_text(1_356_998_400_000), utc_text(1_356_998_405_000)
    ('2013-01-01 00:00 UTC', '2013-01-01 00:00:05 UTC')
    """
    try:
        time = datetime.fromtimestamp(time_ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):  # a year that the calendar does not have
        return f"{time_ms} ms"
    return f"{time:%Y-%m-%d %H:%M:%S}".removesuffix(":00") + " UTC"
