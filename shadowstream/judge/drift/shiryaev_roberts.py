"""Shiryaev-Roberts detector of a rate over its limit, at a known expected number of false alarms.

It alarms on a candidate that was wrong from the start too, which ADWIN (`adwin`) never does.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from shadowstream.errors import ConfigError
from shadowstream.judge.drift.sealed_state import sealed, unsealed

FACTORS = tuple(np.geomspace(1.25, 64.0, 8).tolist())
"""Rates that are looked for, as multiples of the limit."""


class ShiryaevRoberts:
    """The Shiryaev-Roberts e-detector of a rate over `p1`: false alarms come on average at least `level` windows apart.

    M_t(k) = (M_{t-1}(k) + w_k) L_k(x_t), L_k a window's likelihood ratio of q_k against p1, w_k = 1/8, and
    q_k = p1 * geomspace(1.25, 64, 8) (`factors`), cut at .99; alarm when the sum over k reaches `level`. No
    independence is assumed, only that each unit is bad with a probability of at most p1 given the past (Shin, Ramdas &
    Rinaldo, "E-detectors", NEJSDS; arXiv 2203.03532). State is a float for each k, kept as logs: a bad window alone
    may be worth e^1000.

    >>> detector = ShiryaevRoberts(0.01, level=alarm_level(detectors=4, windows=1000, false_alarms=1.0))
    >>> [detector.update(500, bad) for bad in (2, 4, 3, 40)]
    [False, False, False, True]
    """

    def __init__(self, p1: float, level: float, factors: tuple[float, ...] = FACTORS) -> None:
        if not 0.0 < p1 < 0.99:
            raise ConfigError(f"Shiryaev-Roberts: the limit must lie between 0 and .99, got {p1}")
        if not (math.isfinite(level) and level > 1.0):
            raise ConfigError(f"Shiryaev-Roberts: the alarm level is a number of windows over 1, got {level}")
        self.p1 = p1
        self.level = level
        self._factors = factors
        self._log_m = [-math.inf] * len(factors)

    def update(self, n: int, s: float, p1: float | None = None, windows: float = 1.0) -> bool:
        """Read a window of `n` units, `s` of them bad (or shares that add up to it); return whether it alarms.

        `p1`: the rate that this window must not exceed, if it is another one; earlier windows may determine it.
        `windows`: how many windows begin with these units, 0 for a later part of one. M_t less the windows so far is a
        supermartingale, so false alarms are as many windows apart as before, in however many parts a window comes.
        """
        if not 0 <= s <= n:
            raise ValueError(f"not a window: {s} bad of {n} units")
        log_w = math.log(windows / len(self._factors)) if windows > 0.0 else -math.inf
        self._log_m = [
            _log_of_both(log_m, log_w) + s * bad + (n - s) * good
            for log_m, (bad, good) in zip(self._log_m, _log_ratios(p1 or self.p1, self._factors), strict=True)
        ]
        return self.alarm

    @property
    def log_evidence(self) -> float:
        """Natural log of the sum over k of M_t(k); -inf before the first window."""
        return _log_sum(self._log_m)

    @property
    def alarm(self) -> bool:
        """Whether the evidence has reached the alarm level."""
        return self.log_evidence >= math.log(self.level)

    @property
    def _params(self) -> dict[str, Any]:
        return {"p1": self.p1, "level": self.level, "factors": list(self._factors)}

    def reset(self) -> None:
        """Drop all evidence, as after a handled alarm: the next alarm is counted from here."""
        self._log_m = [-math.inf] * len(self._factors)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON; null means no evidence, since JSON has no infinity."""
        return sealed(
            "shiryaev-roberts",
            self._params,
            log_m=[log_m if math.isfinite(log_m) else None for log_m in self._log_m],
        )

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Restore the state; StateRefused if it is of another kind, of other parameters, or damaged."""
        state = unsealed("shiryaev-roberts", self._params, snapshot)
        self._log_m = [-math.inf if log_m is None else log_m for log_m in state["log_m"]]


def alarm_level(detectors: int, windows: float, false_alarms: float) -> float:
    """Return the alarm level c = K T / B: K `detectors` over T `windows` raise at most B `false_alarms` on average.

    >>> alarm_level(detectors=4, windows=1000, false_alarms=0.5)
    8000.0
    """
    return detectors * windows / false_alarms


@lru_cache(maxsize=4096)
def _log_ratios(p1: float, factors: tuple[float, ...]) -> list[tuple[float, float]]:
    """Return ln of q / p1 and of (1-q) / (1-p1) for the rates q that are looked for."""
    rates = [min(p1 * factor, 0.99) for factor in factors]
    return [(math.log(rate / p1), math.log1p(-rate) - math.log1p(-p1)) for rate in rates]


def _log_of_both(one: float, other: float) -> float:
    """Return `_log_sum((one, other))`, bit for bit: the exact sum of two floats is rounded once, as `+` rounds it."""
    greatest, least = (one, other) if one > other else (other, one)
    if least == -math.inf:
        return greatest
    return greatest + math.log(1.0 + math.exp(least - greatest))


def _log_sum(logs: list[float]) -> float:
    greatest = max(logs)
    if math.isinf(greatest):
        return greatest
    return greatest + math.log(math.fsum(math.exp(log - greatest) for log in logs))
