"""Detector of a rise over the subject's own rate: a rate far under its limit is seen to go over it sooner.

Shiryaev-Roberts reads units against the subject's rate so far, `STANDARD_ERRORS` above its estimate. Beside its alarm
level three conditions hold, because the own rate is an estimate and may have a season:

- the own rate is known from `BASELINE_MIN` merged windows and a season of event time, and is under the limit;
- it has been steady (`steady_rate`): a season under the limit is no change. The alarm over the limit watches it alone;
- the *stretch* speaks against the limit: the units since the rate was last at or under it have a log likelihood ratio
  of `OVER_LIMIT`, 3.2 standard deviations.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from shadowstream.judge.drift.shiryaev_roberts import ShiryaevRoberts
from shadowstream.judge.drift.steady_rate import SteadyRate

FACTORS = (2.0, 4.0, 8.0, 16.0)
"""Rates that are looked for, as multiples of the own rate: rises that matter are not small ones."""
STANDARD_ERRORS = 2.5
BASELINE_MIN = 10
"""Merged windows that the subject's own rate needs."""
OVER_LIMIT = 5.0


class RiseDetector:
    """Detector of one subject. `season_ms`: event time that its own rate must cover.

    >>> detector = RiseDetector(0.02, level=50_000, season_ms=0)
    >>> for hour in range(100):
    ...     detector.learn(500, 5, 1)
    >>> [detector.update(42, bad, (100, 50_000, 500), windows=1 / 12) for bad in (0, 2, 2, 4, 2, 3, 3)]
    [False, False, False, False, False, False, True]
    >>> detector.stretch
    (252, 16)
    """

    def __init__(self, limit: float, level: float, season_ms: int) -> None:
        self._limit, self._season_ms = limit, season_ms
        self._sr = ShiryaevRoberts(limit, level, FACTORS)
        self._steady = SteadyRate()
        self._watches = False
        self.span_ms = 0
        """Event time of the windows that give the own rate."""
        self.stretch: tuple[float, float] = (0, 0)
        """Units and bad units since the rate was last at or under the limit."""

    def learn(self, n: float, s: float, span_ms: int) -> None:
        """Take a merged window into the own rate."""
        self._steady.add(n, s)
        self.span_ms += span_ms

    def update(self, n: int, s: float, own: Sequence[float], windows: float) -> bool:
        """Read units; return whether it alarms.

        `own`: merged windows, units and bad units of the own rate. `windows`: as in `ShiryaevRoberts.update`.
        """
        units, bad = self.stretch[0] + n, self.stretch[1] + s
        self.stretch = (units, bad) if bad > units * self._limit else (0, 0)
        rate = self._own_rate(*own)
        self._watches = rate is not None
        if rate is None:
            self._sr.reset()
        else:
            self._sr.update(n, s, rate, windows)
        return self.alarm

    @property
    def alarm(self) -> bool:
        """Whether the rate has risen, as of the last update."""
        return self._watches and self._sr.alarm and _log_ratio(*self.stretch, self._limit) >= OVER_LIMIT

    def _own_rate(self, windows: float, n: float, s: float) -> float | None:
        if windows < BASELINE_MIN or not n or self.span_ms < self._season_ms or self._steady.moves:
            return None
        z = STANDARD_ERRORS
        rate = (s + z * z / 3.0 + z * math.sqrt(s + z * z / 4.0)) / n
        return rate if rate < self._limit else None

    def reset(self) -> None:
        """Drop all evidence and the own rate, as after an incident."""
        self._sr.reset()
        self._steady, self._watches, self.span_ms, self.stretch = SteadyRate(), False, 0, (0, 0)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return {
            "sr": self._sr.snapshot(),
            "steady": self._steady.snapshot(),
            "place": [self._watches, self.span_ms, list(self.stretch)],
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Restore the state; StateRefused as `ShiryaevRoberts.restore`."""
        self._sr.restore(snapshot["sr"])
        self._steady.restore(snapshot["steady"])
        self._watches, self.span_ms, (n, s) = snapshot["place"]
        self.stretch = (n, s)


def _log_ratio(n: float, s: float, limit: float) -> float:
    """Return the log likelihood ratio of the rate s/n, which is over the limit, to the limit."""
    if n <= 0:
        return 0.0
    good = (n - s) * (math.log1p(-s / n) - math.log1p(-limit)) if s < n else 0.0
    return s * math.log(s / n / limit) + good
