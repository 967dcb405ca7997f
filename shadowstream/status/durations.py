"""Times and durations as people write them."""

from shadowstream.judge.utc_text import utc_text

DAY_MS = 86_400_000
STILL_MS = 60_000
"""A runner repeats its marks every ten seconds, and a judge its verdict every thirty: later they make no progress."""


def ago(ms: int) -> str:
    """Format a duration in the greatest unit of which it holds two.

    >>> ago(7_200_000), ago(119_000), ago(180_000), ago(-5)
    ('2 h', '119 s', '3 min', '0 s')
    """
    seconds = max(0, ms) / 1000
    for unit, length in (("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def clock(time_ms: int, now_ms: int) -> str:
    """Format a time in UTC, without its date if that is today's; as the bare number if the calendar lacks the year.

    >>> clock(1_356_998_400_000, 1_357_000_000_000), clock(1_356_998_400_000, 1_400_000_000_000)
    ('00:00 UTC', '2013-01-01 00:00 UTC')
    """
    time = utc_text(time_ms)
    return time.partition(" ")[2] if time_ms // DAY_MS == now_ms // DAY_MS else time
