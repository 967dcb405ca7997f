"""Durations on the command line: `90`, `90s`, `15m`, `2h`, `1d`."""

import re

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
