"""Durations and times on the command line: `90`, `90s`, `15m`, `2h`, `1d`; ISO 8601, UTC by default."""

import re
from datetime import UTC, datetime

from shadowstream.errors import ConfigError

_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}


def seconds_of(option: str, text: str) -> float:
    """Parse the duration `text`, given for `option`, to seconds. Raises `ConfigError` for any other text.

    >>> seconds_of("--wait", "90"), seconds_of("--wait", "1.5h"), seconds_of("--wait", "2d")
    (90.0, 5400.0, 172800.0)
    """
    parsed = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip())
    if parsed is None:
        raise ConfigError(f"{option} {text!r}: give seconds, or a number with s, m, h or d, for example 15m")
    return float(parsed[1]) * _UNITS_S[parsed[2]]


def time_ms_of(option: str, text: str | None) -> int | None:
    """Parse the time `text`, given for `option`, to ms since the epoch. Raises `ConfigError` for any other text.

    >>> time_ms_of("--from", "2013-07-01T00:00"), time_ms_of("--from", None)
    (1372636800000, None)
    """
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{option} {text!r}: give an ISO 8601 time, for example 2013-07-01T00:00") from error
    return round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
